"""Recall in one step or in several: RecGPT against the same network without prompts, on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.artifacts import read_json
from steerec.data.split import Split
from steerec.evaluate.interval import mean_interval, paired_difference
from steerec.recommend.fitting import DONE, fit_once
from steerec.recommend.sequences.recgpt import PromptConfig, RecGPT
from steerec.recommend.validation import Validation


class Hits(NamedTuple):
    """Whether each of P validation items is in the list."""

    users: NDArray[np.int64]
    """(P,) whose point each is."""
    found: dict[tuple[str, tuple[int, ...]], NDArray[np.float64]]
    """(P,) by model and by items per step."""


def fit_prompted(split: Split, models: Mapping[str, PromptConfig], folder: Path) -> dict[str, RecGPT]:
    """Fit models, or load those that `folder` holds, of the same configuration and split.

    Args:
        split: the split; fitted on its training part.
        models: configurations by row name.
        folder: receives a folder per model.
    """
    return {name: fit_once(RecGPT(config), split, folder / name) for name, config in models.items()}


def hits(split: Split, models: Mapping[str, RecGPT], ways: Sequence[tuple[int, ...]]) -> Hits:
    """Return whether each validation item is in the list, by model and by items per step.

    Args:
        split: the split.
        models: fitted, by row name.
        ways: items of each step; their sums are the length of the list.
    """
    validation = Validation.of(split)
    users = np.array([point.user for point in split.points("valid")], np.int64)
    found: dict[tuple[str, tuple[int, ...]], NDArray[np.float64]] = {}
    for name, model in models.items():
        for way in ways:
            lists = model.recall(validation.histories, way)
            pairs = zip(validation.targets.tolist(), lists, strict=True)
            found[name, way] = np.array([float(target in items) for target, items in pairs])
    return Hits(users, found)


def render_steps(found: Hits, reference: str, folder: Path) -> str:
    """Return a plain table: each row's hit rate, and its paired difference to the reference in one step.

    Args:
        found: see `hits`; for each length of a list it holds the reference in one step.
        reference: a row name.
        folder: of the models, for their seconds.
    """
    lines = [
        f"{'row':<18}{'items per step':<16}{'hit rate':<26}{'minus ' + reference + ' in one step':<36}seconds"
    ]
    users = found.users
    for (name, way), values in found.found.items():
        mean = _cell(mean_interval(values, users)._asdict(), "")
        gap = paired_difference(values, found.found[reference, (sum(way),)], users)
        seconds = read_json(folder / name / DONE)["seconds"]
        steps = "+".join(map(str, way))
        lines.append(f"{name:<18}{steps:<16}{mean:<26}{_cell(gap._asdict(), '+'):<36}{seconds:.0f}")
    return "\n".join(lines)


def _cell(values: Mapping[str, Any], sign: str) -> str:
    return f"{values['mean']:{sign}.4f} [{values['low']:{sign}.4f}, {values['high']:{sign}.4f}]"
