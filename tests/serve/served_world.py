"""A finished run without a language model, made in a second: the floor on the synthetic world."""

from __future__ import annotations

from pathlib import Path

from steerec.artifacts import write_json
from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.recommend.floor import Floor
from steerec.serve.engine import SERVING


def served_split() -> Split:
    """Return the leave-last-out split that is served."""
    return make_split(make_world(num_users=40, num_items=48, seed=2))


def write_run(folder: Path, split: Split, teacher: Floor) -> Path:
    """Lay out a run as `steerec.run` publishes it, and return its folder."""
    split.save(folder / "data")
    teacher.save_pretrained(folder / "recommend" / "floor")
    record = {
        "schema": 1,
        "teacher": "recommend/floor",
        "language_model": None,
        "weight": 0.0,
        "first_place": 0.0,
        "beam": 8,
    }
    write_json(folder / SERVING, record)
    return folder
