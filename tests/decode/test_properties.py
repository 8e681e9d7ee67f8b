"""Every search, on requests near the edge: complete, and without a violation by the independent oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from instances import Group, Instance, make_group, prompts, read_answer, table_lm
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from small_models import FIRST_LETTER, PAD_ID, TinyLM, atomic, free_problem, tiny_lm

from control.solver_oracle import Lists, random_scores, write_out
from steerec.control.cells import cells_of
from steerec.control.feasibility import is_feasible
from steerec.control.optimum import best_list
from steerec.control.problem import Problem
from steerec.control.refusal import refuse
from steerec.decode import window
from steerec.decode.adapter import ControlLogits
from steerec.decode.constrained import decode_lists
from steerec.decode.diverse import decode_diverse
from steerec.decode.walk import walk_lists
from steerec.errors import InfeasibleRequest

SIZE = 50
"""Requests of a group, which are decoded together."""
ENUMERABLE = 7
"""Items of a catalogue whose lists are all written out."""
Begun = list[list[int]]
Answers = list[list[tuple[int, ...]]]


def beam(lm: TinyLM, begun: Begun, problems: list[Problem], seed: int, **options: object) -> Answers:
    del seed
    return [[one.items] for one in decode_lists(lm, begun, problems, **options)]


def teacher(lm: TinyLM, begun: Begun, problems: list[Problem], seed: int) -> Answers:
    rng = np.random.default_rng([seed, 5])
    shape = len(problems), lm.identifier.num_items
    scores = rng.standard_normal(shape) + 5 * np.stack([~problem.allowed for problem in problems])
    wishes = rng.integers(0, 2, shape).astype(float)
    lists = decode_lists(lm, begun, problems, beam=2, teacher_scores=scores, weight=3.0, wishes=wishes)
    return [[one.items] for one in lists]


def fallback(lm: TinyLM, begun: Begun, problems: list[Problem], seed: int) -> Answers:
    scores = np.random.default_rng([seed, 6]).integers(-2, 3, (len(problems), lm.identifier.num_items))
    lists = decode_lists(lm, begun, problems, teacher_scores=scores.astype(float), budget_s=0.0)
    assert all(one.fallback_from == 1 for one in lists)
    return [[one.items] for one in lists]


def walk(lm: TinyLM, begun: Begun, problems: list[Problem], seed: int, **options: object) -> Answers:
    walked = walk_lists(lm, begun, problems, seed=seed, **options)
    return [[one.items for one in lists] for lists in walked]


def diverse(lm: TinyLM, begun: Begun, problems: list[Problem], seed: int) -> Answers:
    del seed
    found = decode_diverse(lm, begun, problems, groups=3, penalty=2.0)
    return [[one.items for one in lists] for lists in found]


def adapter(lm: TinyLM, begun: Begun, problems: list[Problem], seed: int) -> Answers:
    """What `generate` does, by hand: the first sequence of a request is greedy, the second one is sampled."""
    width = max(map(len, begun))
    tokens = torch.full((2 * len(begun), width), PAD_ID)
    for row, prompt in enumerate(begun):
        tokens[2 * row : 2 * row + 2, width - len(prompt) :] = torch.tensor(prompt)
    request = torch.arange(len(begun)).repeat_interleave(2)
    processor = ControlLogits(lm, problems, prompt_tokens=width)
    generator = torch.Generator().manual_seed(seed)
    for step in range(processor.max_new_tokens):
        logits = lm.model.following(request, tokens[:, -1:])[:, 0].clamp(min=-1e4)
        masked = processor(tokens, logits)
        if step == 7:  # what is allowed follows from the tokens, not from earlier calls
            fresh = ControlLogits(lm, problems, prompt_tokens=width)
            assert torch.equal(fresh(tokens, logits), masked)
        assert (masked > -torch.inf).any(dim=1).all()
        drawn = torch.multinomial(torch.softmax(masked, dim=1), 1, generator=generator)[:, 0]
        greedy = torch.arange(len(tokens)) % 2 == 0
        tokens = torch.cat([tokens, torch.where(greedy, masked.argmax(dim=1), drawn)[:, None]], dim=1)
        if (tokens[:, width:] == lm.end_id).any(dim=1).all():
            break
    counts = [problem.count for problem in problems for _ in range(2)]
    rows = tokens[:, width:].tolist()
    answers = [read_answer(lm, row, count) for row, count in zip(rows, counts, strict=True)]
    return [answers[2 * row : 2 * row + 2] for row in range(len(begun))]


SEARCHES: dict[str, Callable[[TinyLM, Begun, list[Problem], int], Answers]] = {
    "beam 1": lambda *batch: beam(*batch, beam=1),
    "walk": lambda *batch: walk(*batch),
    "beam 4": lambda *batch: beam(*batch, beam=4, batch_size=20),
    "adapter": adapter,
    "teacher": teacher,
    "samples": lambda *batch: walk(*batch, temperature=1.0, samples=2),
    "diverse": diverse,
    "fall-back": fallback,
}


def searches_of(number: int) -> list[str]:
    """Three for each group, so that every kind of catalogue and identifier meets every search."""
    names = list(SEARCHES)
    return [names[(number // 12 + number + step) % len(names)] for step in (0, 2, 5)]


def check_group(number: int, *, size: int = SIZE, searches: Sequence[str] | None = None) -> None:
    group = make_group(number, size)
    feasible = [check_verdict(group, one, number) for one in group.instances]
    impossible = [one for one, holds in zip(group.instances, feasible, strict=True) if not holds]
    if impossible and len(group.catalog) > ENUMERABLE:
        assert not has_list(impossible[0].problem), impossible[0].record
    possible = [one for one, holds in zip(group.instances, feasible, strict=True) if holds]
    if possible:
        check_lists(group, possible, number, searches or searches_of(number))


def check_verdict(group: Group, instance: Instance, seed: int) -> bool:
    """Whether an instance is feasible; all that the solver says of it holds."""
    problem = instance.problem
    feasible = is_feasible(problem)
    planted = [group.catalog.index(item) for item in instance.planted]
    assert feasible or group.broken(instance, planted), instance.record
    if feasible:
        refuse(instance.request, group.catalog, problem)
    else:
        with pytest.raises(InfeasibleRequest) as caught:
            refuse(instance.request, group.catalog, problem)
    if problem.num_items <= ENUMERABLE:
        written = write_out(problem)
        assert feasible == bool(len(written.satisfying)), instance.record
        check_reading(group, instance, written, seed)
        if feasible:
            check_optimum(written, seed)
        else:
            check_conflict(written, caught.value)
    return feasible


def check_reading(group: Group, instance: Instance, written: Lists, seed: int) -> None:
    """The compiled problem and the oracle agree about lists, satisfying or not."""
    rng = np.random.default_rng([seed, 4])
    for lists in (written.satisfying, written.lists):
        for one in lists[rng.permutation(len(lists))[:3]]:
            holds = (written.satisfying == one).all(axis=1).any()
            assert holds == (not group.broken(instance, one.tolist())), (instance.record, one)


def check_optimum(written: Lists, seed: int) -> None:
    scores = random_scores(seed, written.problem.num_items)
    own = scores[written.satisfying]
    last_resorts = np.isinf(own).sum(axis=1)
    totals = np.where(np.isinf(own), 0, own).sum(axis=1)
    best = best_list(written.problem, scores)
    (place,) = np.flatnonzero((written.satisfying == best).all(axis=1))
    assert last_resorts[place] == last_resorts.min()
    assert totals[place] == pytest.approx(totals[last_resorts == last_resorts.min()].max())


def check_conflict(written: Lists, error: InfeasibleRequest) -> None:
    """The named controls contradict each other, and no fewer do."""
    problem, conflict, relaxation = written.problem, error.conflict, error.relaxation
    lacking = problem.count - np.unique(problem.work[problem.allowed]).size
    if lacking > 0:
        assert conflict.controls == ()
        assert conflict.slack == relaxation.total_slack == lacking
        return
    owners = np.array([part.control for part in (*problem.quotas, *problem.caps)], dtype=np.int64)
    excess = written.excess[~written.blocked.any(axis=1)]

    def least(controls: Sequence[int]) -> int:
        return int(excess[:, np.isin(owners, controls)].sum(axis=1).min())

    assert least(conflict.controls) == conflict.slack > 0
    for fewer in combinations(owners.tolist(), len(conflict.controls) - 1):
        assert least(fewer) == 0
    assert relaxation.total_slack == least(owners)
    assert sum(abs(change.new - change.old) for change in relaxation.changes) == relaxation.total_slack


def has_list(problem: Problem) -> bool:
    """Feasibility by a 0/1 program over (item, position), without any of the solver's ideas."""
    items, k = np.flatnonzero(problem.allowed), problem.count
    rows, lower, upper = [], [], []

    def add(members: np.ndarray, positions: slice, low: int, high: int) -> None:
        row = np.zeros((len(items), k))
        row[members, positions] = 1
        rows.append(row.ravel())
        lower.append(low)
        upper.append(high)

    for position in range(k):
        add(items >= 0, slice(position, position + 1), 1, 1)
    for work in np.unique(problem.work[items]):
        add(problem.work[items] == work, slice(None), 0, 1)
    for quota in problem.quotas:
        add(quota.mask[items], slice(quota.first - 1, quota.last), quota.lower, quota.upper)
    for cap in problem.caps:
        for value in range(len(cap.labels)):
            carries = [value in cap.value_ids[cap.indptr[i] : cap.indptr[i + 1]] for i in items]
            add(np.array(carries, dtype=np.bool_), slice(None), 0, cap.limit)
    if len(items) < k:
        return False
    found = milp(
        np.zeros(len(items) * k),
        integrality=np.ones(len(items) * k),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(csr_array(np.stack(rows)), lower, upper),
    )
    assert found.status in (0, 2), found.message
    return bool(found.status == 0)


def check_lists(group: Group, instances: list[Instance], seed: int, searches: Sequence[str]) -> None:
    lm = table_lm(group, instances, seed)
    begun = prompts(instances, np.random.default_rng([seed, 3]))
    for name in searches:
        answers = SEARCHES[name](lm, begun, [one.problem for one in instances], seed)
        for instance, lists in zip(instances, answers, strict=True):
            assert lists
            for items in lists:
                broken = group.broken(instance, items)
                assert not broken, (name, broken, instance.record)


def keep_children_of_narrow_nodes(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every other chunk, let the window treat nodes as in catalogues a hundred times larger."""
    if chunk % 2:
        monkeypatch.setattr(window, "_WIDE", 2)


@pytest.mark.parametrize("chunk", range(20))
def test_5000_instances_are_completed_without_violation(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_children_of_narrow_nodes(chunk, monkeypatch)
    for number in range(5 * chunk, 5 * chunk + 5):
        check_group(number)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(200))
def test_100000_instances_are_completed_without_violation(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_children_of_narrow_nodes(chunk, monkeypatch)
    for number in range(1000 + 10 * chunk, 1010 + 10 * chunk):
        check_group(number)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_the_model_holds_impossible_is_walked_to_with_a_log_probability(temperature: float) -> None:
    lm = tiny_lm(atomic(6))
    lm.model.lm_head.bias = torch.nn.Parameter(torch.zeros(40))
    lm.model.lm_head.bias.data[FIRST_LETTER:] = -torch.inf
    ((found,),) = walk_lists(lm, [[11]], [free_problem(6, 3)], temperature=temperature)
    assert len(set(found.items)) == 3
    assert not np.isnan(found.log_probs).any()


def test_the_first_500_instances_are_near_the_edge() -> None:
    problems = [one.problem for number in range(10) for one in make_group(number, SIZE).instances]
    feasible = np.array([is_feasible(problem) for problem in problems])
    near = [is_within_one(problem, verdict) for problem, verdict in zip(problems, feasible, strict=True)]
    assert len(problems) == 500
    assert np.mean(~feasible) >= 0.2
    assert np.mean(feasible) >= 0.6
    assert np.mean(near) >= 0.3


def is_within_one(problem: Problem, feasible: bool) -> bool:
    """Whether one bound loosened by one item helps, or one tightened by one or one work less leaves no list.

    A bound that meets the other one is not tightened further: that would leave nothing everywhere.
    """
    if not feasible:
        return any(is_feasible(other) for other in moved(problem, 1))
    return not all(is_feasible(other) for other in (*moved(problem, -1), *less(problem)))


def moved(problem: Problem, by: int) -> Iterator[Problem]:
    """The problems with one bound looser (1) or tighter (-1) by one item."""
    for k, quota in enumerate(problem.quotas):
        ends = (("lower", quota.lower - by), ("upper", quota.upper + by))
        for name, value in ends:
            new = replace(quota, **{name: value})
            if 0 <= value <= quota.last - quota.first + 1 and new.lower <= new.upper:
                yield replace(problem, quotas=(*problem.quotas[:k], new, *problem.quotas[k + 1 :]))
    for k, cap in enumerate(problem.caps):
        if 0 <= cap.limit + by <= problem.count:
            new_cap = replace(cap, limit=cap.limit + by)
            yield replace(problem, caps=(*problem.caps[:k], new_cap, *problem.caps[k + 1 :]))


def less(problem: Problem) -> Iterator[Problem]:
    """The problems with one work less, one for each cell."""
    cells = cells_of(problem)
    cell = np.append(cells.face_cell, -1)[cells.item_face]  # (N,)
    for item in np.unique(cell, return_index=True)[1]:
        if problem.allowed[item]:
            yield replace(problem, allowed=problem.allowed & (problem.work != problem.work[item]))
