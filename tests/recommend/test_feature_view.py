"""Slow features merged into the main series: nine events by hand, lengths, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.data.source import load_source
from steerec.data.split import make_split
from steerec.errors import DataError
from steerec.recommend.actions.feature_view import NO_TARGET, Series, feature_view, run_starts

WATCHED = Series(np.array([10, 20, 30, 40, 50]), np.array(["v1", "v2", "v3", "v4", "v5"]))
CITY = Series(np.array([5, 15, 25, 40]), np.array(["Rome", "Rome", "Oslo", "Rome"]))
FOLLOWED = Series(np.array([8, 35]), np.array(["Ada", "Bo"]))
CLICKS = Series(np.array([1, 2, 3, 4, 5, 6, 7]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]))


def test_nine_tokens_by_hand() -> None:
    """Eleven events and a counter. City: Rome at 5, the same at 15 (left out), Oslo at 25, Rome again at 40.
    The counter is a number and goes, although it is the longest. Merged by time, the city of moment 40 before
    the video of moment 40:

    place   0      1    2   3   4     5   6   7     8   9
    token   Rome   Ada  v1  v2  Oslo  v3  Bo  Rome  v4  v5

    A video predicts the next video, the last one and all others nothing.
    """
    view = feature_view({"clicks": CLICKS, "watched": WATCHED, "city": CITY, "followed": FOLLOWED})
    assert list(view.values) == ["Rome", "Ada", "v1", "v2", "Oslo", "v3", "Bo", "Rome", "v4", "v5"]
    assert view.times.tolist() == [5, 8, 10, 20, 25, 30, 35, 40, 40, 50]
    assert view.names[:2] == ("city", "followed")
    assert view.targets.tolist() == [-1, -1, 3, 5, -1, 8, -1, -1, 9, -1]
    assert view.weights.tolist() == [0, 0, 1, 1, 0, 1, 0, 0, 1, 0]


def test_nine_items_by_hand() -> None:
    """The same without the first follow: nine items, of which three have a target (v4 was not liked).

    place   0      1   2   3     4   5   6     7   8
    token   Rome   v1  v2  Oslo  v3  Bo  Rome  v4  v5
    """
    followed = Series(FOLLOWED.times[1:], FOLLOWED.values[1:])
    liked = np.array([True, True, True, False, True])
    view = feature_view({"watched": WATCHED, "city": CITY, "followed": followed}, positive=liked)
    assert list(view.values) == ["Rome", "v1", "v2", "Oslo", "v3", "Bo", "Rome", "v4", "v5"]
    assert view.targets.tolist() == [-1, 2, 4, -1, -1, -1, -1, 8, -1]
    assert view.weights.sum() == 3


def test_a_realistic_person_makes_a_view_hardly_longer_than_the_main_series() -> None:
    """200 videos in 90 days; the city, logged with each, changes every month; a follow a week."""
    rng = np.random.default_rng(0)
    day = 86_400
    moments = np.sort(rng.integers(90 * day, size=200))
    city = np.array(["Rome", "Oslo", "Rome"])[moments // (30 * day)]
    series = {
        "watched": Series(moments, rng.integers(1000, size=200)),
        "city": Series(moments, city),
        "followed": Series(np.arange(12) * 7 * day, np.arange(12)),
    }
    view = feature_view(series)
    assert len(view.values) == 200 + 3 + 12
    assert len(view.values) < 1.3 * 200
    assert view.weights.sum() == 199


@given(st.lists(st.integers(0, 2), max_size=20), st.lists(st.integers(0, 2), min_size=21, max_size=30))
def test_nothing_of_the_main_series_is_lost_and_time_ascends(city: list[int], watched: list[int]) -> None:
    series = {
        "city": Series(np.arange(len(city)) * 3, np.array(city, np.int64)),
        "watched": Series(np.arange(len(watched)) * 2, np.array(watched, np.int64)),
    }
    view = feature_view(series)
    assert [v for v, n in zip(view.values, view.names, strict=True) if n == "watched"] == watched
    assert np.all(np.diff(view.times) >= 0)
    chain = np.flatnonzero(np.array(view.names) == "watched")
    assert view.targets[chain].tolist() == [*chain[1:].tolist(), NO_TARGET]
    changes = [v for i, v in enumerate(city) if i == 0 or v != city[i - 1]]
    assert [v for v, n in zip(view.values, view.names, strict=True) if n == "city"] == changes


def test_runs_of_nothing_and_of_one() -> None:
    nothing = run_starts(Series(np.array([], np.int64), np.array([], np.int64)))
    assert len(nothing.times) == len(nothing.values) == 0
    assert run_starts(Series(np.array([3]), np.array(["a"]))).values.tolist() == ["a"]


def test_on_real_histories_the_month_adds_little(data_dir: Path) -> None:
    """ml-100k: the month in which a film was rated, logged with each rating."""
    split = make_split(load_source("folder", path=data_dir / "ml-100k"))
    assert split.times is not None
    merged = main = 0
    for items, times in zip(split.train, split.times, strict=True):
        moments = times[: len(items)]
        months = Series(moments, moments // (30 * 86_400))
        view = feature_view({"rated": Series(moments, items), "month": months}, main="rated")
        merged, main = merged + len(view.values), main + len(items)
    assert 1 < merged / main < 1.3


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(DataError, match="no numbers, got None. Series: none"):
        feature_view({"clicks": CLICKS})
    with pytest.raises(DataError, match="got 'clicks'. Series: watched"):
        feature_view({"clicks": CLICKS, "watched": WATCHED}, main="clicks")
    with pytest.raises(DataError, match='each of the 5 events of "watched", got 2'):
        feature_view({"watched": WATCHED}, positive=np.array([True, False]))
    with pytest.raises(DataError, match="2 moments for 1 values"):
        feature_view({"city": Series(np.array([1, 2]), np.array(["a"]))})
    with pytest.raises(DataError, match="must ascend"):
        feature_view({"city": Series(np.array([2, 1]), np.array(["a", "b"]))})
