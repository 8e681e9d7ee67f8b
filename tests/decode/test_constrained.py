from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from small_models import (
    NEWLINE,
    CodeIdentifier,
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

from steerec.control.problem import Problem
from steerec.decode.constrained import decode_lists
from steerec.errors import ConfigError, RequestError, SteerecError
from steerec.llm.copy_llama import CopyLlamaConfig, CopyLlamaForCausalLM


def exhaustive(
    lm: TinyLM, prompt: list[int], problem: Problem, additions: np.ndarray
) -> tuple[list[int], list[float]]:
    """The definition of the default search: at each position the best item some satisfying list contains."""
    chosen: list[int] = []
    values: list[float] = []
    before = list(prompt)
    for position in range(1, problem.count + 1):
        before += lm.identifier.marker(position, problem.count)
        open_items = [item for item in range(problem.num_items) if completable(problem, [*chosen, item])]
        log_probs = {item: item_log_prob(lm, before, item) for item in open_items}
        best = max(open_items, key=lambda item: (log_probs[item] + additions[item], -item))
        forms = lm.identifier.spell(best)
        likeliest = max(
            forms, key=lambda form: sequence_log_prob(lm, before, (*form, *lm.identifier.separator))
        )
        before += [*likeliest, *lm.identifier.separator]
        chosen.append(best)
        values.append(log_probs[best])
    return chosen, values


def completable(problem: Problem, chosen: Sequence[int]) -> bool:
    rest = [item for item in range(problem.num_items) if item not in chosen]
    missing = problem.count - len(chosen)
    return any(is_satisfied(problem, [*chosen, *more]) for more in itertools.permutations(rest, missing))


@pytest.mark.parametrize("kind", ["atomic", "codes", "several spellings"])
@pytest.mark.parametrize("with_teacher", [False, True])
def test_a_wide_beam_equals_exhaustive_enumeration(kind: str, with_teacher: bool) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        identifier = atomic(7) if kind == "atomic" else random_codes(7, rng, extra=0.8 * (kind != "codes"))
        lm = tiny_lm(identifier, seed=seed, sharpness=(8.0, 0.3)[seed % 2])  # far apart, close together
        prompts = random_prompts(4, rng)
        problems = [random_problem(7, 3, rng) for _ in prompts]
        scores = 3 * rng.standard_normal((4, 7))
        wishes = rng.standard_normal((4, 7))
        additions = 0.7 * scores + wishes if with_teacher else np.zeros((4, 7))
        lists = decode_lists(
            lm,
            prompts,
            problems,
            beam=100,
            teacher_scores=scores,
            weight=0.7 if with_teacher else 0.0,
            wishes=wishes if with_teacher else None,
        )
        for row, decoded in enumerate(lists):
            items, log_probs = exhaustive(lm, prompts[row], problems[row], additions[row])
            assert list(decoded.items) == items
            np.testing.assert_allclose(decoded.log_probs, log_probs, atol=2e-4)
            expected = np.array(log_probs) + additions[row, items]
            np.testing.assert_allclose(decoded.scores, expected, atol=2e-4)


def greedy_by_token(lm: TinyLM, before: list[int], admissible: np.ndarray) -> int:
    """Beam 1 by definition: at every branching the likeliest token that leads to an admissible item."""
    sequences = {
        (*lm.identifier.spell(item)[0], *lm.identifier.separator): int(item)
        for item in np.flatnonzero(admissible)
    }
    prefix: tuple[int, ...] = ()
    while prefix not in sequences:
        tokens = {sequence[len(prefix)] for sequence in sequences if sequence[: len(prefix)] == prefix}
        best = max(tokens, key=lambda token: sequence_log_prob(lm, [*before, *prefix], (token,)))
        prefix = (*prefix, best)
    return sequences[prefix]


def test_beam_one_is_greedy_by_token() -> None:
    for seed in range(8):
        rng = np.random.default_rng(100 + seed)
        lm = tiny_lm(random_codes(20, rng), seed=seed)
        prompts = random_prompts(5, rng)
        allowed = rng.random((5, 20)) < 0.6
        allowed[:, 0] = True
        problems = [Problem(count=1, allowed=row, work=np.arange(20)) for row in allowed]
        lists = decode_lists(lm, prompts, problems, beam=1)
        for row, decoded in enumerate(lists):
            before = [*prompts[row], *lm.identifier.marker(1, 1)]
            assert decoded.items == (greedy_by_token(lm, before, allowed[row]),)


class Bigrams(torch.nn.Module):
    """A model whose next token depends on the last one only, by a table of probabilities."""

    dtype = torch.float32

    def __init__(self, odds: dict[int, dict[int, float]]) -> None:
        super().__init__()
        self.odds = odds
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids: torch.Tensor, past_key_values, **_: object):  # type: ignore[no-untyped-def]
        logits = torch.full((*input_ids.shape, 20), -1e9)
        for row, column in np.ndindex(*input_ids.shape):
            token = int(input_ids[row, column])
            marker = 3 <= token < 8
            for following, chance in self.odds.get(5 if marker else token, {NEWLINE: 1.0}).items():
                logits[row, column, following] = float(np.log(chance))
        states = torch.zeros(len(input_ids), 1, input_ids.shape[1], 1)
        past_key_values.update(states, states, 0)
        return type("Output", (), {"logits": logits})


def test_a_likely_beginning_of_a_forbidden_title_does_not_mislead_the_beam() -> None:
    # "Star" (10) is likely because of Star Wars (10, 11); with that one forbidden, token-wise masking is left
    # with Star Dreck (10, 12), which the model never says. Probabilities by hand:
    # p(10) = .9, p(13) = .1; after 10: p(11) = .999, p(12) = .001; after 13 and at ends: certain.
    identifier = CodeIdentifier([[(10, 11)], [(10, 12)], [(13, 14)]])

    odds = {10: {11: 0.999, 12: 0.001}, 13: {14: 1.0}, 5: {10: 0.9, 13: 0.1}}
    lm = TinyLM(Bigrams(odds), identifier)
    problem = Problem(count=1, allowed=np.array([False, True, True]), work=np.arange(3))
    assert decode_lists(lm, [[5]], [problem], beam=1)[0].items == (1,)
    wide = decode_lists(lm, [[5]], [problem], beam=2)[0]
    assert wide.items == (2,)
    assert wide.log_probs == pytest.approx((np.log(0.1),))


def test_a_finished_title_does_not_cut_off_a_longer_one_that_can_still_win() -> None:
    # Alien (10) ends with .45 before Alien 3 (10, 11) with .55 is spelled out
    identifier = CodeIdentifier([[(10,)], [(10, 11)]])
    problem = Problem(count=1, allowed=np.ones(2, np.bool_), work=np.arange(2))
    lm = TinyLM(Bigrams({5: {10: 1.0}, 10: {NEWLINE: 0.45, 11: 0.55}}), identifier)
    assert decode_lists(lm, [[5]], [problem])[0].items == (1,)
    # at .25 against .75 the teacher decides: log(.25) + 1.2 > log(.75) > log(.25) + 1
    lm = TinyLM(Bigrams({5: {10: 1.0}, 10: {NEWLINE: 0.75, 11: 0.25}}), identifier)
    for weight, item in ((0.0, 0), (1.0, 0), (1.2, 1)):
        scores = np.array([[0.0, 1.0]])
        assert decode_lists(lm, [[5]], [problem], teacher_scores=scores, weight=weight)[0].items == (item,)


@pytest.mark.parametrize("beam", [1, 3, 8])
def test_batch_equals_single(beam: int) -> None:
    rng = np.random.default_rng(7)
    lm = tiny_lm(random_codes(40, rng, extra=0.3), seed=3)
    prompts = random_prompts(9, rng)
    problems = [random_problem(40, int(rng.integers(1, 8)), rng) for _ in prompts]
    scores = rng.standard_normal((9, 40))
    together = decode_lists(lm, prompts, problems, beam=beam, teacher_scores=scores, weight=1.0)
    for batch_size in (1, 4):
        apart = decode_lists(
            lm, prompts, problems, beam=beam, teacher_scores=scores, weight=1.0, batch_size=batch_size
        )
        assert [one.items for one in apart] == [one.items for one in together]
        for one, other in zip(apart, together, strict=True):
            np.testing.assert_allclose(one.log_probs, other.log_probs, atol=2e-4)


@pytest.mark.parametrize("kind", ["atomic", "codes", "several spellings"])
def test_log_probabilities_equal_a_full_recomputation_without_cache(kind: str) -> None:
    rng = np.random.default_rng(11)
    identifier = atomic(25) if kind == "atomic" else random_codes(25, rng, extra=0.5 * (kind != "codes"))
    lm = tiny_lm(identifier, seed=5)
    prompts = random_prompts(5, rng)
    problems = [free_problem(25, 8) for _ in prompts]
    for prompt, decoded in zip(prompts, decode_lists(lm, prompts, problems, beam=4), strict=True):
        before = list(prompt)
        for position, item in enumerate(decoded.items, start=1):
            before += identifier.marker(position, 8)
            assert decoded.log_probs[position - 1] == pytest.approx(item_log_prob(lm, before, item), abs=2e-4)
            forms = [(*form, *identifier.separator) for form in identifier.spell(item)]
            before += max(forms, key=lambda form: sequence_log_prob(lm, before, form))


def test_weight_zero_ignores_the_teacher_and_a_large_weight_follows_it() -> None:
    rng = np.random.default_rng(2)
    lm = tiny_lm(random_codes(30, rng), seed=2)
    prompts = random_prompts(6, rng)
    problems = [free_problem(30, 5) for _ in prompts]
    scores = rng.permuted(np.tile(np.arange(30.0), (6, 1)), axis=1)
    plain = decode_lists(lm, prompts, problems)
    assert decode_lists(lm, prompts, problems, teacher_scores=scores, weight=0.0) == plain
    assert decode_lists(lm, prompts, problems, wishes=np.zeros((6, 30))) == plain
    for weight in (1e3, 1e6):
        led = decode_lists(lm, prompts, problems, beam=1, teacher_scores=scores, weight=weight)
        for row, decoded in enumerate(led):
            assert list(decoded.items) == np.argsort(-scores[row])[:5].tolist()


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    lm = tiny_lm(random_codes(30, rng, extra=0.4), seed=4)
    prompts = random_prompts(6, rng)
    problems = [free_problem(30, 4) for _ in prompts]
    scores = rng.standard_normal((6, 30))
    one = decode_lists(lm, prompts, problems, beam=2, teacher_scores=scores, weight=2.0)
    other = decode_lists(lm, prompts, problems, beam=2, teacher_scores=scores + 50.0, weight=2.0)
    assert [x.items for x in one] == [x.items for x in other]


@pytest.mark.parametrize("kind", ["atomic", "codes", "several spellings"])
def test_lists_satisfy_an_independent_check_under_adversarial_logits(kind: str) -> None:
    for seed in range(25):
        rng = np.random.default_rng(1000 + seed)
        size = int(rng.integers(12, 26))
        identifier = (
            atomic(size) if kind == "atomic" else random_codes(size, rng, extra=0.3 * (kind != "codes"))
        )
        lm = tiny_lm(identifier, seed=seed, sharpness=float(rng.choice([0.0, 1.0, 100.0])))
        prompts = random_prompts(6, rng)
        problems = [random_problem(size, int(rng.integers(1, 6)), rng) for _ in prompts]
        # the teacher wants exactly what the quotas allow least
        scores = np.stack(
            [sum((q.mask * (q.upper == 0) for q in p.quotas), ~p.allowed * 9.0) for p in problems]
        )
        lists = decode_lists(
            lm, prompts, problems, beam=int(rng.integers(1, 9)), teacher_scores=scores, weight=5.0
        )
        for problem, decoded in zip(problems, lists, strict=True):
            assert is_satisfied(problem, decoded.items)
            assert len(decoded.log_probs) == len(decoded.scores) == problem.count


def test_items_that_the_model_holds_impossible_are_still_listed_when_the_request_wants_them() -> None:
    rng = np.random.default_rng(8)
    for identifier in (atomic(12), random_codes(12, rng), random_codes(12, rng, extra=0.5)):
        lm = tiny_lm(identifier, seed=1)
        lm.model.lm_head.bias = torch.nn.Parameter(torch.zeros(40))
        lm.model.lm_head.bias.data[10:] = -torch.inf
        problems = [random_problem(12, 4, rng) for _ in range(5)]
        lists = decode_lists(lm, random_prompts(5, rng), problems, beam=2)
        assert all(is_satisfied(p, x.items) for p, x in zip(problems, lists, strict=True))
        assert {value for x in lists for value in x.log_probs} == {-np.inf}


def test_weights_that_are_not_numbers_are_reported() -> None:
    lm = tiny_lm(atomic(5))
    lm.model.lm_head.weight.data[3] = torch.nan
    with pytest.raises(SteerecError, match="logits are not numbers"):
        decode_lists(lm, [[10]], [free_problem(5, 2)])


def test_branches_are_seen_by_models_with_a_cache_of_their_own() -> None:
    # the tiny model's copy head keeps tokens and keys of the context in one more layer of the cache
    for seed, identifier in enumerate([atomic(6), random_codes(6, np.random.default_rng(1), extra=0.5)]):
        rng = np.random.default_rng(seed)
        lm = tiny_lm(identifier, seed=seed)
        torch.manual_seed(seed)
        settings = lm.model.config.to_dict() | {"copy_dim": 8, "first_item": 10, "num_items": 20}
        settings.pop("model_type")
        model = CopyLlamaForCausalLM(CopyLlamaConfig(**settings)).eval()
        model.lm_head.weight.data.mul_(8)
        model.copy_query.weight.data.mul_(100)
        lm = TinyLM(model, identifier)
        prompts = [[10 + int(token) for token in rng.integers(4, size=5)] for _ in range(3)]
        problems = [random_problem(6, 3, rng) for _ in prompts]
        for row, decoded in enumerate(decode_lists(lm, prompts, problems, beam=50)):
            items, log_probs = exhaustive(lm, prompts[row], problems[row], np.zeros(6))
            assert list(decoded.items) == items
            np.testing.assert_allclose(decoded.log_probs, log_probs, atol=1e-3)


def test_atomic_lists_take_one_forward_pass_per_item() -> None:
    rng = np.random.default_rng(0)
    lm = tiny_lm(atomic(30))
    lists = decode_lists(lm, random_prompts(8, rng), [free_problem(30, 10)] * 8)
    assert {decoded.forwards for decoded in lists} == {10}


def test_generation_settings_of_the_model_have_no_influence() -> None:
    rng = np.random.default_rng(6)
    lm = tiny_lm(random_codes(30, rng), seed=6)
    prompts, problems = random_prompts(3, rng), [free_problem(30, 4)] * 3
    plain = decode_lists(lm, prompts, problems)
    settings = lm.model.generation_config
    settings.do_sample, settings.temperature, settings.top_k, settings.num_beams = True, 9.0, 1, 4
    settings.repetition_penalty, settings.suppress_tokens, settings.max_length = 5.0, [10, 11], 1
    assert decode_lists(lm, prompts, problems) == plain


def test_a_list_that_might_not_fit_is_refused_with_the_largest_count() -> None:
    lm = TinyLM(tiny_lm(atomic(30)).model, atomic(30), context_length=20)
    # 5 prompt tokens and the end leave 14: seven lines of two tokens
    assert len(decode_lists(lm, [[10] * 5], [free_problem(30, 7)])[0].items) == 7
    with pytest.raises(
        RequestError, match=r"A list of 8 may need 17 tokens.*leaves 15 .*20\. Ask for at most 7"
    ):
        decode_lists(lm, [[10] * 5], [free_problem(30, 8)])
    with pytest.raises(RequestError, match="No list fits, or shorten the history"):
        decode_lists(lm, [[10] * 19], [free_problem(30, 1)])


def test_settings_out_of_range_are_refused() -> None:
    lm, problems = tiny_lm(atomic(5)), [free_problem(5, 2)]
    with pytest.raises(ConfigError, match="weight must be a finite number >= 0; got -1"):
        decode_lists(lm, [[10]], problems, teacher_scores=np.zeros((1, 5)), weight=-1.0)
    with pytest.raises(ConfigError, match="finite for every item"):
        decode_lists(lm, [[10]], problems, teacher_scores=np.full((1, 5), -np.inf), weight=1.0)
    with pytest.raises(ConfigError, match="at least 1; got 0"):
        decode_lists(lm, [[10]], problems, beam=0)


def test_no_prompts_give_no_lists() -> None:
    assert decode_lists(tiny_lm(atomic(5)), [], []) == []
