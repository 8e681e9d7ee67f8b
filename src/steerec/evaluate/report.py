"""The one result file of a run: a row per recommender, names from the registry, an interval per number."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pydantic

from steerec.artifacts import read_json, write_json
from steerec.config import Config
from steerec.evaluate.interval import Interval

SCHEMA: Literal[1] = 1
ROW_NAMES = (
    "popularity",
    "item-knn",
    "ease",
    "floor",
    "sasrec",
    "teacher",
    "teacher+control",
    "teacher+keyword",
    "lm-before-free",
    "lm-before-constrained",
    "lm-sft-free",
    "lm-sft-constrained",
    "lm-free",
    "lm-constrained",
    "lm-constrained+teacher",
)
"""Rows in the order in which tables show them."""


class Metric(Config):
    """A mean with its 95 % interval over users."""

    mean: float
    low: float
    high: float
    n: int
    """Users behind the mean."""

    @classmethod
    def of(cls, interval: Interval) -> Metric:
        """Return the metric of an interval."""
        return cls(mean=interval.mean, low=interval.low, high=interval.high, n=interval.n)


class Row(Config):
    """One recommender's numbers on one split."""

    name: str
    split: Literal["valid", "test"]
    seeds: tuple[int, ...]
    metrics: dict[str, Metric]
    per_seed: dict[str, tuple[float, ...]] = pydantic.Field(default_factory=dict)
    """Means of the ranking metrics, one per seed, where there are several."""
    seconds: float | None = None
    """Seconds of fitting and answering, all seeds."""


class Comparison(Config):
    """A paired difference between two rows, per user."""

    row: str
    reference: str
    metric: str
    difference: Metric

    @property
    def verdict(self) -> str:
        """Say what the interval allows to say."""
        if self.difference.low > 0:
            return "higher"
        return "lower" if self.difference.high < 0 else "no difference shown"


class Facts(Config):
    """What a reader must know to compare the numbers with others."""

    dataset: str
    split: str
    split_hash: str
    history_policy: str
    tie_rule: str = "ties in score count against us"
    num_users: int
    num_items: int
    num_interactions: int
    num_points: int
    num_requests: int = 0
    target_admissible: float | None = None
    """Share of the control requests that some satisfying list with the target exists for."""
    target_in_input: float = 0.0
    """Share of the points whose target is already in the input: a miss for every masked row."""
    looks: int = 0
    """How often this data's test split has been evaluated, this time included."""
    hardware: str = ""
    date: str = ""
    commit: str | None = None
    command: str = ""


class Report(Config):
    """Everything that `report.json` holds."""

    schema_: Literal[1] = pydantic.Field(SCHEMA, alias="schema")
    facts: Facts
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...] = ()
    weight_curve: tuple[dict[str, float], ...] = ()
    """Validation metrics by weight of the teacher term."""
    oracle_violations: dict[str, int] = pydantic.Field(default_factory=dict)
    """Per constrained row: served lists in which the independent oracle found a violation."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, use_attribute_docstrings=True
    )

    def row(self, name: str) -> Row:
        """Return a row by name; KeyError when there is none."""
        return {row.name: row for row in self.rows}[name]

    def save(self, path: Path) -> None:
        """Write the report as JSON, whole or not at all."""
        write_json(path, self.model_dump(mode="json", by_alias=True))

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a report."""
        return cls.model_validate(read_json(path))


def in_order(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows in the order of `ROW_NAMES`.

    Other models than those named stand before the teacher, in their own order; other language models last.
    """
    place = {name: float(index) for index, name in enumerate(ROW_NAMES)}

    def where(row: Row) -> float:
        return place.get(row.name, len(place) if row.name.startswith("lm-") else place["teacher"] - 0.5)

    return tuple(sorted(rows, key=where))
