"""Layout of items and actions, and training samples per request end: by hand, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.recommend.actions.interleaving import Past, action_lesson
from steerec.recommend.actions.requests import SampleBatches, cut_samples, request_ends

LONG = Past(np.array([10, 11, 12, 13]), np.array([1, 0, 1, 1]))
SHORT = Past(np.array([20, 21]), np.array([1, 0]))


def test_a_lesson_by_hand() -> None:
    """Tokens of the first: 10 a 11 a 12 a 13 a (places 0 to 7), of the second: 20 a 21 a (8 to 11).

    Of the first, impressions from index 1 on are targets: actions at places 2, 4, 6. Only liked items are
    recalled: 12 from the action behind 11 (place 3), 13 from that behind 12 (place 5). 21 was not liked.
    """
    lesson = action_lesson([LONG, SHORT], [1, 0], wanted_from=1)
    assert lesson.batch.items.tolist() == [10, 10, 11, 11, 12, 12, 13, 13, 20, 20, 21, 21]
    assert lesson.judged.tolist() == [2, 4, 6, 8, 10]
    assert lesson.actions.tolist() == [0, 1, 1, 1, 0]
    assert lesson.asking.tolist() == [3, 5]
    assert lesson.targets.tolist() == [12, 13]


def test_with_all_items_wanted_every_next_item_is_a_target() -> None:
    lesson = action_lesson([LONG, SHORT], [1, 0], wanted_from=0)
    assert lesson.asking.tolist() == [1, 3, 5, 9]
    assert lesson.targets.tolist() == [11, 12, 13, 21]


@given(
    pauses=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    window=st.integers(1, 9),
    data=st.data(),
)
def test_every_impression_is_a_target_exactly_once(
    pauses: list[int], window: int, data: st.DataObject
) -> None:
    times = np.cumsum(pauses)
    ends = request_ends(times, len(times), gap_s=2)
    samples = cut_samples(0, ends, window, data.draw(st.integers(1, window)))
    targets = [int(place) for one in samples for place in one.places[one.first :]]
    assert targets == list(range(len(times)))
    for one in samples:
        assert 1 <= len(one.places) <= window
        last, first = int(one.places[-1]), int(one.places[one.first])
        assert np.all(np.diff(times[first : last + 1]) <= 2), "targets of one sample are of one request"
        assert len(one.places) == min(window, last + 1), "as much history as fits"


def test_one_sample_per_request_costs_what_its_length_says() -> None:
    """Ten requests of ten impressions, window 100: the i-th request end runs 10 i impressions, 550 in all;
    one sample per impression runs 1 + 2 + .. + 100 = 5050. As windows fill up the factor tends to 10."""
    times = np.repeat(np.arange(10) * 10_000, 10)
    tokens = {}
    for emit in ("request", "impression"):
        batches = SampleBatches(
            [100],
            [times],
            emit=emit,
            gap_s=1800,
            window=100,
            batch_size=4,
            seed=0,  # type: ignore[arg-type]
        )
        tokens[emit] = sum(len(one.places) for one in batches.samples(0))
    assert tokens == {"request": 550, "impression": 5050}


def test_batches_hold_an_epoch_and_are_a_pure_function_of_the_step() -> None:
    lengths = list(range(1, 40))

    def build(seed: int) -> SampleBatches:
        return SampleBatches(lengths, None, emit="request", gap_s=1, window=8, batch_size=8, seed=seed)

    forward, backward, other = build(0), build(0), build(1)
    steps = range(2 * forward.steps_per_epoch)

    def said(batches: SampleBatches, step: int) -> list[tuple[int, list[int], int]]:
        return [(one.user, one.places.tolist(), one.first) for one in batches(step)]

    first = [said(forward, step) for step in steps]
    assert all(said(backward, step) == first[step] for step in reversed(steps))
    assert any(said(other, step) != first[step] for step in steps)
    for epoch in range(2):
        dealt = [
            (user, place)
            for step in range(epoch * forward.steps_per_epoch, (epoch + 1) * forward.steps_per_epoch)
            for user, places, start in first[step]
            for place in places[start:]
        ]
        assert sorted(dealt) == [(user, place) for user, n in enumerate(lengths) for place in range(n)]


def test_no_batch_is_empty_however_the_offsets_fall() -> None:
    """20 impressions of one request in windows of 10: two pieces at offset 10, three at the others."""
    batches = SampleBatches([20] * 3, None, emit="request", gap_s=1, window=10, batch_size=1, seed=0)
    assert batches.steps_per_epoch == 3 * 2
    assert all(batches(step) for step in range(40 * 6))


def test_no_impressions_no_request() -> None:
    assert request_ends(None, 0, gap_s=1).tolist() == []
    assert request_ends(None, 5, gap_s=1).tolist() == [5]


def test_recent_pasts() -> None:
    past = Past(np.arange(4), np.zeros(4, np.int64), np.arange(4) * 10)
    assert past.last(2).items.tolist() == [2, 3]
    assert past.last(9).items.tolist() == [0, 1, 2, 3]
    assert past.last(2).times is not None
    with pytest.raises(ValueError):
        action_lesson([], [], 0)
