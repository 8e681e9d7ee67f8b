"""When time is up, the teacher completes the lists exactly under what is left of the requests."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from small_models import (
    TinyLM,
    atomic,
    free_problem,
    is_satisfied,
    item_log_prob,
    random_codes,
    random_problem,
    random_prompts,
    tiny_lm,
)

from steerec.control.optimum import best_list
from steerec.control.problem import Problem
from steerec.decode import batch
from steerec.decode.constrained import decode_lists
from steerec.errors import ConfigError

N = 12


def requests(seed: int, count: int = 6) -> tuple[TinyLM, list[list[int]], list[Problem], np.ndarray]:
    rng = np.random.default_rng(seed)
    lm = tiny_lm(atomic(N) if seed % 2 else random_codes(N, rng, extra=0.3), seed=seed)
    begun = random_prompts(count, rng)
    problems = [random_problem(N, int(rng.integers(2, 5)), rng) for _ in begun]
    return lm, begun, problems, rng.standard_normal((count, N))


@pytest.mark.parametrize("with_wishes", [False, True])
@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_without_any_time_the_list_is_the_teachers_best(weight: float, with_wishes: bool) -> None:
    for seed in range(5):
        lm, begun, problems, scores = requests(seed)
        wishes = np.random.default_rng(seed).standard_normal(scores.shape) if with_wishes else None
        total = scores if wishes is None else scores + wishes
        lists = decode_lists(
            lm, begun, problems, teacher_scores=scores, weight=weight, wishes=wishes, budget_s=0.0
        )
        for problem, own, decoded in zip(problems, total, lists, strict=True):
            best = best_list(problem, own)
            assert list(decoded.items) == best
            assert decoded.fallback_from == 1
            assert decoded.log_probs == ()
            assert decoded.scores == pytest.approx(own[best].tolist())


class Clock:
    """A second for each forward pass; atomic lists take one pass for each item."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.now = 0.0
        model.register_forward_hook(self._tick)

    def _tick(self, *_: object) -> None:
        self.now += 1.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("positions", [0, 1, 2, 3])
def test_a_deadline_in_the_middle_keeps_what_the_model_chose(
    positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 3, 5, 7):
        lm, begun, problems, scores = requests(seed)
        free = decode_lists(lm, begun, problems, beam=4, teacher_scores=scores, weight=0.5)
        with monkeypatch.context() as patch:
            patch.setattr(batch.time, "monotonic", Clock(lm.model).monotonic)
            budget_s = positions + 0.5  # before position p, p passes are made, the prompts' among them
            cut = decode_lists(
                lm, begun, problems, beam=4, teacher_scores=scores, weight=0.5, budget_s=budget_s
            )
        for problem, own, whole, decoded in zip(problems, scores, free, cut, strict=True):
            if problem.count <= positions:  # complete in time
                assert decoded.items == whole.items
                assert decoded.fallback_from is None
                continue
            assert decoded.fallback_from == positions + 1
            assert decoded.items[:positions] == whole.items[:positions]
            assert decoded.log_probs == pytest.approx(whole.log_probs[:positions], abs=1e-5)
            assert decoded.scores[:positions] == pytest.approx(whole.scores[:positions], abs=1e-5)
            assert is_satisfied(problem, decoded.items)
            rest = list(decoded.items[positions:])
            assert decoded.scores[positions:] == pytest.approx(own[rest].tolist())
            assert own[rest].sum() == pytest.approx(best_completion(problem, decoded.items[:positions], own))


def best_completion(problem: Problem, chosen: tuple[int, ...], scores: np.ndarray) -> float:
    others = [item for item in range(problem.num_items) if item not in chosen]
    lists = itertools.permutations(others, problem.count - len(chosen))
    return max(scores[list(more)].sum() for more in lists if is_satisfied(problem, [*chosen, *more]))


def test_a_deadline_between_batches_leaves_the_first_batch_to_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lm, _, _, scores = requests(1, count=4)
    begun, problems = [[12, 11], [13, 11], [14, 11], [15, 11]], [free_problem(N, 2)] * 4
    monkeypatch.setattr(batch.time, "monotonic", Clock(lm.model).monotonic)
    lists = decode_lists(lm, begun, problems, teacher_scores=scores, budget_s=2.5, batch_size=2)
    assert [one.fallback_from for one in lists] == [None, None, 1, 1]


def test_time_enough_changes_nothing() -> None:
    lm, begun, problems, scores = requests(2)
    plain = decode_lists(lm, begun, problems, teacher_scores=scores, weight=1.0)
    assert decode_lists(lm, begun, problems, teacher_scores=scores, weight=1.0, budget_s=1e6) == plain
    assert all(one.fallback_from is None for one in plain)
    assert plain[0].log_probs[0] == pytest.approx(
        item_log_prob(lm, [*begun[0], *lm.identifier.marker(1, problems[0].count)], plain[0].items[0]),
        abs=2e-4,
    )


def test_a_budget_needs_a_teacher_and_a_finite_number() -> None:
    lm, begun, problems, scores = requests(3)
    with pytest.raises(
        ConfigError, match=r"finite number of seconds >= 0 .* fall back on; got 1.0 and no scores"
    ):
        decode_lists(lm, begun, problems, budget_s=1.0)
    for budget in (-1.0, np.inf, np.nan):
        with pytest.raises(ConfigError, match=f"got {budget} and scores"):
            decode_lists(lm, begun, problems, teacher_scores=scores, budget_s=budget)


def test_scores_that_are_not_finite_are_refused_at_any_weight() -> None:
    lm, begun, problems, scores = requests(4)
    scores[0, 0] = np.nan
    with pytest.raises(ConfigError, match="finite for every item"):
        decode_lists(lm, begun, problems, teacher_scores=scores, weight=0.0, budget_s=0.0)
