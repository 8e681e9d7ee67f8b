"""Several runs in one table: means over seeds, and paired differences with what they allow to say.

Legend: L labels (recipes, and rows they share), S seeds of a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table

from steerec.evaluate.interval import Interval, mean_interval
from steerec.evaluate.table import fits, headed_table
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

        The side with fewer seeds is repeated.
        """
        ours, theirs = self.values(label, measure), self.values(reference, measure)
        if not ours or not theirs:
            return None
        pairs = []
        for number in range(max(len(ours), len(theirs))):
            one, other = ours[number % len(ours)], theirs[number % len(theirs)].rename({"value": "other"})
            both = one.join(other, on=["user", "key"], how="inner", validate="1:1")
            pairs.append(both.with_columns(difference=pl.col("value") - pl.col("other")))
        pooled = pl.concat(pairs)
        interval = mean_interval(pooled["difference"].to_numpy(), pooled["user"].to_numpy())
        per_seed = tuple(
            mean_interval(one["difference"].to_numpy(), one["user"].to_numpy()).mean for one in pairs
        )
        mean = self.mean(reference, measure)
        assert mean is not None
        return Difference(label, measure, interval, per_seed, mean.mean)


def contest_tables(contest: Contest, references: Sequence[str]) -> list[RenderableType]:
    """Return the means, and for each reference a table per label of its differences to it.

    Args:
        contest: the runs.
        references: labels that the others are compared with; each later one only with what is no reference
            before it, since the other direction says the same.
    """
    tables: list[RenderableType] = [_Means(contest)]
    for number, reference in enumerate(references):
        others = [label for label in contest.seeds if label not in references[: number + 1]]
        tables += [_difference_table(contest, label, reference) for label in others]
    return tables


class _Means:
    """The table of means, which learns the width only when it is printed."""

    def __init__(self, contest: Contest) -> None:
        labels = [*contest.shared, *contest.seeds]
        found = {m: [contest.mean(label, m) for label in labels] for m in MEASURES}
        self.columns = {m: [_cell(one, m) for one in means] for m, means in found.items() if any(means)}
        seeds = {label: len(frames) for label, frames in contest.seeds.items()}
        self.labels = [
            f"{label} ({seeds[label]} seeds)" if seeds.get(label, 1) > 1 else label for label in labels
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield one table where it fits, else one of accuracy and one of obedience."""
        whole = self._table(self.columns)
        if fits(whole, console, options):
            yield whole
            return
        for is_share in (False, True):
            yield self._table({m: cells for m, cells in self.columns.items() if m.is_share == is_share})

    def _table(self, columns: Mapping[Measure, Sequence[str]]) -> Table:
        return headed_table("", "row", self.labels, {m.heading: cells for m, cells in columns.items()})


def _difference_table(contest: Contest, label: str, reference: str) -> Table:
    title = f"{label} minus {reference}"
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for heading in ("measure", "difference [95 %]"):
        table.add_column(heading, no_wrap=True)
    table.add_column("each seed", min_width=9)
    table.add_column("verdict", min_width=len("non-inferior"))  # what wraps, wraps between words
    for measure in MEASURES:
        found = contest.difference(label, reference, measure)
        if found is not None:
            seeds = " ".join(_number(one, measure) for one in found.per_seed)
            table.add_row(measure.heading, _interval(found.interval, measure), seeds, found.verdict)
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
