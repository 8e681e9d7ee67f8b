"""A study of models of actions: ranking by AUC, recall by HR@10, beside what means and popularity know.

Validation only: weights are chosen on the same points, so the models' values are a little flattered.

Legend: B points, N items, U users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.artifacts import read_json
from steerec.data.split import Split
from steerec.evaluate.interval import Interval, mean_interval, paired_difference
from steerec.metrics.auc import auc
from steerec.metrics.ranking import hit_rate, ndcg, rank_of_targets
from steerec.recommend.actions.model import ActionConfig, ActionModel
from steerec.recommend.actions.points import ActionPoints, pasts_of
from steerec.recommend.actions.requests import Emission, SampleBatches
from steerec.recommend.fitting import DONE, fit_once
from steerec.seeding import numpy_rng

Floats = NDArray[np.floating[Any]]
_RESAMPLES = 1000
_SHRINKAGE = 2.0


class Answer(NamedTuple):
    """What one model says at all points."""

    liked: Floats | None
    """(B,), higher is more likely liked; None where it does not say."""
    scores: Floats | None
    """(B, N) of the next item."""
    seconds: float
    """Of fitting."""


def fit_models(split: Split, models: Mapping[str, ActionConfig], folder: Path) -> dict[str, Answer]:
    """Fit models and ask them; what is already saved in `folder` is kept where it is of the same split.

    Args:
        split: with ratings.
        models: configurations by row name.
        folder: receives a folder per model.
    """
    answers = {}
    for name, config in models.items():
        model = fit_once(ActionModel(config), split, folder / name)
        points = ActionPoints.of(split, config.levels)
        liked, scores = model.both(points.pasts, points.items, points.now)
        answers[name] = Answer(
            None if config.learns == "item" else liked,
            None if config.learns == "action" else scores,
            float(read_json(folder / name / DONE)["seconds"]),
        )
    return answers


def baselines(split: Split, level: float) -> dict[str, Answer]:
    """Return what popularity, item means and user and item means say of the validation points.

    Args:
        split: with ratings.
        level: rating from which an item is liked.
    """
    pasts, points = pasts_of(split, [level]), ActionPoints.of(split, [level])
    users = np.repeat(np.arange(len(pasts)), [len(past.items) for past in pasts])
    items = np.concatenate([past.items for past in pasts])
    liked = np.concatenate([past.actions for past in pasts]).astype(np.float64)
    asked = _users(split)
    size = len(split.catalog)
    counts = np.bincount(items, minlength=size).astype(np.float64)
    mean = liked.mean()
    by_item = _means(liked - mean, items, size)
    both_item, by_user = np.zeros(size), np.zeros(len(pasts))
    for _ in range(10):  # each mean of what the other leaves
        both_item = _means(liked - mean - by_user[users], items, size)
        by_user = _means(liked - mean - both_item[items], users, len(pasts))
    return {
        "popularity": Answer(None, np.tile(counts, (len(points.items), 1)), 0.0),
        "item mean": Answer(by_item[points.items], None, 0.0),
        "user + item mean": Answer(both_item[points.items] + by_user[asked], None, 0.0),
    }


def _means(values: NDArray[np.float64], groups: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    """Return the mean of each group, shrunk to 0 by `_SHRINKAGE` values of 0."""
    counts = np.bincount(groups, minlength=number)
    return np.bincount(groups, weights=values, minlength=number) / (counts + _SHRINKAGE)


def rows_of(split: Split, answers: Mapping[str, Answer], level: float) -> list[dict[str, Any]]:
    """Return one row per answer: auc of all points, hr@10 and ndcg@10 of those whose item was liked.

    Args:
        split: with ratings.
        answers: by row name.
        level: rating from which an item is liked.
    """
    points = ActionPoints.of(split, [level])
    liked = points.actions >= 1
    users = _users(split)[liked]
    rows = []
    for name, answer in answers.items():
        row: dict[str, Any] = {"name": name, "seconds": round(answer.seconds)}
        if answer.liked is not None:
            row["auc"] = auc_interval(answer.liked, liked)._asdict()
        if answer.scores is not None:
            ranks = rank_of_targets(answer.scores[liked], points.items[liked], points.masked[liked])
            row["hr@10"] = mean_interval(hit_rate(ranks, 10), users)._asdict()
            row["ndcg@10"] = mean_interval(ndcg(ranks, 10), users)._asdict()
        rows.append(row)
    return rows


def differences(split: Split, one: Answer, other: Answer, level: float) -> dict[str, Interval]:
    """Return paired differences `one` minus `other` of what both say, at the same points."""
    points = ActionPoints.of(split, [level])
    liked, found = points.actions >= 1, {}
    if one.liked is not None and other.liked is not None:
        found["auc"] = auc_interval(one.liked, liked, other.liked)
    if one.scores is not None and other.scores is not None:
        mine, theirs = (
            rank_of_targets(said[liked], points.items[liked], points.masked[liked])
            for said in (one.scores, other.scores)
        )
        users = _users(split)[liked]
        found["hr@10"] = paired_difference(hit_rate(mine, 10), hit_rate(theirs, 10), users)
        found["ndcg@10"] = paired_difference(ndcg(mine, 10), ndcg(theirs, 10), users)
    return found


def _users(split: Split) -> NDArray[np.int64]:
    """Return (B,) whose validation point each is."""
    return np.array([point.user for point in split.points("valid")], np.int64)


def sample_costs(split: Split, config: ActionConfig) -> dict[Emission, int]:
    """Return how many items one pass runs, with one sample per request end and with one per impression."""
    pasts = pasts_of(split, config.levels)
    times = [past.times for past in pasts if past.times is not None]
    costs: dict[Emission, int] = {}
    emissions: tuple[Emission, ...] = ("request", "impression")
    for emit in emissions:
        samples = SampleBatches(
            [len(past.items) for past in pasts],
            times if len(times) == len(pasts) else None,
            emit=emit,
            gap_s=config.request_gap_s,
            window=config.window,
            batch_size=config.batch_size,
            seed=config.training.seed,
        ).samples(0)
        costs[emit] = sum(len(one.places) for one in samples)
    return costs


def auc_interval(
    scores: Floats, labels: NDArray[np.bool_], reference: Floats | None = None, *, seed: int = 0
) -> Interval:
    """Return an AUC, or its difference to a reference's, with the percentile interval of resampled points.

    Args:
        scores: (B,).
        labels: (B,).
        reference: (B,) scores whose AUC is subtracted; None: nothing.
        seed: of the resamples.
    """

    def value(chosen: NDArray[np.int64]) -> float:
        found = auc(scores[chosen], labels[chosen])
        return found if reference is None else found - auc(reference[chosen], labels[chosen])

    rng = numpy_rng(seed, "auc", len(labels))
    every = np.arange(len(labels))
    resampled = [value(rng.choice(every, size=len(every))) for _ in range(_RESAMPLES)]
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return Interval(value(every), float(low), float(high), len(every))


def render(rows: Sequence[Mapping[str, Any]], pairs: Mapping[str, Mapping[str, Interval]]) -> str:
    """Return rows and differences as lines of a plain table."""
    metrics = ("auc", "hr@10", "ndcg@10")
    wide = 2 + max(len(name) for name in ("row", *(row["name"] for row in rows), *pairs))
    headings = (f"{heading:<26}" for heading in ("AUC", "HR@10 of liked", "NDCG@10 of liked"))
    lines = [f"{'row':<{wide}}{''.join(headings)}seconds"]
    for row in rows:
        cells = [_cell(row[name]) if name in row else "" for name in metrics]
        lines.append(
            f"{row['name']:<{wide}}" + "".join(f"{cell:<26}" for cell in cells) + str(row["seconds"])
        )
    for name, found in pairs.items():
        cells = [_cell(found[metric]._asdict(), "+") if metric in found else "" for metric in metrics]
        lines.append((f"{name:<{wide}}" + "".join(f"{cell:<26}" for cell in cells)).rstrip())
    return "\n".join(lines)


def _cell(values: Mapping[str, float], sign: str = "") -> str:
    return f"{values['mean']:{sign}.4f} [{values['low']:{sign}.3f}, {values['high']:{sign}.3f}]"
