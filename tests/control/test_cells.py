"""Cells computed over whole catalogues equal cells computed work by work."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_oracle import random_problem, wide_problem

from steerec.control import signature as signature_module
from steerec.control import twins as twins_module
from steerec.control.cells import Cells, binding_quotas, build_cells
from steerec.control.problem import Problem, Quota
from steerec.control.signature import narrow, quota_signatures
from steerec.control.twins import twins_of

Sign = tuple[tuple[bool, ...], frozenset[tuple[int, int]]]


def signs_by_item(problem: Problem) -> dict[int, Sign]:
    """The quotas that each allowed item counts in, and its cap values that more than the limit carry."""
    allowed = np.flatnonzero(problem.allowed).tolist()
    quotas = binding_quotas(problem)
    carried: dict[int, set[tuple[int, int]]] = {item: set() for item in allowed}
    for place, cap in enumerate(problem.caps):
        values = {i: cap.value_ids[cap.indptr[i] : cap.indptr[i + 1]].tolist() for i in allowed}
        for value in range(len(cap.labels)):
            owners = [item for item in allowed if value in values[item]]
            if cap.limit < problem.count and len(owners) > cap.limit:
                for item in owners:
                    carried[item].add((place, value))
    return {i: (tuple(bool(q.mask[i]) for q in quotas), frozenset(carried[i])) for i in allowed}


def check_cells(problem: Problem, cells: Cells) -> None:
    """Faces are (what the work shows in all, what the item shows); cells are what works show in all."""
    signs = signs_by_item(problem)
    shown: dict[int, set[Sign]] = {}
    for item, sign in signs.items():
        shown.setdefault(int(problem.work[item]), set()).add(sign)
    faces: dict[int, tuple[frozenset[Sign], Sign]] = {}
    for item in range(problem.num_items):
        face = int(cells.item_face[item])
        assert (face == -1) == (item not in signs)
        if face >= 0:
            own = (frozenset(shown[int(problem.work[item])]), signs[item])
            assert faces.setdefault(face, own) == own
    assert sorted(faces) == list(range(cells.num_faces))
    assert len(set(faces.values())) == len(faces)
    kinds = {int(cells.face_cell[face]): kind for face, (kind, _) in faces.items()}
    assert len(set(kinds.values())) == len(kinds) == cells.start.supply.size
    for cell, kind in kinds.items():
        assert cells.start.supply[cell] == sum(frozenset(own) == kind for own in shown.values())
    quotas = cells.num_quotas
    for face, (_, (counted, carried)) in faces.items():
        assert tuple(cells.member[:quotas, face].tolist()) == counted
        assert cells.member[quotas:, face].sum() == len(carried)


@pytest.mark.parametrize("large", [2, 2**14])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_cells_equal_the_definition(large: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signature_module, "_LARGE_CODE", large)
        for problem in (random_problem(seed), wide_problem(seed)):
            check_cells(problem, build_cells(problem))


def test_golden_faces_of_a_split_work() -> None:
    # works: {0, 1} shows both a comedy and a drama, {2} a comedy, {3, 4} two dramas, {5} is blocked
    comedy = np.array([True, False, True, False, False, True])
    problem = Problem(
        count=2,
        quotas=(Quota(mask=comedy, lower=1, upper=1, first=1, last=2, control=0),),
        allowed=np.array([True, True, True, True, True, False]),
        work=np.array([0, 0, 1, 2, 2, 3]),
    )
    cells = build_cells(problem)
    assert cells.item_face.tolist() == [3, 2, 1, 0, 0, -1]  # drama, comedy, split as drama, split as comedy
    assert cells.face_cell.tolist() == [0, 1, 2, 2]
    assert cells.start.supply.tolist() == [1, 1, 1]
    assert cells.member.tolist() == [[False, True, False, True]]


@pytest.mark.parametrize("num_quotas", [0, 1, 6, 7, 16, 40])
def test_signatures_are_numbered_by_membership_the_first_quota_first(num_quotas: int) -> None:
    rng = np.random.default_rng(num_quotas)
    allowed = rng.random(300) < 0.8
    masks = [rng.random(300) < 0.3 for _ in range(num_quotas)]
    found = quota_signatures(allowed, masks)
    rows = [tuple(bool(mask[item]) for mask in masks) for item in range(300)]
    order = sorted({rows[item] for item in np.flatnonzero(allowed)})
    expected = [order.index(rows[item]) if allowed[item] else -1 for item in range(300)]
    assert found.code.tolist() == expected
    assert found.counts.tolist() == [expected.count(number) for number in range(len(order))]
    assert found.member.T.tolist() == [list(row) for row in order]


def test_numbers_are_as_narrow_as_they_can_be() -> None:
    assert [narrow(n) for n in (0, 127, 128, 2**15, 2**31)] == [
        np.int8,
        np.int8,
        np.int16,
        np.int32,
        np.int64,
    ]
    problem = wide_problem(0)
    assert build_cells(problem).item_face.dtype == np.int8


def test_twins_are_found_once_and_forgotten_with_the_catalogue() -> None:
    work = np.array([4, 0, 4, 2, 0, 0])
    twins = twins_of(work)
    assert twins.items.tolist() == [0, 1, 2, 4, 5]
    assert {one: None if (items := twins.of(one)) is None else items.tolist() for one in range(5)} == {
        0: [1, 4, 5],
        1: None,
        2: None,
        3: None,
        4: [0, 2],
    }
    assert twins_of(work) is twins
    assert twins_of(work.copy()) is not twins
    assert twins_of(np.arange(5)).of(3) is None
    assert twins_of(np.zeros(0, np.int64)).items.size == 0
    key = id(work)
    del work
    gc.collect()
    assert key not in twins_module._TWINS
