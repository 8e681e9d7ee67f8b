"""What follows fine-tuning, by the kind of its settings: reinforcement learning, preferences, more rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from steerec.align.best_of import BestOfConfig, learn_best_of
from steerec.align.distillation import Teaching
from steerec.align.preferring import PreferenceConfig, prefer
from steerec.align.rewards.judge import asked_scores, make_judge
from steerec.align.rl import reinforce, warn_if_hopeless
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import read_asks
from steerec.align.sft import SftConfig, fine_tune
from steerec.artifacts import write_json
from steerec.llm.language_model import LanguageModel

AlignConfig = RlConfig | PreferenceConfig | BestOfConfig | SftConfig


def align(
    lm: LanguageModel,
    rows: pl.DataFrame,
    settings: AlignConfig,
    folder: Path,
    *,
    teaching: Teaching,
    **options: Any,
) -> LanguageModel:
    """Go on from a fine-tuned model.

    Args:
        lm: the model, trained in place.
        rows: instruction rows; their requests are asked.
        settings: how.
        folder: receives the log, samples, warnings, and checkpoints while training runs.
        teaching: the teacher that judges and labels.
        options: `evaluate` and `sample` of the training functions.
    """
    if isinstance(settings, SftConfig):
        return fine_tune(lm, rows, settings, folder, teacher=teaching, select="ndcg@10", **options)[0]
    longest, tasks, select = settings.max_prompt_tokens, settings.tasks, settings.select
    asks = read_asks(lm, rows, teaching.catalog, max_prompt_tokens=longest, tasks=tasks)
    if isinstance(settings, PreferenceConfig):
        judge = make_judge(settings.reward, teaching)
        return prefer(lm, asks, settings, folder, judge=judge, select=select, **options)[0]
    if isinstance(settings, BestOfConfig):
        judge = make_judge(settings.reward_model.reward, teaching)
        return learn_best_of(lm, asks, settings, folder, judge=judge, select=select, **options)
    free, constrained = (make_judge(r, teaching) for r in (settings.free_reward, settings.constrained_reward))
    scores = partial(asked_scores, teaching)
    options |= {"free": free, "constrained": constrained, "scores": scores, "select": select}
    tuned, result = reinforce(lm, asks, settings, folder, **options)
    write_json(folder / "warnings.json", warn_if_hopeless(result.history))
    return tuned
