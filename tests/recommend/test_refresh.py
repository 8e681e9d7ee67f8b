"""Learning from a longer log: what is new, what is carried over, versions and the way back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from recommender_worlds import SMALL, hand_split, small, world_split

from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.recommend.popularity import Popularity
from steerec.recommend.sequences.model import SequenceModel, repeat_odds
from steerec.recommend.sequences.refresh import newest
from steerec.recommend.validation import Scorer, Validation
from steerec.recommend.versions import Versions


def timed(sequences: list[list[int]], times: list[list[int]], num_items: int) -> Split:
    split = hand_split(sequences, num_items)
    return replace(split, times=tuple(np.array(one) for one in times))


def grown(split: Split, ids: list[str]) -> Split:
    """Return the split over a catalogue in another order, with a new item in front."""
    frame = pl.DataFrame({"item_id": ids, "title": [f"Title {one}" for one in ids]})
    place = {item: index for index, item in enumerate(ids)}
    moved = [place[item] for item in split.catalog.item_ids]
    sequences = tuple(np.array([moved[i] for i in one], np.int64) for one in split.sequences)
    return replace(split, catalog=Catalog.from_frame(frame), sequences=sequences)


def test_only_new_interactions_and_their_context_are_learned() -> None:
    split = timed([[0, 1, 2, 3, 4], [5, 6, 7], [1, 2]], [[10, 20, 30, 40, 50], [10, 20, 30], [60, 70]], 8)
    part = newest(split, since=45, window=2)
    assert [one.tolist() for one in part.train] == [[2, 3, 4], [], [1, 2]]
    assert part.times is not None
    assert [one.tolist() for one in part.times] == [[30, 40, 50], [], [60, 70]]
    with pytest.raises(DataError, match="nothing new to learn"):
        newest(split, since=1000, window=2)
    with pytest.raises(DataError, match="timestamps"):
        newest(hand_split([[0, 1]], 2), since=0, window=2)


def test_validation_points_stay_what_they_are() -> None:
    split = world_split(num_users=30)
    assert split.times is not None
    moment = int(np.median(np.concatenate(split.times)))
    part = newest(split, since=moment, window=SMALL.window)
    whole = [(point.user, point.target) for point in split.points("valid")]
    assert {(point.user, point.target) for point in part.points("valid")} <= set(whole)


def test_weights_are_selected_on_all_validation_points(monkeypatch: pytest.MonkeyPatch) -> None:
    split = world_split(num_users=40)
    assert split.times is not None
    since = int(np.quantile(np.concatenate(split.times), 0.9))
    whole, few = (len(one.points("valid")) for one in (split, newest(split, since, SMALL.window)))
    assert few < whole
    model = SequenceModel(SMALL).fit(split)
    sizes, real = [], Validation.of_scorer

    def of_scorer(validation: Validation, score: Scorer) -> dict[str, float]:
        sizes.append(len(validation.targets))
        return real(validation, score)

    monkeypatch.setattr(Validation, "of_scorer", of_scorer)
    model.fit_partial(split, since=since)
    assert set(sizes) == {whole}


def test_known_items_keep_their_vectors_and_new_ones_start_between_their_neighbours() -> None:
    split = world_split(num_users=60)
    frozen = SMALL.replace(refresh_rate=1e-9)
    model = SequenceModel(frozen).fit(split)
    before = model.network.vectors().detach()[:-1]
    ids = ["new", *reversed(split.catalog.item_ids)]
    later = grown(split, ids)
    around = [later.catalog.index(split.catalog.item_ids[i]) for i in (3, 9)]
    extra = np.array([around[0], 0, around[1]], np.int64)
    later = replace(
        later,
        users=(*later.users, "late"),
        sequences=(*later.sequences, extra),
        cut=np.append(later.cut, 3),
        test_start=np.append(later.test_start, 3),
        times=None,
    )
    model.fit_partial(later)
    after = model.network.vectors().detach()[:-1]
    assert torch.allclose(after[1:].flip(0), before, atol=1e-5)
    assert torch.allclose(after[0], (before[3] + before[9]) / 2, atol=1e-5)
    assert model.catalog.item_ids[0] == "new"
    assert model.scores([[around[0]]]).shape == (1, len(ids))


def test_going_on_is_better_than_standing_still_and_starts_where_it_was() -> None:
    split = world_split()
    early = replace(split, cut=np.maximum(split.cut // 3, 2), test_start=np.maximum(split.cut // 3, 2) + 1)
    model = SequenceModel(SMALL).fit(early)
    validation = Validation.of(split)
    stale = validation.of_scorer(model.scores)["ndcg@10"]
    model.fit_partial(split)
    assert validation.of_scorer(model.scores)["ndcg@10"] > stale


def test_counted_repeats_are_counted_anew() -> None:
    nobody, everybody = [[0, 1, 2, 3], [3, 4, 5, 6]], [[0, 1, 0, 1], [3, 4, 3, 4]]
    model = SequenceModel(SMALL.replace(repeats="counted")).fit(hand_split(nobody, 8))
    later = hand_split(everybody, 8)
    model.fit_partial(later)
    assert model.network.again is not None
    assert model.network.again.item() == pytest.approx(repeat_odds(later.train))
    assert repeat_odds(later.train) > 0 > repeat_odds(hand_split(nobody, 8).train)


@pytest.mark.parametrize("name", ["popularity", "floor", "item-knn"])
def test_closed_forms_are_fitted_anew(name: str) -> None:
    split, fewer = world_split(), world_split(num_users=80)
    again = small(name).fit(fewer).fit_partial(split)
    assert np.array_equal(again.scores([[1, 2]]), small(name).fit(split).scores([[1, 2]]))


def test_versions_are_published_loaded_and_rolled_back(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "models")
    with pytest.raises(DataError, match="holds no version"):
        _ = versions.current
    first, second = (Popularity().fit(world_split(num_users=users)) for users in (40, 90))
    assert versions.publish(first, {"ndcg@10": 0.1}) == "v000001"
    assert versions.publish(second) == "v000002"
    assert versions.current == "v000002"
    assert np.array_equal(versions.load().scores([[1]]), second.scores([[1]]))
    assert versions.roll_back() == "v000001"
    assert np.array_equal(versions.load().scores([[1]]), first.scores([[1]]))
    assert versions.facts()["ndcg@10"] == 0.1
    with pytest.raises(DataError, match="none is before it"):
        versions.roll_back()
    assert versions.publish(second) == "v000003"
    assert versions.roll_back("v000002") == "v000002"
    with pytest.raises(DataError, match='no version "v9".*v000001, v000002, v000003'):
        versions.roll_back("v9")


def test_old_versions_go_and_the_current_one_stays(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    for users in (40, 50, 60, 70):
        versions.publish(Popularity().fit(world_split(num_users=users)))
    versions.roll_back("v000001")
    assert versions.prune(keep=2) == ["v000002", "v000003"]
    assert versions.names() == ["v000001", "v000004"]


def test_a_version_that_fails_to_save_is_no_version(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.publish(Popularity().fit(world_split(num_users=40)))
    with pytest.raises(Exception, match="not fitted"):
        versions.publish(Popularity())
    assert versions.names() == ["v000001"]
    assert versions.current == "v000001"
