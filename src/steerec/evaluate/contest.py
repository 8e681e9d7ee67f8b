"""Several runs in one table: means over seeds, and paired differences with what they allow to say.

Legend: L labels (recipes, and rows they share), S seeds of a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.table import Table

from steerec.evaluate.interval import Interval, mean_interval
from steerec.evaluate.values import RANDOM, UNSEEN_LENGTHS

_MARGIN = 0.05
"""Non-inferior: the lower end lies above minus this share of the reference's mean (DESIGN 6)."""


class Measure(NamedTuple):
    """One column: which values of which row of a run it averages."""

    heading: str
    row: str
    """Row of a language model; shared rows answer with their own."""
    metric: str
    group: str | None = None
    """Only requests of this kind; None: all but those for random categories."""
    is_share: bool = False
    """Whether it is written in percent."""


_OBEYS = "control_satisfaction@k:unseen"
MEASURES = (
    Measure("NDCG@10", "lm-constrained", "ndcg@10"),
    Measure("NDCG@10 under control", "lm-constrained", "ndcg@10:control:unseen"),
    Measure("NDCG@10, free", "lm-free", "ndcg@10"),
    Measure("obeys", "lm-free", "control_satisfaction@k", is_share=True),
    Measure("obeys, unseen words", "lm-free", _OBEYS, is_share=True),
    Measure("obeys, unseen lengths", "lm-free", _OBEYS, UNSEEN_LENGTHS, is_share=True),
    Measure("invalid items", "lm-free", "error_invalid@k:unseen", is_share=True),
    Measure("wrong count", "lm-free", "error_count@k:unseen", is_share=True),
)
SHARED = ("floor", "sasrec", "teacher", "teacher+control", "teacher+keyword")
"""Rows that do not depend on the language model; taken from the first run."""


class Difference(NamedTuple):
    """A label minus the reference, by one measure."""

    label: str
    measure: Measure
    interval: Interval
    per_seed: tuple[float, ...]
    reference_mean: float

    @property
    def verdict(self) -> str:
        """Say what interval and seeds allow to say."""
        signs = {np.sign(one) for one in self.per_seed}
        if self.interval.excludes_zero and len(signs) == 1:
            return "higher" if self.interval.mean > 0 else "lower"
        if self.measure.is_share:
            return "no difference shown"
        inferior = self.interval.low <= -_MARGIN * self.reference_mean
        return "no difference shown" + (", may be inferior" if inferior else ", non-inferior")


class Contest:
    """Runs that answered the same points and requests."""

    def __init__(self, runs: Sequence[tuple[str, pl.DataFrame]]) -> None:
        """Take the values of every run.

        Args:
            runs: label and values (see `values.ValueTable`) of each run; runs of one label are its seeds.
        """
        self.seeds: dict[str, list[pl.DataFrame]] = {}
        for label, values in runs:
            self.seeds.setdefault(label, []).append(values)
        first = runs[0][1]
        present = set(first["row"].unique().to_list())
        self.shared = {name: first.filter(pl.col("row") == name) for name in SHARED if name in present}

    def values(self, label: str, measure: Measure) -> list[pl.DataFrame]:
        """Return one frame (user, key, value) per seed of a label; empty where it has no such values."""
        if label in self.shared:
            frames, row = [self.shared[label]], label
        else:
            frames, row = self.seeds[label], measure.row
        chosen = (pl.col("row") == row) & (pl.col("metric") == measure.metric)
        if measure.group is None:
            chosen &= pl.col("group") != RANDOM
        else:
            chosen &= pl.col("group") == measure.group
        found = [frame.filter(chosen).select("user", "key", "value") for frame in frames]
        return [frame for frame in found if len(frame)]

    def mean(self, label: str, measure: Measure) -> Interval | None:
        """Return a label's mean over users and seeds."""
        frames = self.values(label, measure)
        if not frames:
            return None
        pooled = pl.concat(frames)
        return mean_interval(pooled["value"].to_numpy(), pooled["user"].to_numpy())

    def difference(self, label: str, reference: str, measure: Measure) -> Difference | None:
        """Return the paired difference of two labels, seed by seed; None where one has no such values.

        A reference with fewer seeds is repeated.
        """
        ours, theirs = self.values(label, measure), self.values(reference, measure)
        if not ours or not theirs:
            return None
        pairs = []
        for number, frame in enumerate(ours):
            other = theirs[number % len(theirs)].rename({"value": "other"})
            both = frame.join(other, on=["user", "key"], how="inner", validate="1:1")
            pairs.append(both.with_columns(difference=pl.col("value") - pl.col("other")))
        pooled = pl.concat(pairs)
        interval = mean_interval(pooled["difference"].to_numpy(), pooled["user"].to_numpy())
        per_seed = tuple(
            mean_interval(one["difference"].to_numpy(), one["user"].to_numpy()).mean for one in pairs
        )
        mean = self.mean(reference, measure)
        assert mean is not None
        return Difference(label, measure, interval, per_seed, mean.mean)


def contest_tables(contest: Contest, references: Sequence[str]) -> list[Table]:
    """Return the table of means, and for each reference one of the differences to it.

    Args:
        contest: the runs.
        references: labels that the others are compared with.
    """
    labels = [*contest.shared, *contest.seeds]
    means = {label: {m: contest.mean(label, m) for m in MEASURES} for label in labels}
    measures = [m for m in MEASURES if any(means[label][m] for label in labels)]
    table = Table(header_style="bold", pad_edge=False)
    table.add_column("row", no_wrap=True)
    for measure in measures:
        table.add_column(measure.heading, justify="right")
    for label in labels:
        seeds = len(contest.seeds.get(label, [0]))
        name = f"{label} ({seeds} seeds)" if seeds > 1 else label
        table.add_row(name, *(_cell(means[label][measure], measure) for measure in measures))
    return [table, *(_difference_table(contest, reference, measures) for reference in references)]


def _difference_table(contest: Contest, reference: str, measures: Sequence[Measure]) -> Table:
    table = Table(title=f"minus {reference}", title_justify="left", header_style="bold", pad_edge=False)
    for heading in ("row", "measure", "difference [95 %]", "each seed", "verdict"):
        table.add_column(heading, no_wrap=heading != "verdict")
    for label in contest.seeds:
        for measure in measures if label != reference else ():
            found = contest.difference(label, reference, measure)
            if found is not None:
                seeds = ", ".join(_number(one, measure) for one in found.per_seed)
                table.add_row(
                    label, measure.heading, _interval(found.interval, measure), seeds, found.verdict
                )
    return table


def _cell(interval: Interval | None, measure: Measure) -> str:
    if interval is None:
        return ""
    if measure.is_share:
        return f"{100 * interval.mean:.1f} %"
    return f"{interval.mean:.4f}"


def _number(value: float, measure: Measure) -> str:
    return f"{100 * value:+.1f}" if measure.is_share else f"{value:+.4f}"


def _interval(interval: Interval, measure: Measure) -> str:
    low, high = _number(interval.low, measure), _number(interval.high, measure)
    return f"{_number(interval.mean, measure)} [{low}, {high}]" + (" points" if measure.is_share else "")


def pool_labels(configs: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the label of every run: its recipe's name; runs that differ in seeds only share one.

    How a run is evaluated makes no difference here: `run.contest` sees to it that the requests are the same.

    Args:
        configs: what `config.json` of each run holds.

    Returns:
        Labels; a recipe run with other settings gets a number behind its name.
    """
    known: dict[str, list[object]] = {}
    labels = []
    for config in configs:
        name = str(config["recipe"])
        rest = _seedless({key: value for key, value in config.items() if key != "evaluation"})
        kinds = known.setdefault(name, [])
        if rest not in kinds:
            kinds.append(rest)
        number = kinds.index(rest)
        labels.append(name if not number else f"{name} #{number + 1}")
    return labels


def _seedless(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _seedless(one) for key, one in value.items() if key not in ("seed", "seeds")}
    return [_seedless(one) for one in value] if isinstance(value, list) else value
