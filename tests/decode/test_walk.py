"""Token by token under the mask: greedy by definition, sampled from the definition's distribution."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from small_models import (
    TinyLM,
    atomic,
    free_problem,
    is_satisfied,
    random_codes,
    random_problem,
    random_prompts,
    sequence_log_prob,
    tiny_lm,
)
from test_constrained import completable

from steerec.control.problem import Problem
from steerec.decode.walk import _choose, retrace_lists, walk_lists
from steerec.errors import ConfigError


def allowed_tokens(lm: TinyLM, problem: Problem, chosen: list[int], prefix: tuple[int, ...]) -> set[int]:
    """By definition: the tokens that follow a prefix in the spelling of an item that can still come."""
    forms = {
        (*form, *lm.identifier.separator)
        for item in range(problem.num_items)
        if completable(problem, [*chosen, item])
        for form in lm.identifier.spell(item)
    }
    return {form[len(prefix)] for form in forms if form[: len(prefix)] == prefix}


def by_definition(
    lm: TinyLM, prompt: list[int], problem: Problem
) -> tuple[list[int], list[int], list[float]]:
    """Greedy: one token after the other, each by a forward pass over everything before it."""
    spelled = {
        (*form, *lm.identifier.separator): item
        for item in range(problem.num_items)
        for form in lm.identifier.spell(item)
    }
    tokens: list[int] = []
    chosen: list[int] = []
    log_probs: list[float] = []
    for position in range(1, problem.count + 1):
        tokens += lm.identifier.marker(position, problem.count)
        prefix: tuple[int, ...] = ()
        log_probs.append(0.0)
        while prefix not in spelled:
            allowed = sorted(allowed_tokens(lm, problem, chosen, prefix))
            values = {token: sequence_log_prob(lm, [*prompt, *tokens], (token,)) for token in allowed}
            best = max(allowed, key=lambda token: values[token])
            log_probs[-1] += values[best] - float(np.logaddexp.reduce(list(values.values())))
            prefix = (*prefix, best)
            tokens.append(best)
        chosen.append(spelled[prefix])
    return chosen, tokens, log_probs


@pytest.mark.parametrize("kind", ["atomic", "codes", "several spellings"])
def test_greedy_is_the_definition(kind: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        identifier = atomic(7) if kind == "atomic" else random_codes(7, rng, extra=0.8 * (kind != "codes"))
        lm = tiny_lm(identifier, seed=seed)
        prompts = random_prompts(4, rng)
        problems = [random_problem(7, 3, rng) for _ in prompts]
        walked = walk_lists(lm, prompts, problems, batch_size=3)
        for prompt, problem, (found,) in zip(prompts, problems, walked, strict=True):
            items, tokens, log_probs = by_definition(lm, prompt, problem)
            assert list(found.items) == items
            assert list(found.tokens) == tokens
            np.testing.assert_allclose(found.log_probs, log_probs, atol=2e-4)
            assert is_satisfied(problem, found.items)


def test_decisions_are_the_places_with_a_choice_and_name_what_was_allowed() -> None:
    rng = np.random.default_rng(3)
    lm = tiny_lm(random_codes(9, rng))
    problem = random_problem(9, 4, rng)
    ((found,),) = walk_lists(lm, [[11, 12]], [problem])
    decided = {decision.place: decision.allowed.tolist() for decision in found.decisions}
    place, chosen = 0, []
    for position, item in enumerate(found.items, start=1):
        place += len(lm.identifier.marker(position, problem.count))
        spelling = (*lm.identifier.spell(item)[0], *lm.identifier.separator)
        for k in range(len(spelling)):
            allowed = sorted(allowed_tokens(lm, problem, chosen, spelling[:k]))
            assert decided.get(place + k) == (allowed if len(allowed) > 1 else None)
        place += len(spelling)
        chosen.append(item)


@pytest.mark.parametrize("kind", ["atomic", "codes"])
def test_given_lists_are_retraced_to_the_decisions_that_wrote_them(kind: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lm = tiny_lm(atomic(9) if kind == "atomic" else random_codes(9, rng), seed=seed)
        problems = [random_problem(9, 4, rng) for _ in range(4)]
        walked = walk_lists(lm, random_prompts(4, rng), problems, temperature=1.0, samples=3)
        for problem, lists in zip(problems, walked, strict=True):
            found = retrace_lists(lm.identifier, [problem] * 3, [one.items for one in lists])
            for one, decisions in zip(lists, found, strict=True):
                assert [d.place for d in decisions] == [d.place for d in one.decisions]
                for ours, theirs in zip(decisions, one.decisions, strict=True):
                    assert ours.allowed.tolist() == theirs.allowed.tolist()


def test_samples_follow_the_renormalised_distribution() -> None:
    lm = tiny_lm(atomic(4), sharpness=1.0)
    problem = free_problem(4, 2)
    (lists,) = walk_lists(lm, [[11, 12, 13]], [problem], temperature=1.0, samples=4000, batch_size=4000)
    counts = Counter(found.items for found in lists)
    assert sum(counts.values()) == 4000
    for items, count in counts.items():
        log_prob = next(sum(found.log_probs) for found in lists if found.items == items)
        expected = 4000 * math.exp(log_prob)
        assert abs(count - expected) < 5 * math.sqrt(expected) + 5
    total = sum(math.exp(sum(found.log_probs)) for found in {found.items: found for found in lists}.values())
    assert total == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.5])
def test_choosing_for_all_rows_at_once_is_choosing_for_each(temperature: float) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(2, 40, 200)
    rows = [rng.normal(size=size) * 5 for size in sizes]
    rows[3][:] = -np.inf  # everything that is allowed is held impossible
    rows[4][:-1] = -np.inf
    uniform = rng.random(200)
    uniform[:2] = 0.0, np.nextafter(1.0, 0.0)
    taken, log_probs = _choose(np.concatenate(rows), sizes, temperature, uniform if temperature > 0 else None)
    starts = np.cumsum(sizes) - sizes
    for row, place, log_prob, at in zip(rows, taken - starts, log_probs, uniform, strict=True):
        logits = np.zeros_like(row) if np.isneginf(row).all() else row
        plain = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        assert log_prob == pytest.approx(np.log(plain[place]))
        if temperature == 0:
            assert place == logits.argmax()
        else:
            ladder = np.cumsum(plain ** (1 / temperature) / (plain ** (1 / temperature)).sum())
            assert place == min(np.searchsorted(ladder, at, side="right"), len(row) - 1)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(5)
    lm = tiny_lm(random_codes(12, rng), sharpness=2.0)
    prompts = random_prompts(5, rng)
    problems = [random_problem(12, 3, rng) for _ in prompts]
    options = {"temperature": 1.3, "samples": 3, "seed": 7}
    together = walk_lists(lm, prompts, problems, batch_size=64, **options)
    apart = walk_lists(lm, prompts, problems, batch_size=3, **options)
    for one, other in zip(together, apart, strict=True):
        assert [found.tokens for found in one] == [found.tokens for found in other]
    assert len({found.tokens for found in together[0]}) > 1


def test_a_forward_pass_decides_in_every_row() -> None:
    """Rows walk independently: no more passes than the row with the most decisions has, and the prompts'."""
    rng = np.random.default_rng(6)
    lm = tiny_lm(random_codes(30, rng))
    problems = [free_problem(30, count) for count in (1, 4, 6)]
    walked = walk_lists(lm, random_prompts(3, rng), problems)
    most = max(len(found.decisions) for (found,) in walked)
    assert walked[0][0].forwards == most


def test_a_list_without_any_choice_is_written_all_the_same() -> None:
    lm = tiny_lm(random_codes(6, np.random.default_rng(0)))
    only = np.zeros(6, np.bool_)
    only[2] = True
    forced = Problem(count=1, allowed=only, work=np.arange(6))
    (one,), (other,) = walk_lists(lm, [[11], [12, 13]], [forced, free_problem(6, 2)])
    assert one.items == (2,)
    assert one.log_probs == (0.0,)
    assert not one.decisions
    assert len(other.items) == 2


def test_settings_out_of_range_are_refused() -> None:
    lm = tiny_lm(atomic(4))
    with pytest.raises(ConfigError, match="samples at least 1"):
        walk_lists(lm, [[11]], [free_problem(4, 1)], samples=0)
    with pytest.raises(ConfigError, match="temperature must be finite"):
        walk_lists(lm, [[11]], [free_problem(4, 1)], temperature=-1.0)
