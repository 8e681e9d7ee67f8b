"""The property instances have teeth: each of these bugs, seeded alone into the moving mask, is caught."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_properties import check_group

from steerec.control import admissible
from steerec.control.admissible import Admissible
from steerec.control.cells import Cells, State
from steerec.control.problem import Cap, Problem, Quota
from steerec.control.twins import Twins
from steerec.decode import mask
from steerec.decode.mask import MovingMask
from steerec.decode.paths import Path
from steerec.errors import ConfigError, InfeasibleRequest
from steerec.items.ranked_bits import RankedBits

GROUPS = range(12)
SIZE = 24
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _fresh_answers() -> Iterator[None]:
    """Answers that requests share are forgotten before and after a test: a bug must not outlive it."""
    admissible._answers.cache_clear()
    yield
    admissible._answers.cache_clear()


def is_caught(search: str) -> bool:
    """Whether some request is answered wrongly or not at all."""
    for number in GROUPS:
        try:
            check_group(number, size=SIZE, searches=[search])
        except (AssertionError, ConfigError, InfeasibleRequest):
            return True
    return False


def misread(patch: Patch, wrong: Callable[[Problem], Problem]) -> None:
    """Let the mask, and only the mask, take a problem for another one."""
    misread_as: dict[int, tuple[Problem, Problem]] = {}

    def read(problem: Problem) -> Problem:
        if id(problem) not in misread_as:
            other = wrong(problem)
            misread_as[id(problem)] = problem, other
            misread_as[id(other)] = other, other
        return misread_as[id(problem)][1]

    admissible_init, moving_init = Admissible.__init__, MovingMask.__init__

    def set_up(self: Admissible, problem: Problem) -> None:
        admissible_init(self, read(problem))

    def set_up_all(self: MovingMask, trie: Any, problems: Sequence[Problem]) -> None:
        moving_init(self, trie, [read(problem) for problem in problems])

    patch.setattr(Admissible, "__init__", set_up)
    patch.setattr(MovingMask, "__init__", set_up_all)


def misread_quotas(patch: Patch, wrong: Callable[[Quota, int], Quota]) -> None:
    misread(patch, lambda p: replace(p, quotas=tuple(wrong(quota, p.count) for quota in p.quotas)))


def miscount(patch: Patch, wrong: Callable[[Cells, State], State]) -> None:
    """Let what is left after the first item be computed wrongly."""

    def stand(self: Admissible, chosen: tuple[int, ...]) -> Any:
        found = self.cells.state(chosen)
        if found is None:
            return None
        return admissible._stand_of(self.cells, wrong(self.cells, found) if chosen else found)

    patch.setattr(Admissible, "_stand", stand)


def used_works_stay(patch: Patch) -> None:
    def items(self: Admissible, chosen: Sequence[int]) -> np.ndarray:
        return self.item_mask(self.open_faces(chosen))

    patch.setattr(Admissible, "mask", items)
    patch.setattr(mask._Request, "_used", lambda self, chosen, faces: np.zeros(0, np.int64))


def twins_stay(patch: Patch) -> None:
    patch.setattr(Twins, "of", lambda self, work: None)


def upper_bounds_are_one_too_high(patch: Patch) -> None:
    miscount(patch, lambda cells, state: replace(state, upper=state.upper + (state.upper < cells.count)))


def lower_bounds_are_one_too_low(patch: Patch) -> None:
    miscount(patch, lambda cells, state: replace(state, lower=state.lower - 1))


def windows_are_ignored(patch: Patch) -> None:
    misread_quotas(patch, lambda quota, count: replace(quota, first=1, last=count))


def windows_are_shifted(patch: Patch) -> None:
    def shift(quota: Quota, count: int) -> Quota:
        by = int(quota.last < count)
        return replace(quota, first=quota.first + by, last=quota.last + by)

    misread_quotas(patch, shift)


def windows_are_one_too_short(patch: Patch) -> None:
    def cut(quota: Quota, count: int) -> Quota:
        last = max(quota.first, quota.last - 1)
        return replace(quota, last=last, upper=min(quota.upper, last - quota.first + 1))

    misread_quotas(patch, cut)


def caps_are_ignored(patch: Patch) -> None:
    misread(patch, lambda problem: replace(problem, caps=()))


def caps_count_one_value_of_an_item(patch: Patch) -> None:
    def first_values(cap: Cap) -> Cap:
        carries = np.diff(cap.indptr) > 0
        return replace(
            cap, indptr=np.append(0, np.cumsum(carries)), value_ids=cap.value_ids[cap.indptr[:-1][carries]]
        )

    misread(patch, lambda p: replace(p, caps=tuple(first_values(cap) for cap in p.caps)))


def caps_forget_what_was_shown(patch: Patch) -> None:
    def forget(cells: Cells, state: State) -> State:
        is_cap = np.arange(state.upper.size) >= cells.num_quotas
        return replace(state, upper=np.where(is_cap, cells.start.upper, state.upper))

    miscount(patch, forget)


def exclusions_are_ignored(patch: Patch) -> None:
    def include(problem: Problem) -> Problem:
        others = problem.blocked_seen | problem.blocked_candidates
        return replace(problem, allowed=problem.allowed | (problem.blocked_exclude & ~others))

    misread(patch, include)


def supplies_last_for_ever(patch: Patch) -> None:
    miscount(patch, lambda cells, state: replace(state, supply=cells.start.supply))


def an_item_is_tried_without_using_its_place(patch: Patch) -> None:
    def take(self: Cells, state: State, face: int, segment: int) -> State:
        del self, face
        length = state.length.copy()
        length[segment] -= 1
        return replace(state, length=length)

    patch.setattr(Cells, "take", take)


def swaps_are_not_checked(patch: Patch) -> None:
    def swaps(cells: Cells, state: State, witness: np.ndarray, segment: int) -> np.ndarray:
        del witness, segment
        return np.asarray(state.supply[cells.face_cell] > 0)

    patch.setattr(admissible, "_swaps", swaps)


def a_stale_answer_is_given(patch: Patch) -> None:
    right = Admissible.open_faces
    patch.setattr(Admissible, "open_faces", lambda self, chosen: right(self, chosen[:-1]))


def unlike_states_share_an_answer(patch: Patch) -> None:
    patch.setattr(State, "key", lambda self: self.length.tobytes())


def unlike_problems_share_their_answers(patch: Patch) -> None:
    patch.setattr(admissible, "_structure", lambda cells: bytes([cells.num_faces]))


def counts_miss_the_last_leaf(patch: Patch) -> None:
    recount(patch, lambda low, high: (low, np.maximum(low, high - 1)))


def counts_reach_one_leaf_too_far(patch: Patch) -> None:
    recount(patch, lambda low, high: (np.maximum(low - 1, 0), high))


def recount(patch: Patch, wrong: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> None:
    right = RankedBits.count
    patch.setattr(RankedBits, "count", lambda self, low, high: right(self, *wrong(low, high)))


def copies_of_a_path_share_their_items(patch: Patch) -> None:
    patch.setattr(Path, "copy", copy.copy)


BOTH = ("beam 1", "walk")
"""One search that is given masks of items, one that is given counts of leaves."""
FAULTS: dict[Callable[[Patch], None], tuple[str, ...]] = {
    used_works_stay: BOTH,
    twins_stay: BOTH,
    upper_bounds_are_one_too_high: BOTH,
    lower_bounds_are_one_too_low: BOTH,
    windows_are_ignored: BOTH,
    windows_are_shifted: BOTH,
    windows_are_one_too_short: BOTH,
    caps_are_ignored: BOTH,
    caps_count_one_value_of_an_item: BOTH,
    caps_forget_what_was_shown: BOTH,
    exclusions_are_ignored: BOTH,
    supplies_last_for_ever: BOTH,
    an_item_is_tried_without_using_its_place: BOTH,
    swaps_are_not_checked: BOTH,
    a_stale_answer_is_given: BOTH,
    unlike_states_share_an_answer: ("diverse", "samples"),
    unlike_problems_share_their_answers: BOTH,
    counts_miss_the_last_leaf: ("walk", "adapter"),
    counts_reach_one_leaf_too_far: ("walk", "adapter"),
    copies_of_a_path_share_their_items: ("adapter",),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_seeded_bug_is_caught(fault: Callable[[Patch], None], monkeypatch: Patch) -> None:
    fault(monkeypatch)
    for search in FAULTS[fault]:
        assert is_caught(search), search


def test_without_a_bug_nothing_is_caught() -> None:
    for number in GROUPS:
        check_group(number, size=SIZE, searches=[*BOTH, "adapter"])
