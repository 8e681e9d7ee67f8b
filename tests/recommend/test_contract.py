"""What every recommender must do, over all of them by enumeration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recommender_worlds import hand_split, small
from safetensors.numpy import load_file

from steerec.control.forms import at_least, prefer, without
from steerec.control.request import Request
from steerec.data.split import Split
from steerec.errors import DataError, InfeasibleRequest, NotFittedError, RequestError
from steerec.recommend.recommender import Recommender
from steerec.recommend.table import RECOMMENDERS, load_recommender, recommender_class

pytestmark = pytest.mark.parametrize("name", list(RECOMMENDERS))
Fitted = Callable[[str], Recommender]


def _histories(split: Split) -> list[np.ndarray]:
    return [point.history for point in split.points("valid")[:9]]


def test_is_registered_under_its_own_name(name: str) -> None:
    assert recommender_class(name).name == name
    assert recommender_class(name).config_type() == small(name).config_type()


def test_scores_are_finite_float32_of_the_whole_catalogue(name: str, split: Split, fitted: Fitted) -> None:
    scores = fitted(name).scores(_histories(split))
    assert scores.shape == (9, len(split.catalog))
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_no_histories_give_no_rows(name: str, split: Split, fitted: Fitted) -> None:
    assert fitted(name).scores([]).shape == (0, len(split.catalog))


def test_batch_equals_single(name: str, split: Split, fitted: Fitted) -> None:
    histories = [*_histories(split), np.array([], dtype=np.int64), np.array([5, 5, 3])]
    batch = fitted(name).scores(histories)
    single = np.concatenate([fitted(name).scores([history]) for history in histories])
    np.testing.assert_allclose(batch, single, rtol=1e-4, atol=1e-4)


def test_scoring_changes_nothing(name: str, split: Split, fitted: Fitted) -> None:
    histories = _histories(split)
    copies = [history.copy() for history in histories]
    first = fitted(name).scores(histories)
    assert np.array_equal(first, fitted(name).scores(histories))
    assert all(np.array_equal(a, b) for a, b in zip(histories, copies, strict=True))


def test_empty_history_gets_popularity(name: str, split: Split, fitted: Fitted) -> None:
    scores = fitted(name).scores([[]])[0]
    assert np.argmax(scores) == np.argmax(split.catalog.popularity)
    order = np.argsort(-scores, kind="stable")
    assert (np.diff(split.catalog.popularity[order]) <= 0).all()


def test_plain_list_is_a_history(name: str, fitted: Fitted) -> None:
    assert np.array_equal(fitted(name).scores([[1, 2]]), fitted(name).scores([np.array([1, 2])]))


def test_unknown_index_is_refused(name: str, split: Split, fitted: Fitted) -> None:
    last = len(split.catalog) - 1
    with pytest.raises(
        RequestError, match=f"item index {last + 1}; indices of this catalogue are 0 to {last}"
    ):
        fitted(name).scores([[0, last + 1]])


def test_saved_equals_loaded_bitwise(name: str, split: Split, fitted: Fitted, tmp_path: Path) -> None:
    original = fitted(name)
    original.save_pretrained(tmp_path)
    loaded = load_recommender(tmp_path)
    assert type(loaded) is type(original)
    assert loaded.config == original.config
    assert loaded.settings == original.settings
    histories = [*_histories(split), np.array([], dtype=np.int64)]
    assert np.array_equal(loaded.scores(histories), original.scores(histories))
    assert loaded.catalog.sha256 == original.catalog.sha256
    again = tmp_path / "again"
    loaded.save_pretrained(again)
    first, second = (
        load_file(tmp_path / "recommender.safetensors"),
        load_file(again / "recommender.safetensors"),
    )
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_only_tensors_json_and_parquet_are_written(name: str, fitted: Fitted, tmp_path: Path) -> None:
    fitted(name).save_pretrained(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".parquet"}
    json.loads((tmp_path / "recommender.json").read_text())


def test_catalogue_of_others_is_refused(name: str, fitted: Fitted, tmp_path: Path) -> None:
    fitted(name).save_pretrained(tmp_path)
    other = hand_split([[0, 1]], 2).catalog
    with pytest.raises(DataError, match="item indices would not agree"):
        load_recommender(tmp_path, other)


def test_loading_as_another_class_is_refused(name: str, fitted: Fitted, tmp_path: Path) -> None:
    fitted(name).save_pretrained(tmp_path)
    other = next(cls for key, cls in RECOMMENDERS.items() if key != name)
    with pytest.raises(DataError, match=r"Use load_recommender"):
        other.from_pretrained(tmp_path)


def test_not_fitted_says_so(name: str, tmp_path: Path) -> None:
    for act in (
        lambda: small(name).scores([[0]]),
        lambda: small(name).similar(0),
        lambda: small(name).save_pretrained(tmp_path),
    ):
        with pytest.raises(NotFittedError, match="is not fitted: call fit"):
            act()


def test_recommends_lists_that_obey_and_hold_nothing_seen(name: str, split: Split, fitted: Fitted) -> None:
    catalog, histories = split.catalog, _histories(split)
    request = Request(count=6, controls=(at_least(3, categories="Comedy"), without(categories="Horror")))
    lists = fitted(name).recommend(histories, [request] * len(histories))
    categories = catalog.frame["categories"].to_list()
    for items, history in zip(lists, histories, strict=True):
        assert len(items) == len({int(catalog.work[item]) for item in items}) == 6
        assert sum("Comedy" in categories[item] for item in items) >= 3
        assert not any("Horror" in categories[item] for item in items)
        assert not {int(catalog.work[i]) for i in items} & {int(catalog.work[i]) for i in history}


def test_without_controls_the_list_is_the_ranking(name: str, split: Split, fitted: Fitted) -> None:
    history = _histories(split)[0]
    items = fitted(name).recommend(history, Request(count=5))
    scores = fitted(name).scores([history])[0].astype(np.float64)
    work = split.catalog.work
    seen = set(work[history].tolist())
    expected: list[int] = []
    for item in np.argsort(-scores, kind="stable"):
        if work[item] not in seen and len(expected) < 5:
            seen.add(int(work[item]))
            expected.append(int(item))
    assert items == expected


def test_wishes_move_the_list(name: str, split: Split, fitted: Fitted) -> None:
    history = _histories(split)[0]
    wish = Request(count=5, prefer=(prefer(categories="Western", weight=100.0),))
    categories = split.catalog.frame["categories"].to_list()
    assert all("Western" in categories[item] for item in fitted(name).recommend(history, wish))


def test_impossible_request_is_refused(name: str, fitted: Fitted) -> None:
    request = Request(count=2, controls=(at_least(2, categories="Comedy"), without(categories="Comedy")))
    with pytest.raises(InfeasibleRequest):
        fitted(name).recommend([1], request)


def test_histories_and_requests_must_pair(name: str, fitted: Fitted) -> None:
    with pytest.raises(ValueError, match="got 1 histories, 2 requests"):
        fitted(name).recommend([[1]], [Request(), Request()])


def test_similar_items(name: str, split: Split, fitted: Fitted) -> None:
    found = fitted(name).similar(4, k=7)
    items, values = [item for item, _ in found], [value for _, value in found]
    assert len(set(items)) == 7
    assert 4 not in items
    assert values == sorted(values, reverse=True)
    assert len(fitted(name).similar(4, k=10_000)) == len(split.catalog) - 1


def test_fitting_twice_gives_the_same_bits(name: str, split: Split, fitted: Fitted) -> None:
    again = small(name).fit(split)
    assert np.array_equal(again.scores(_histories(split)), fitted(name).scores(_histories(split)))
    assert again.settings == fitted(name).settings


def test_test_items_are_never_used(name: str, split: Split, fitted: Fitted) -> None:
    """Other test items, same model: nothing but train and validation is read."""
    from dataclasses import replace

    changed = tuple(
        np.concatenate([sequence[:start], (sequence[start:] + 1) % len(split.catalog)])
        for sequence, start in zip(split.sequences, split.test_start, strict=True)
    )
    other = small(name).fit(replace(split, sequences=changed))
    assert np.array_equal(other.scores(_histories(split)), fitted(name).scores(_histories(split)))


def test_fits_without_validation_points(name: str) -> None:
    split = hand_split([[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 0]], 5)
    scores = small(name).fit(split).scores([[0, 1], []])
    assert np.isfinite(scores).all()


def test_nothing_to_fit_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match="has no interactions: nothing to fit"):
        small(name).fit(hand_split([[]], 3))
