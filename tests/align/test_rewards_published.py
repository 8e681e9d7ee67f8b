"""The published rewards: values worked out by hand for every task and branch, and a plain loop from the text.

The hand-made world has 1,001 items; the teacher ranks item i at place i (item 0 first).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest

from steerec.align.rewards.published import Cases, Task, item_rewards, list_rewards, teacher_ranks

N = 1001
UNKNOWN = -1


def cases(
    items: Sequence[int],
    task: str = "SeqRec",
    *,
    k: int = 10,
    history: Sequence[int] = (),
    target: int = 500,
    category: Sequence[int] = (),
    quota: int = 0,
    candidates: Sequence[int] | None = None,
    unknown_item: int = 0,
) -> Cases:
    members, listed = np.zeros((2, 1, N), np.bool_)
    members[0, list(category)] = True
    listed[0, list(candidates or ())] = True
    return Cases(
        tasks=[task],  # type: ignore[list-item]
        items=np.array([items], np.int64),
        lengths=np.array([len(items)]),
        counts=np.array([k]),
        histories=np.array([history], np.int64),
        targets=np.array([target]),
        teacher_ranks=np.arange(N)[None],
        members=members,
        quotas=np.array([quota]),
        candidates=None if candidates is None else listed,
        unknown_item=unknown_item,
    )


def of_items(
    items: Sequence[int], task: str = "SeqRec", *, alpha: float = 0.5, **options: Any
) -> list[float]:
    return item_rewards(cases(items, task, **options), alpha=alpha)[0].tolist()


def of_list(items: Sequence[int], task: str = "SeqRec", *, alpha: float = 0.5, **options: Any) -> float:
    return float(list_rewards(cases(items, task, **options), alpha=alpha)[0])


# Item rewards ------------------------------------------------------------------------------------------


def test_accuracy_falls_with_the_teachers_rank() -> None:
    # 1 / log2(rank + 3): log2 3 = 1.5850, log2 12 = 3.5850, log2 102 = 6.6724, log2 1002 = 9.9687
    assert of_items([0, 9, 99, 999]) == pytest.approx([0.631, 0.279, 0.150, 0.100], abs=5e-4)
    assert of_items([0]) == pytest.approx([1 / 1.5849625])
    assert of_items([1, 5]) == [1 / 2, 1 / 3]  # ranks 1 and 5: log2 4 and log2 8
    assert of_items([500]) == [1.0]  # the target, whatever its rank


def test_each_way_to_fail() -> None:
    assert of_items([1, 5, 500], k=2) == [1 / 2, 1 / 3, -1]  # too many, even if it is the target
    assert of_items([UNKNOWN, 1]) == [-1, 1 / 2]
    assert of_items([1, 5, 1]) == [1 / 2, 1 / 3, -1]
    assert of_items([1, 5], history=[9, 5]) == [1 / 2, -1]
    assert of_items([5, 5], history=[5]) == [-1, -1]
    assert of_items([500, 500]) == [1, -1]


def test_an_unknown_title_stands_for_the_first_item() -> None:
    assert of_items([UNKNOWN, 0]) == [-1, -1]  # item 0 seems to repeat it
    assert of_items([UNKNOWN, 0], unknown_item=-1) == pytest.approx([-1, 1 / math.log2(3)])
    assert of_items([UNKNOWN, UNKNOWN, 1], unknown_item=-1) == [-1, -1, 1 / 2]


def test_failures_stay_minus_one_in_every_task() -> None:
    for task in get_args(Task):
        found = of_items([UNKNOWN, 5, 5, 7, 9], task, k=4, history=[7], category=[5, 7, 9], quota=1)
        assert [found[j] for j in (0, 2, 3, 4)] == [-1] * 4
        assert found[1] > 0


def test_a_ranking_task_ranks_within_the_answer_and_knows_its_candidates() -> None:
    # Answer 9, 1, 5 with teacher ranks 9, 1, 5: third, first and second of the answer.
    expected = [1 / math.log2(5), 1 / math.log2(3), 1 / 2]
    assert of_items([9, 1, 5], "Ranking") == pytest.approx(expected)
    assert of_items([9, 1, 5], "Ranking", candidates=[1, 9]) == pytest.approx([*expected[:2], -1])
    assert of_items([9, 1, 5], "SeqRec", candidates=[1, 9])[2] == 1 / 3  # others look at no candidates
    assert of_items([500, 9, 9], "Ranking") == pytest.approx([1, 1 / math.log2(3), -1])


def test_item_count_is_accuracy_alone() -> None:
    assert of_items([1, 5], "ItemCount", k=11, category=[1]) == [1 / 2, 1 / 3]


def test_include_and_exclude() -> None:
    # item 1 (a = 1/2) in C, item 5 (a = 1/3) outside
    assert of_items([1, 5], "+C", category=[1]) == pytest.approx([0.25 + 0.5, 1 / 6])
    assert of_items([1, 5], "-C", category=[1]) == pytest.approx([0.25, 1 / 6 + 0.5])
    assert of_items([500, 5], "+C", category=[500], alpha=0.8) == pytest.approx([0.8 + 0.2, 0.8 / 3])


def control(
    words: str, task: str, *, k: int, quota: int, history: Sequence[int] = (), size: int = 20
) -> list[float]:
    """Return b of an answer spelled with i (in C), o (outside C) and x (no item)."""
    members, others = iter(range(size)), iter(range(100, 100 + size))
    spelled = {"i": members, "o": others, "x": iter([UNKNOWN] * size)}
    items = [next(spelled[letter]) for letter in words]
    found = of_items(
        items, task, k=k, quota=quota, history=history, category=range(size), alpha=0.0, unknown_item=-1
    )
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # k = 5, c = 2, so k - c = 3
        ("ooo", [1, 1, 1]),
        ("oooo", [1, 1, 1, 0.5]),  # out = 4 > 3
        ("oooi", [1, 1, 1, 0.5]),  # in = 1 < 2
        ("ooooi", [1, 1, 1, 0.5, 0.5]),  # out = 4 > 3 comes first
        ("iio", [0.5, 0, 1]),  # in = 2 is not below 2: strict, unlike the list reward
        ("ixi", [0.5, -1, 0]),  # failures count nowhere
    ],
)
def test_less_than(words: str, expected: list[float]) -> None:
    assert control(words, "LP", k=5, quota=2) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ii", [1, 1]),
        ("iii", [1, 1, 0.5]),  # in = 3 > 2
        ("iiio", [1, 1, 0.5, 0.5]),  # in = 3 > 2 comes first
        ("oo", [0.5, 0.5]),  # out = 1, 2 < 3
        ("ooo", [0.5, 0.5, 0]),  # out = 3 is not below 3
        ("oxoo", [0.5, -1, 0.5, 0]),
    ],
)
def test_more_than(words: str, expected: list[float]) -> None:
    assert control(words, "MP", k=5, quota=2) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("iii", [1, 1, 0]),  # in = 3 > 2
        ("iio", [1, 1, 1]),  # in = 2 >= 2
        ("oooo", [0.5, 0.5, 0.5, 0]),  # in = 0 < 2: half while out <= 3
        ("ooooii", [0.5, 0.5, 0.5, 0, 1, -1]),  # the sixth of five fails
    ],
)
def test_about(words: str, expected: list[float]) -> None:
    assert control(words, "EP", k=5, quota=2) == expected


# List rewards ------------------------------------------------------------------------------------------


def test_the_ideal_list_has_accuracy_one() -> None:
    # t, then teacher ranks 0, 1, 2, ...: a_j = 1 / log2(j + 2), so the sum is Z_k itself; Z_10 = 2.495
    assert sum(1 / math.log2(i + 2) ** 2 for i in range(10)) == pytest.approx(2.495, abs=5e-4)
    assert of_list([500, *range(9)], alpha=1.0) == pytest.approx(10)
    assert of_list([500, *range(9)]) == pytest.approx(10)  # and B = 1, the target comes first
    for k in (1, 6, 15):
        assert of_list([500, *range(k - 1)], "ItemCount", k=k, alpha=1.0) == pytest.approx(10)


def test_accuracy_of_a_list_by_hand() -> None:
    # k = 2: Z = 1 + 1 / log2(3)^2 = 1.398072; items 1 and 5: 1/2 / log2 2 + 1/3 / log2 3 = 0.710310
    assert of_list([1, 5], k=2, alpha=1.0) == pytest.approx(10 * 0.7103099 / 1.3980724, rel=1e-6)
    # Failures weigh -1 wherever they stand, those after k too.
    assert of_list([1, UNKNOWN, 9, 9], k=2, alpha=1.0) == pytest.approx(10 * (0.5 - 3) / 1.3980724, rel=1e-6)
    assert of_list([], k=2, alpha=1.0) == 0


@pytest.mark.parametrize("task", ["SeqRec", "ItemCount", "Ranking"])
def test_hit_term(task: str) -> None:
    assert of_list([1, 2, 500], task, alpha=0.0) == 10 / 2  # place 2: log2 4
    assert of_list([1, 2], task, alpha=0.0) == 0
    assert of_list([], task, alpha=0.0) == 0
    assert of_list([1, 2, 500], task, k=2, alpha=0.0) == 10 / 2  # after k it is a hit all the same
    assert of_list([UNKNOWN], task, target=0, alpha=0.0) == 10  # an unknown title passes for item 0
    assert of_list([UNKNOWN], task, target=0, alpha=0.0, unknown_item=-1) == 0


def test_include_and_exclude_terms() -> None:
    category = [1, 2, 3]
    assert of_list([1, 2, 9, 8], "+C", k=4, category=category, alpha=0.0) == 10 / 2  # T = min(4, 3), in = 2
    assert of_list([1, 2, 3, 8], "+C", k=4, category=category, alpha=0.0) == 10
    assert of_list([1, 1, UNKNOWN], "+C", k=2, category=category, alpha=0.0) == 10 / 2  # T = 2, valid: one
    assert of_list([], "+C", k=4, category=category, alpha=0.0) == 10 / 4
    assert of_list([9, 8, 7, 1], "-C", k=4, category=category, alpha=0.0) == 10 / 2  # out = 3
    assert of_list([9, 8, 7, 6], "-C", k=4, category=category, alpha=0.0) == 10
    assert of_list([9], "-C", k=4, category=category, history=[9], alpha=0.0) == 10 / 5


@pytest.mark.parametrize(
    ("task", "by_count"),
    [
        # in C: 0, 1, 2, 3 of three valid items, c = 1
        ("LP", [1, 1, 1 / 2, 1 / 3]),
        ("MP", [1 / 2, 1, 1, 1]),
        ("EP", [1 / 2, 1, 1 / 2, 1 / 3]),
    ],
)
def test_quota_terms(task: str, by_count: list[float]) -> None:
    for count, expected in enumerate(by_count):
        items = [*range(1, 1 + count), *range(100, 103 - count)]
        found = of_list(items, task, k=3, category=[1, 2, 3], quota=1, alpha=0.0)
        assert found == pytest.approx(10 * expected)


def test_a_whole_list_by_hand() -> None:
    # EP, k = 3, c = 1, C = {1}: items 1 (a = 1/2, b = 1), 5 (a = 1/3, in = 1 >= 1: b = 1), 5 (fails).
    options: dict[str, Any] = {"k": 3, "category": [1], "quota": 1}
    assert of_items([1, 5, 5], "EP", **options) == pytest.approx([0.75, 2 / 3, -1])
    # A = (1/2 + 1/3 * 0.630930 - 1) / (1 + 0.398072 + 0.25) = -0.289690 / 1.648072; B = 1
    assert of_list([1, 5, 5], "EP", **options) == pytest.approx(5 * (-0.2896901 / 1.6480724 + 1), rel=1e-6)


# The plain loop ----------------------------------------------------------------------------------------


def plain(given: Cases, row: int, alpha: float) -> tuple[list[float], float]:
    """The rewards of one list, as the text says them: one entry after the other."""
    task, k, target = given.tasks[row], int(given.counts[row]), int(given.targets[row])
    c, member, ranks = int(given.quotas[row]), given.members[row], given.teacher_ranks[row]
    history = {int(i) for i in given.histories[row] if i >= 0}
    written = [int(i) for i in given.items[row, : given.lengths[row]]]
    meant = [given.unknown_item if i < 0 else i for i in written]
    rewards, gains, ins, outs = [], [], 0, 0
    for j, (name, item) in enumerate(zip(written, meant, strict=True)):
        failed = j >= k or name < 0 or item in meant[:j] or item in history
        if task == "Ranking" and given.candidates is not None and not given.candidates[row, item]:
            failed = True
        if failed:
            rewards.append(-1.0)
            gains.append(-1.0)
            continue
        rank = int(ranks[item])
        if task == "Ranking":
            rank = sum(int(ranks[other]) < rank for other in {i for i in meant if i >= 0})
        a = 1.0 if item == target else 1 / math.log2(rank + 3)
        gains.append(a / math.log2(j + 2))
        inside = bool(member[item])
        ins, outs = ins + inside, outs + (not inside)
        if task in ("SeqRec", "ItemCount", "Ranking"):
            rewards.append(a)
            continue
        b = plain_control(task, inside, ins, outs, k, c)
        rewards.append(alpha * a + (1 - alpha) * b)
    accuracy = sum(gains) / sum(1 / math.log2(i + 2) ** 2 for i in range(k))
    if task == "+C":
        term = 1 / (min(k, int(member.sum())) - ins + 1)
    elif task == "-C":
        term = 1 / (k - outs + 1)
    elif task in ("LP", "MP", "EP"):
        holds = {"LP": ins <= c, "MP": ins >= c, "EP": ins == c}[task]
        term = 1.0 if holds else 1 / (abs(ins - c) + 1)
    else:
        term = 1 / math.log2(meant.index(target) + 2) if target in meant else 0.0
    return rewards, 10 * (alpha * accuracy + (1 - alpha) * term)


def plain_control(task: str, inside: bool, ins: int, outs: int, k: int, c: int) -> float:
    if task == "+C":
        return float(inside)
    if task == "-C":
        return float(not inside)
    if task == "LP":
        if outs > k - c:
            return 0.5
        if not inside:
            return 1.0
        return 0.5 if ins < c else 0.0
    if task == "MP":
        if ins > c:
            return 0.5
        if inside:
            return 1.0
        return 0.5 if outs < k - c else 0.0
    if inside:
        return 1.0 if ins <= c else 0.0
    if ins >= c:
        return 1.0
    return 0.5 if outs <= k - c else 0.0


def random_cases(rng: np.random.Generator, size: int, unknown_item: int) -> Cases:
    num_items, longest = int(rng.integers(6, 30)), int(rng.integers(0, 13))
    counts = rng.integers(1, 11, size)
    lengths = rng.integers(0, longest + 1, size)
    items = rng.integers(-1, num_items, (size, longest))
    for row in range(size):  # half of the lists repeat nothing
        if rng.random() < 0.5 and num_items >= longest:
            items[row] = rng.permutation(num_items)[:longest]
        items[row, lengths[row] :] = UNKNOWN
    return Cases(
        tasks=rng.choice(get_args(Task), size).tolist(),
        items=items,
        lengths=lengths,
        counts=counts,
        histories=rng.integers(-1, num_items, (size, 3)),
        targets=rng.integers(0, num_items, size),
        teacher_ranks=rng.permuted(np.tile(np.arange(num_items), (size, 1)), axis=1),
        members=rng.random((size, num_items)) < rng.uniform(0.1, 0.9),
        quotas=rng.integers(0, counts + 1),
        candidates=rng.random((size, num_items)) < 0.7 if rng.random() < 0.5 else None,
        unknown_item=unknown_item,
    )


@pytest.mark.parametrize("unknown_item", [0, -1])
def test_the_fast_rewards_are_those_of_the_plain_loop(unknown_item: int) -> None:
    rng = np.random.default_rng(7)
    for alpha in (0.5, 0.2):
        for _ in range(25):
            given = random_cases(rng, 80, unknown_item)
            fast, whole = item_rewards(given, alpha=alpha), list_rewards(given, alpha=alpha)
            for row in range(80):
                items, reward = plain(given, row, alpha)
                assert fast[row, : len(items)].tolist() == pytest.approx(items)
                assert not fast[row, len(items) :].any()
                assert whole[row] == pytest.approx(reward)


def test_teacher_ranks_count_from_zero_and_break_ties_by_index() -> None:
    assert teacher_ranks(np.array([[0.1, 0.3, 0.3], [3.0, 1.0, 2.0]])).tolist() == [[2, 0, 1], [0, 2, 1]]


def test_cases_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"No task is called \['XP'\]. Tasks: SeqRec, \+C"):
        cases([1], "XP")
    with pytest.raises(ValueError, match=r"at least one item; got counts \[0\]"):
        cases([1], k=0)
    given = cases([1])
    with pytest.raises(ValueError, match="Shapes do not agree for 2 tasks"):
        Cases(**{**vars(given), "tasks": ["SeqRec"] * 2})
