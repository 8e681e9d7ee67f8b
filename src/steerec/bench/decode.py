"""`steerec bench decode`: our decoders against `generate`, same model, prompts and spelling, in one run.

Every repeat runs all methods one after the other on the same prompts, so ratios are of paired runs; figures
are medians over the repeats.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch

from steerec.artifacts import provenance
from steerec.bench import rivals
from steerec.bench.meter import Cost, measure, typical
from steerec.config import Config
from steerec.control.admissible import Admissible
from steerec.control.problem import Problem
from steerec.data.catalog import Catalog
from steerec.data.source import load_source
from steerec.data.split import Split, make_split
from steerec.decode.cache import RaggedCache
from steerec.decode.constrained import decode_lists
from steerec.decode.mask import MovingMask
from steerec.decode.prompts import PLAIN, plain_problems, plain_prompts
from steerec.decode.stream import StreamCache
from steerec.decode.walk import walk_lists
from steerec.decode.window import RankedWindow
from steerec.llm.build import build_language_model
from steerec.llm.language_model import LanguageModel
from steerec.llm.smollm2 import SmolLM2Config
from steerec.llm.tiny import TinyConfig
from steerec.progress import progress

REFERENCE = "generate + prefix_allowed_tokens_fn"
OURS = "steerec, token by token"
ADAPTER = "generate + ControlLogits"
_SETUP = ((MovingMask, "__init__"), (Admissible, "__init__"))
_MASK = ((MovingMask, "window"), (RankedWindow, "children"), (RankedWindow, "counts"), (Admissible, "mask"))
_BEAM = 8


class DecodeBenchConfig(Config):
    """What is timed."""

    data: str = "ml-100k"
    """Source of the catalogue and of the histories."""
    models: tuple[Literal["smollm2", "smollm2-atomic", "tiny", "tiny-titles"], ...] = (
        "smollm2",
        "smollm2-atomic",
        "tiny",
        "tiny-titles",
    )
    """SmolLM2-135M as it comes, and the tiny model with random weights: speed does not depend on training."""
    batch_sizes: tuple[pydantic.PositiveInt, ...] = (1, 8, 32)
    history: pydantic.NonNegativeInt = 10
    """Most recent items shown in a prompt."""
    repeats: pydantic.PositiveInt = 3
    """Paired runs of all methods, after one that is not counted."""
    threads: pydantic.NonNegativeInt = 0
    """Torch threads; 0 leaves them as they are."""
    bf16: bool = False
    """Run the models in bfloat16 instead of float32."""


def bench_decode(config: DecodeBenchConfig) -> dict[str, Any]:
    """Time all methods.

    Args:
        config: what is timed.

    Returns:
        A JSON-able report: `{"config", "machine", "date", "rows": [one object per model, batch, method]}`.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    split = make_split(load_source(config.data))
    results: list[dict[str, Any]] = []
    total = len(config.models) * len(config.batch_sizes) * (config.repeats + 1)
    with progress("bench decode", total=total, unit="runs") as bar:
        for name in config.models:
            lm = _build(name, split.catalog, config)
            advance = partial(bar.advance, 1, name)
            for size in config.batch_sizes:
                methods = _methods(lm, split, size)
                costs, answers = _race(lm, methods, config.repeats, advance)
                results += _rows(name, size, costs, answers)
    return {
        "config": config.model_dump(mode="json"),
        "machine": f"{os.cpu_count()} cores {platform.machine()}, {torch.get_num_threads()} threads",
        "date": time.strftime("%Y-%m-%d"),
        "commit": provenance()["commit"],
        "schema": 1,
        "rows": results,
    }


def _build(name: str, catalog: Catalog, config: DecodeBenchConfig) -> LanguageModel:
    if name.startswith("smollm2"):
        identifier: Literal["atomic", "title"] = "atomic" if name.endswith("atomic") else "title"
        settings = SmolLM2Config(max_history=config.history, identifier=identifier)
        lm = build_language_model(settings, catalog)
    else:
        spelling: Literal["atomic", "title"] = "title" if name.endswith("titles") else "atomic"
        tiny = TinyConfig(max_history=config.history, identifier=spelling)
        lm = build_language_model(tiny, catalog, phrasings=[])
    if config.bf16:
        lm.model.to(torch.bfloat16)
    return lm


class _Method(NamedTuple):
    """One way to write the lists."""

    call: Callable[[], Any]
    prompt: Callable[[], Any]
    """Reads the prompts in the same way, and stops."""
    is_ours: bool = False


def _methods(lm: LanguageModel, split: Split, size: int) -> dict[str, _Method]:
    points = split.points("valid")[:size]
    prompts = plain_prompts(lm, split.catalog, points, phrasing="validation", seed=0)
    problems = plain_problems(split.catalog, points)
    root, count = rivals.dict_trie(lm), PLAIN.count
    tokens = _answer_tokens(lm, prompts, problems)

    def read() -> None:
        rivals.generate(lm, prompts, max_new_tokens=1)

    def adapted() -> list[list[int]]:
        return rivals.generate_controlled(lm, prompts, problems=problems)

    return {
        OURS: _Method(
            lambda: [found.tokens for (found,) in walk_lists(lm, prompts, problems)],
            lambda: StreamCache(lm.model, prompts, room=1, pad_id=lm.pad_id),
            is_ours=True,
        ),
        f"steerec, item beam {_BEAM}": _Method(
            lambda: decode_lists(lm, prompts, problems, beam=_BEAM),
            lambda: RaggedCache(lm.model, prompts, pad_id=lm.pad_id),
            is_ours=True,
        ),
        REFERENCE: _Method(lambda: rivals.generate_by_prefix(lm, prompts, count=count, root=root), read),
        ADAPTER: _Method(
            lambda: rivals.generate_controlled(lm, prompts, problems=problems), read, is_ours=True
        ),
        "generate, no constraint": _Method(lambda: rivals.generate_free(lm, prompts, tokens=tokens), read),
    }


def _answer_tokens(lm: LanguageModel, prompts: Sequence[Sequence[int]], problems: Sequence[Problem]) -> int:
    """Steps that the constrained answers take, so that free generation does as many."""
    return max(len(found.tokens) for (found,) in walk_lists(lm, prompts, problems)) + 1


def _race(
    lm: LanguageModel, methods: dict[str, _Method], repeats: int, advance: Callable[[], None]
) -> tuple[dict[str, list[Cost]], dict[str, Any]]:
    """Run all methods in turn, `repeats` times after a warm-up."""
    costs: dict[str, list[Cost]] = {name: [] for name in methods}
    answers: dict[str, Any] = {}
    for repeat in range(repeats + 1):
        for name, method in methods.items():
            ours = {"setup": _SETUP, "mask": _MASK} if method.is_ours else {}
            with torch.inference_mode():
                cost, answers[name] = measure(lm.model, method.call, method.prompt, **ours)
            if repeat:
                costs[name].append(cost)
        advance()
    return costs, answers


def _rows(
    model: str, size: int, costs: dict[str, list[Cost]], answers: dict[str, Any]
) -> list[dict[str, Any]]:
    reference = costs[REFERENCE]
    same = [list(tokens) for tokens in answers[OURS]] == answers[ADAPTER]
    rows = []
    for name, runs in costs.items():
        one = typical(runs)
        rows.append(
            {
                "model": model,
                "batch": size,
                "method": name,
                **asdict(one),
                "lists_per_s": size / one.seconds,
                "mask_share": float(median(run.mask_share for run in runs)),
                "own_share": float(median(run.own_share for run in runs)),
                "speedup": _ratio(reference, runs, "seconds"),
                "decode_speedup": _ratio(reference, runs, "decode_seconds"),
                "forwards_share": one.forwards / typical(reference).forwards,
                "same_lists_as_adapter": same if name == OURS else None,
            }
        )
    return rows


def _ratio(reference: Sequence[Cost], runs: Sequence[Cost], figure: str) -> float:
    """Median over the repeats of reference / method: above 1, the method is faster."""
    pairs = zip(reference, runs, strict=True)
    return float(np.median([getattr(a, figure) / max(getattr(b, figure), 1e-9) for a, b in pairs]))
