"""Recall in one step or in several: RecGPT against the same network without prompts, on validation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.artifacts import read_json, write_json
from steerec.data.split import Split
from steerec.evaluate.interval import mean_interval, paired_difference
from steerec.recommend.sequences.recgpt import PromptConfig, RecGPT
from steerec.recommend.validation import Validation

Hits = dict[tuple[str, tuple[int, ...]], NDArray[np.float64]]


def fit_prompted(split: Split, models: Mapping[str, PromptConfig], folder: Path) -> dict[str, RecGPT]:
    """Fit models, or load those that `folder` holds with the same configuration.

    Args:
        split: the split; fitted on its training part.
        models: configurations by row name.
        folder: receives a folder per model.
    """
    fitted = {}
    for name, config in models.items():
        place = folder / name
        if not (place / "done.json").is_file() or RecGPT.from_pretrained(place).config != config:
            start = time.monotonic()
            RecGPT(config).fit(split, place / "training").save_pretrained(place)
            write_json(place / "done.json", {"seconds": time.monotonic() - start})
        fitted[name] = RecGPT.from_pretrained(place)
    return fitted


def hits(split: Split, models: Mapping[str, RecGPT], ways: Sequence[tuple[int, ...]]) -> Hits:
    """Return whether each validation item is in the list, by model and by items per step.

    Args:
        split: the split.
        models: fitted, by row name.
        ways: items of each step; their sums are the length of the list.
    """
    validation = Validation.of(split)
    found: Hits = {}
    for name, model in models.items():
        for way in ways:
            lists = model.recall(validation.histories, way)
            pairs = zip(validation.targets.tolist(), lists, strict=True)
            found[name, way] = np.array([float(target in items) for target, items in pairs])
    return found


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
    for (name, way), values in found.items():
        mean = _cell(mean_interval(values)._asdict(), "")
        gap = _cell(paired_difference(values, found[reference, (sum(way),)])._asdict(), "+")
        seconds = read_json(folder / name / "done.json")["seconds"]
        steps = "+".join(map(str, way))
        lines.append(f"{name:<18}{steps:<16}{mean:<26}{gap:<36}{seconds:.0f}")
    return "\n".join(lines)


def _cell(values: Mapping[str, Any], sign: str) -> str:
    return f"{values['mean']:{sign}.4f} [{values['low']:{sign}.4f}, {values['high']:{sign}.4f}]"
