"""Groups choose in turn, each told what the earlier ones chose: checked against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import (
    TinyLM,
    atomic,
    free_problem,
    is_satisfied,
    item_log_prob,
    random_codes,
    random_problem,
    random_prompts,
    sequence_log_prob,
    tiny_lm,
)
from test_constrained import completable

from steerec.control.problem import Problem
from steerec.decode.constrained import decode_lists
from steerec.decode.diverse import decode_diverse
from steerec.decode.outcome import DecodedList
from steerec.errors import ConfigError, RequestError

KINDS = ["atomic", "codes", "several spellings"]
N = 7


def requests(
    kind: str, seed: int, *, count: int = 3, sharpness: float = 8.0
) -> tuple[TinyLM, list[list[int]], list[Problem]]:
    rng = np.random.default_rng(seed)
    identifier = atomic(N) if kind == "atomic" else random_codes(N, rng, extra=0.8 * (kind != "codes"))
    lm = tiny_lm(identifier, seed=seed, sharpness=sharpness)
    begun = random_prompts(3, rng)
    return lm, begun, [random_problem(N, count, rng) for _ in begun]


def open_items(problem: Problem, chosen: list[int]) -> list[int]:
    return [item for item in range(problem.num_items) if completable(problem, [*chosen, item])]


def check_group(
    lm: TinyLM, prompt: list[int], problem: Problem, lists: list[DecodedList], group: int, penalty: float
) -> None:
    """At every position the best item, less a penalty for each earlier group that chose it there."""
    found, before = lists[group], list(prompt)
    for place, item in enumerate(found.items):
        before += lm.identifier.marker(place + 1, problem.count)
        times = [sum(one.items[place] == other for one in lists[:group]) for other in range(N)]
        values = {
            other: item_log_prob(lm, before, other) - penalty * times[other]
            for other in open_items(problem, list(found.items[:place]))
        }
        assert values[item] == pytest.approx(max(values.values()), abs=2e-4)
        assert found.scores[place] == pytest.approx(values[item], abs=2e-4)
        assert found.log_probs[place] == pytest.approx(values[item] + penalty * times[item], abs=2e-4)
        forms = [(*form, *lm.identifier.separator) for form in lm.identifier.spell(item)]
        before += max(forms, key=lambda form: sequence_log_prob(lm, before, form))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [0.7, 5.0])
def test_every_group_is_the_definition(kind: str, penalty: float) -> None:
    for seed in range(3):
        lm, begun, problems = requests(kind, seed, sharpness=(8.0, 0.5)[seed % 2])
        found = decode_diverse(lm, begun, problems, groups=3, penalty=penalty)
        for prompt, problem, lists in zip(begun, problems, found, strict=True):
            assert len(lists) == 3
            for group in range(3):
                assert is_satisfied(problem, lists[group].items)
                check_group(lm, prompt, problem, lists, group, penalty)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_group_is_the_exact_search_whatever_the_penalty(kind: str) -> None:
    for seed in range(4):
        lm, begun, problems = requests(kind, 20 + seed)
        exact = decode_lists(lm, begun, problems, beam=100)
        for penalty in (0.0, 1.0, 1e6):
            found = decode_diverse(lm, begun, problems, groups=4, penalty=penalty)
            for one, lists in zip(exact, found, strict=True):
                assert lists[0].items == one.items
                np.testing.assert_allclose(lists[0].log_probs, one.log_probs, atol=2e-4)
                np.testing.assert_allclose(lists[0].scores, one.log_probs, atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_without_penalty_all_groups_are_equal(kind: str) -> None:
    for seed in range(4):
        lm, begun, problems = requests(kind, 30 + seed)
        for lists in decode_diverse(lm, begun, problems, groups=4, penalty=0.0):
            assert len({one.items for one in lists}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_huge_penalty_repeats_no_item_at_a_position_where_another_is_left(kind: str) -> None:
    repeated = 0
    for seed in range(5):
        lm, begun, problems = requests(kind, 40 + seed)
        for problem, lists in zip(
            problems, decode_diverse(lm, begun, problems, groups=4, penalty=1e6), strict=True
        ):
            for group, one in enumerate(lists):
                assert is_satisfied(problem, one.items)
                for place, item in enumerate(one.items):
                    earlier = {other.items[place] for other in lists[:group]}
                    left = set(open_items(problem, list(one.items[:place]))) - earlier
                    assert (item in earlier) == (not left)
                    repeated += item in earlier
    assert repeated > 0  # few items are left in some requests


def test_groups_differ_in_a_large_catalogue() -> None:
    rng = np.random.default_rng(0)
    lm = tiny_lm(random_codes(40, rng, letters=6), seed=1)
    for lists in decode_diverse(
        lm, random_prompts(3, rng), [free_problem(40, 4)] * 3, groups=5, penalty=50.0
    ):
        assert len({one.items for one in lists}) == 5
        for place in range(4):
            assert len({one.items[place] for one in lists}) == 5


def test_requests_in_a_batch_do_not_penalise_each_other() -> None:
    lm, begun, problems = requests("codes", 50)
    rng = np.random.default_rng(50)
    problems[1] = random_problem(N, 1, rng)  # ends earlier than the others
    together = decode_diverse(lm, [begun[0]] * 3, problems, groups=3, penalty=2.0)
    for problem, lists in zip(problems, together, strict=True):
        (alone,) = decode_diverse(lm, [begun[0]], [problem], groups=3, penalty=2.0)
        assert [one.items for one in alone] == [one.items for one in lists]


def test_one_group_and_no_prompts() -> None:
    lm, begun, problems = requests("codes", 60)
    exact = decode_lists(lm, begun, problems, beam=100)
    single = decode_diverse(lm, begun, problems, groups=1, penalty=3.0)
    assert [one.items for (one,) in single] == [one.items for one in exact]
    assert decode_diverse(lm, [], [], groups=2) == []


def test_settings_out_of_range_are_refused() -> None:
    lm = tiny_lm(atomic(5))
    problems = [free_problem(5, 2)]
    with pytest.raises(ConfigError, match=r"groups must be at least 1, .* got 0 and 1.0"):
        decode_diverse(lm, [[11]], problems, groups=0)
    for penalty in (-1.0, np.inf, np.nan):
        with pytest.raises(ConfigError, match=f"penalty finite and >= 0; got 4 and {penalty}"):
            decode_diverse(lm, [[11]], problems, penalty=penalty)
    narrow = TinyLM(lm.model, lm.identifier, context_length=4)
    with pytest.raises(RequestError, match="A list of 2 may need"):
        decode_diverse(narrow, [[11]], problems)
