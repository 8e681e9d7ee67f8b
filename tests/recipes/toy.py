"""Any recipe, shrunk to the synthetic world so that it runs on a CPU in seconds."""

from __future__ import annotations

from typing import Any

from steerec.align.best_of import BestOfConfig
from steerec.align.merging import AloneConfig, MergeConfig
from steerec.align.rl_config import RlConfig
from steerec.align.sft import SftConfig
from steerec.llm.smollm2 import SmolLM2Config
from steerec.llm.tiny import TinyConfig
from steerec.recommend.sequences.config import SequenceConfig
from steerec.run_config import DataConfig, RunConfig


def toy(config: RunConfig, *, steps: int = 12, rows: int = 240, real_model: bool = False) -> RunConfig:
    """Return the same recipe on a world of 60 users and 40 items, with a few optimiser steps.

    SmolLM2 is replaced by a tiny model that spells titles, unless `real_model`.
    """
    models = {name: _small(model) for name, model in config.panel.models.items()}
    changes = {
        # A real language model takes a second a list on a CPU: fewer users for it.
        "data": DataConfig(
            source="synthetic", options={"num_users": 16 if real_model else 60, "num_items": 40}
        ),
        "panel": config.panel.replace(models=models, seeds=config.panel.seeds[:2]),
        "evaluation": config.evaluation.replace(
            num_requests=min(24, config.evaluation.num_requests),
            num_valid_requests=min(12, config.evaluation.num_valid_requests),
        ),
        "validation_points": 20,
        "crossfit_folds": min(2, config.crossfit_folds),
    }
    if config.llm is not None:
        assert config.instruct is not None
        assert config.sft is not None
        growth = config.instruct.self_instruct
        growth = None if growth is None else growth.replace(num_phrasings=0)  # the writer is no toy
        training = config.sft.training.replace(max_steps=steps, eval_steps=steps, save_steps=steps)
        changes |= {
            "instruct": config.instruct.replace(num_rows=rows, num_valid_rows=20, self_instruct=growth),
            "sft": config.sft.replace(training=training, tokens_per_batch=1024),
            "decode": config.decode.replace(weights=(0.0, 1.0), num_points=20),
        }
    if isinstance(config.align, MergeConfig):
        parts = {name: _short(part) for name, part in config.align.parts.items()}
        changes["align"] = config.align.replace(parts=parts)
    elif config.align is not None:
        changes["align"] = _short(config.align)
    if config.reader is not None:
        training = config.reader.training.replace(max_steps=2, eval_steps=2, save_steps=4)
        small = {"training": training, "batch_size": 4, "copies": 0, "num_validation": 4}
        changes["reader"] = config.reader.replace(**small)
    if isinstance(config.llm, SmolLM2Config) and not real_model:
        config = config.replace(llm=TinyConfig(identifier=config.llm.identifier, max_history=10))
    if isinstance(config.llm, TinyConfig):
        size = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "intermediate_size": 64, "num_words": 400}
        changes["llm"] = config.llm.replace(**size)
    return config.replace(**changes)


def _short(settings: AloneConfig) -> AloneConfig:
    """Return the same way of aligning, with two steps of a few lists."""
    training = settings.training.replace(max_steps=2, eval_steps=2, save_steps=4)
    smaller: dict[str, Any] = {"tokens_per_batch": 1024}
    if not isinstance(settings, SftConfig):
        size = "prompts_per_step" if isinstance(settings, RlConfig) else "num_prompts"
        smaller = {"samples": 4, size: 8}
    if isinstance(settings, BestOfConfig):
        learned = settings.reward_model
        small = learned.training.replace(max_steps=2, eval_steps=2, save_steps=4)
        smaller |= {"reward_model": learned.replace(training=small, num_prompts=60), "num_prompts": 60}
    return settings.replace(training=training, **smaller)


def _small(model: SequenceConfig) -> SequenceConfig:
    """Return the same sequence model, narrow and hardly trained."""
    training = model.training.replace(max_steps=30, eval_steps=10, patience=None)
    return model.replace(width=16, window=16, training=training)
