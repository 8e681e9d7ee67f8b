"""The study of models of actions: means by hand, intervals, and a run on planted likes with its floor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from action_worlds import SMALL_ACTIONS, liking_split

from steerec.data.split import Split
from steerec.evaluate.actions import (
    Answer,
    auc_interval,
    baselines,
    differences,
    fit_models,
    rows_of,
    sample_costs,
)
from steerec.loop import TrainingConfig
from steerec.metrics.auc import auc
from steerec.recipes.sequential_actions import hstu_tasks, run_study, unigrf
from steerec.recommend.actions.model import ActionModel
from steerec.recommend.actions.points import ActionPoints


def test_means_know_what_was_counted() -> None:
    split = liking_split(40)
    points, answers = ActionPoints.of(split, [4.0]), baselines(split, 4.0)
    counts, likes, total, every = np.zeros(28), np.zeros(28), 0.0, 0
    assert split.ratings is not None
    for items, ratings, cut in zip(split.sequences, split.ratings, split.cut, strict=True):
        for item, rating in zip(items[:cut].tolist(), ratings[:cut].tolist(), strict=True):
            counts[item] += 1
            likes[item] += rating >= 4
            total, every = total + (rating >= 4), every + 1
    mean = total / every
    expected = (likes - counts * mean) / (counts + 2)
    assert answers["item mean"].liked == pytest.approx(expected[points.items])
    assert answers["popularity"].scores is not None
    assert answers["popularity"].scores[0] == pytest.approx(counts)
    # All people like alike often and all items are liked alike: no mean knows much.
    both = answers["user + item mean"].liked
    assert both is not None
    assert auc(both, points.actions == 1) < 0.75


def test_intervals_hold_the_value_and_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(400) < 0.5
    good, bad = labels + rng.normal(size=400), rng.normal(size=400)
    found = auc_interval(good, labels)
    assert found.low < found.mean == auc(good, labels) < found.high
    assert found.high - found.low < 0.15
    assert auc_interval(good, labels, bad).low > 0
    nothing = auc_interval(good, labels, good)
    assert nothing.low == nothing.mean == nothing.high == 0


def test_a_study_keeps_what_is_fitted_and_beats_the_means(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    split = liking_split()
    models = {"both": SMALL_ACTIONS.replace(learns="both")}
    fitted = fit_models(split, models, tmp_path)
    written = (tmp_path / "both" / "action_model.safetensors").stat().st_mtime_ns
    again = fit_models(split, models, tmp_path)
    assert (tmp_path / "both" / "action_model.safetensors").stat().st_mtime_ns == written
    assert np.array_equal(again["both"].scores, fitted["both"].scores)  # type: ignore[arg-type]
    answers = {**baselines(split, 4.0), **fitted}
    rows = {row["name"]: row for row in rows_of(split, answers, 4.0)}
    assert rows["both"]["auc"]["low"] > rows["item mean"]["auc"]["high"]
    assert rows["both"]["hr@10"]["mean"] > 2 * rows["popularity"]["hr@10"]["mean"]
    assert "auc" not in rows["popularity"]
    gap = differences(split, fitted["both"], answers["item mean"], 4.0)
    assert set(gap) == {"auc"}
    assert gap["auc"].low > 0
    # A study around the same model prints the same numbers without fitting anything.
    study = hstu_tasks().replace(models=models, pairs=(("both", "item mean"),))
    text = run_study(study, split, tmp_path)
    assert f"{rows['both']['auc']['mean']:.4f}" in text
    assert "both - item mean" in text
    assert split.hash[:12] in text
    costs = sample_costs(split, models["both"])
    impressions = [min(place, 12) for cut in split.cut.tolist() for place in range(1, cut + 1)]
    assert costs["impression"] == sum(impressions) > 2 * costs["request"]
    assert f"{costs['request']:,} with one sample per request end" in text


def test_a_model_of_another_split_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same configuration, but a user less, other ratings or other moments: fitted anew."""
    split = liking_split(30)
    assert split.ratings is not None
    assert split.times is not None
    models = {"one": SMALL_ACTIONS.replace(training=TrainingConfig(max_steps=2, learning_rate=1e-3))}
    others = [
        liking_split(29),
        replace(split, ratings=tuple(6 - one for one in split.ratings)),
        replace(split, times=tuple(2 * one for one in split.times)),
    ]
    fitted: list[tuple[Split, Path | None]] = []
    whole = ActionModel.fit

    def fit(model: ActionModel, given: Split, folder: Path | None = None) -> ActionModel:
        fitted.append((given, folder))
        return whole(model, given, folder)

    monkeypatch.setattr(ActionModel, "fit", fit)
    for one in (split, split, *others, others[-1], split):
        fit_models(one, models, tmp_path)
    assert [given for given, _ in fitted] == [split, *others, split]
    # No checkpoint of one is gone on from by another.
    assert len({folder for _, folder in fitted}) == 4


def test_a_user_with_many_points_counts_once() -> None:
    """User 0 has two points, both found; user 1 one, not found: 1/2, not 2/3."""
    split = liking_split(2)
    assert split.ratings is not None
    lengths = np.array([len(one) for one in split.sequences])
    split = replace(
        split,
        cut=lengths - [3, 2],
        test_start=lengths - 1,
        ratings=tuple(np.full(length, 5.0, np.float32) for length in lengths.tolist()),
    )
    points = ActionPoints.of(split, [4.0])
    scores = np.zeros((3, 28))
    scores[[0, 1], points.items[:2]] = 1.0
    scores[2] = 1.0
    scores[2, points.items[2]] = 0.0
    nothing = Answer(None, np.zeros((3, 28)), 0.0)
    answer = Answer(None, scores, 0.0)
    row = rows_of(split, {"one": answer}, 4.0)[0]
    gap = differences(split, answer, nothing, 4.0)
    for metric in ("hr@10", "ndcg@10"):
        assert row[metric]["mean"] == pytest.approx(0.5)
        assert row[metric]["n"] == 2
        assert gap[metric].mean == pytest.approx(0.5)


def test_studies_compare_rows_they_have() -> None:
    for study in (hstu_tasks(), unigrf()):
        known = {*study.models, "popularity", "item mean", "user + item mean"}
        assert {row for pair in study.pairs for row in pair} <= known
        assert study.paper.systems
    assert hstu_tasks().models["hstu-ranking"] == unigrf().models["hstu-ranking"]
