"""A stand-in for the Python of the parity environment: it speaks the protocol, with slow referees of its own.

`STUB_FAULT` in the environment makes it fail ("crash") or judge NDCG as RecTools does by default ("ideal").
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np


def judge(facts: dict, arrays: dict) -> tuple[dict, dict]:
    """Values of the referees by their definitions, a user at a time."""
    found: dict[str, list[float]] = {}
    for row, target in zip(arrays["lists"].tolist(), arrays["targets"].tolist(), strict=True):
        place = row.index(target) + 1 if target in row else math.inf
        for k in facts["cutoffs"]:
            hit = place <= k
            gain = 1 / math.log2(place + 1) if hit else 0.0
            if os.environ.get("STUB_FAULT") == "ideal":
                gain /= sum(1 / math.log2(i + 1) for i in range(1, k + 1))
            values = {"hr": float(hit), "recall": float(hit), "ndcg": gain, "mrr": 1 / place if hit else 0.0}
            for name, value in values.items():
                for library in ("RecTools", "ranx"):
                    found.setdefault(f"{library} {name}@{k}", []).append(value)
    return {"versions": {"rectools": "stub", "ranx": "stub"}}, {k: np.array(v) for k, v in found.items()}


def train(facts: dict, arrays: dict) -> tuple[dict, dict]:
    """Steps of half a second, half of it the processor's; the first items that a history does not have."""
    steps = facts["steps"] or 2 * facts["epochs"]
    size = int(arrays["points"][-1]) + 1 if len(arrays["points"]) else 0
    lists = np.full((size, facts["k"]), -1)
    for point in range(size):
        history = set(arrays["history"][arrays["points"] == point].tolist())
        items = [item for item in range(facts["k"] + len(history)) if item not in history]
        lists[point] = items[: facts["k"]]
    answer = {"steps_per_epoch": 2, "versions": {facts["task"]: "stub"}}
    arrays = {
        "fit_seconds": np.array([0.5 * steps + 3.0, 0.25 * steps + 2.0]),
        "step_seconds": np.tile([0.5, 0.25], (steps, 1)),
        "step_targets": np.full(steps, 100),
        "lists": lists,
    }
    return answer, arrays


def main(folder: Path) -> None:
    """Do what is asked."""
    if os.environ.get("STUB_FAULT") == "crash":
        sys.exit("ModuleNotFoundError: No module named 'rectools'")
    facts = json.loads((folder / "job.json").read_text())
    with np.load(folder / "job.npz") as file:
        arrays = {name: file[name] for name in file.files}
    done, made = (judge if facts["task"] == "judge" else train)(facts, arrays)
    np.savez(folder / "answer.npz", **made)
    (folder / "answer.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
