"""Reasons are facts: each claim is checked by asking the teacher again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from served_world import served_split

from steerec.control.forms import at_least, only
from steerec.control.optimum import best_list
from steerec.control.request import Request, compile_request
from steerec.data.split import Split
from steerec.recommend.floor import Floor
from steerec.serve.explain import Reason, explain, record, say, summary


@pytest.fixture(scope="module")
def split() -> Split:
    return served_split()


@pytest.fixture(scope="module")
def teacher(split: Split) -> Floor:
    return Floor().fit(split)


def served(split: Split, teacher: Floor, request: Request, history: list[int]) -> list[Reason]:
    problem = compile_request(request, split.catalog, history)
    items = best_list(problem, teacher.scores([np.array(history)])[0].astype(np.float64))
    return explain([int(i) for i in items], history, request, split.catalog, teacher)


def rank(split: Split, teacher: Floor, history: list[int], seen: list[int], item: int) -> int:
    """By the definition: how many unseen items score at least as high, itself included."""
    scores = teacher.scores([np.array(history, np.int64)])[0].astype(np.float64)
    unseen = ~np.isin(split.catalog.work, split.catalog.work[seen])
    return sum(bool(scores[i] >= scores[item]) for i in np.flatnonzero(unseen) if i != item) + 1


@pytest.mark.parametrize("user", [0, 3, 11])
def test_ranks_are_the_teachers_with_and_without_what_is_named(
    split: Split, teacher: Floor, user: int
) -> None:
    history = split.train[user].tolist()
    reasons = served(split, teacher, Request(count=6), history)
    assert [reason.place for reason in reasons] == [1, 2, 3, 4, 5, 6]
    for reason in reasons:
        assert reason.rank == rank(split, teacher, history, history, reason.item)
        if reason.carriers:
            named = {carrier.item for carrier in reason.carriers}
            assert named <= set(history)
            assert len(named) <= 3
            left = [item for item in history if item not in named]
            assert reason.rank_without == rank(split, teacher, left, history, reason.item)
            assert reason.rank_without >= 2 * reason.rank
        else:
            assert reason.rank_without is None


def test_falls_are_exact_leave_one_out_log_probabilities(split: Split, teacher: Floor) -> None:
    history = split.train[3].tolist()
    unseen = ~np.isin(split.catalog.work, split.catalog.work[history])

    def log_prob(past: list[int], item: int) -> float:
        scores = teacher.scores([np.array(past)])[0].astype(np.float64)
        return float(scores[item] - np.logaddexp.reduce(scores[unseen]))

    checked = 0
    for reason in served(split, teacher, Request(count=6), history):
        falls = [carrier.fall for carrier in reason.carriers]
        assert falls == sorted(falls, reverse=True)
        for carrier in reason.carriers:
            place = history.index(carrier.item)
            shorter = history[:place] + history[place + 1 :]
            expected = log_prob(history, reason.item) - log_prob(shorter, reason.item)
            assert carrier.fall == pytest.approx(expected, abs=1e-6)
            checked += 1
    assert checked


def test_the_controls_named_are_those_that_count_the_item(split: Split, teacher: Floor) -> None:
    first, second = split.catalog.values("categories")[:2]
    request = Request(count=5, controls=[only(first, within=(1, 2)), at_least(1, second)])
    for reason in served(split, teacher, request, split.train[0].tolist()):
        categories = split.catalog.frame["categories"][reason.item].to_list()
        expected = [0] * (first in categories and reason.place <= 2) + [1] * (second in categories)
        assert list(reason.controls) == expected


def test_without_a_history_nothing_carries_an_item(split: Split, teacher: Floor) -> None:
    reasons = served(split, teacher, Request(count=3), [])
    assert all(not reason.carriers and reason.rank_without is None for reason in reasons)
    records = [record(reason, Request(count=3), split.catalog) for reason in reasons]
    assert summary(records).startswith(f"A few items of the history carry 0 of {len(records)} ")


def test_a_sentence_says_every_claim_and_no_other(split: Split, teacher: Floor) -> None:
    category = split.catalog.values("categories")[0]
    request = Request(count=4, controls=[at_least(2, category)])
    history = split.train[3].tolist()
    said = set()
    for reason in served(split, teacher, request, history):
        sentence = say(reason, request, split.catalog)
        assert sentence.startswith(split.catalog.displays[reason.item])
        assert (f"at least 2 {category}" in sentence) == bool(reason.controls)
        assert f"number {reason.rank} for you" in sentence
        for item in set(history):
            is_named = any(item == carrier.item for carrier in reason.carriers)
            assert (split.catalog.displays[item] in sentence.partition("without any")[2]) == is_named
        if reason.carriers:
            assert f"would be number {reason.rank_without}." in sentence
        else:
            assert "no few items of your history carry it" in sentence
        said.add(bool(reason.carriers))
    assert said


def test_a_seen_item_has_no_rank_among_the_unseen(split: Split, teacher: Floor) -> None:
    history = split.train[0].tolist()
    request = Request(count=2, allow_seen=True)
    seen, other = history[0], next(i for i in range(len(split.catalog)) if i not in history)
    first, second = explain([seen, other], history, request, split.catalog, teacher)
    assert first.rank is None
    assert "you have seen it before" in say(first, request, split.catalog)
    assert second.rank is not None


class Counting(Floor):
    """A teacher that knows which histories it was asked about."""

    def __init__(self, teacher: Floor) -> None:
        self.teacher, self.asked = teacher, list[tuple[int, ...]]()

    def scores(self, histories: Any) -> Any:
        self.asked += [tuple(int(i) for i in one) for one in histories]
        return self.teacher.scores(histories)


def test_every_history_is_scored_once(split: Split, teacher: Floor) -> None:
    history = split.train[3].tolist()
    counting = Counting(teacher)
    reasons = served(split, counting, Request(count=6), history)
    listed, *asked = counting.asked  # the first is for the list itself
    assert listed == tuple(history)
    assert asked.count(tuple(history)) == 1
    shorter = {tuple(history[:h] + history[h + 1 :]) for h in range(len(history))}
    assert set(asked[1 : 1 + len(history)]) == shorter
    assert len(asked) <= 1 + len(history) + len(reasons)
    assert reasons == served(split, teacher, Request(count=6), history)
