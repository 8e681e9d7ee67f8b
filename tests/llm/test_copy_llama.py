"""The copy heads add what their docstrings say, and cache so that any use of the cache is right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import DynamicCache, LlamaForCausalLM

from steerec.llm.copy_llama import CopyLlama, CopyLlamaForCausalLM, TitleCopyLlamaForCausalLM
from steerec.llm.language_model import LanguageModel
from steerec.llm.spelling_reader import read_tables
from tiny_shelf import tiny

FIRST = 305  # 300 words, 5 slots
ATOMIC = [1, FIRST + 2, FIRST + 5, FIRST + 2, 40, 2, 300, FIRST + 7]
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


class Case(NamedTuple):
    lm: LanguageModel
    model: CopyLlama
    tokens: torch.Tensor
    """(1, T)."""


def title_tokens(lm: LanguageModel) -> list[int]:
    # items 2 and 3 are "Heat (1986)" and "Heat (1995)"; 3 is mentioned twice, 5 is begun
    prompt = lm.encode_prompt([2, 4, 3], "Ten.\nNo - Heat.", 2)
    begun = [*lm.identifier.marker(2, 2), *lm.identifier.spell(5)[0][:2]]
    return [*prompt, *lm.identifier.line(1, 2, 3), *begun]


@pytest.fixture(params=["atomic", "title"])
def case(request: pytest.FixtureRequest) -> Case:
    lm = tiny(identifier=request.param, context_length=192)
    assert isinstance(lm.model, CopyLlama)
    tokens = ATOMIC if request.param == "atomic" else title_tokens(lm)
    return Case(lm, lm.model, torch.tensor([tokens]))


def run(model: Any, tokens: torch.Tensor, **options: Any) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=tokens, **options).logits
    return logits


def test_logits_are_the_llamas_plus_the_scores_of_visible_items() -> None:
    model = tiny().model
    assert isinstance(model, CopyLlamaForCausalLM)
    assert model.config.first_item == FIRST
    tokens = torch.tensor([ATOMIC])
    with torch.no_grad():
        logits = model(input_ids=tokens).logits[0]
        plain = LlamaForCausalLM.forward(model, input_ids=tokens).logits[0]
        states = model.model(input_ids=tokens).last_hidden_state[0]
        queries, keys = model.copy_query(states), model.copy_key(states)
    for t in range(tokens.shape[1]):
        expected = plain[t].clone()
        for j in range(t + 1):
            token = int(tokens[0, j])
            if FIRST <= token < FIRST + 8:
                expected[token] += float(queries[t] @ keys[j]) / 2  # copy_dim 4: divided by its root
        torch.testing.assert_close(logits[t], expected, **CLOSE)


def test_title_logits_are_the_llamas_plus_logs_of_mean_weights() -> None:
    """The definition, item by item and prefix by prefix, without the automaton."""
    lm = tiny(identifier="title", context_length=192)
    model = lm.model
    assert isinstance(model, TitleCopyLlamaForCausalLM)
    tokens = title_tokens(lm)
    with torch.no_grad():
        model.item_prior.copy_(torch.linspace(-1.0, 2.0, 8))
    prior = model.item_prior.exp().tolist()
    spelled = [(*lm.identifier.spell(i)[0], *lm.identifier.separator) for i in range(8)]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens])).logits[0]
        plain = LlamaForCausalLM.forward(model, input_ids=torch.tensor([tokens])).logits[0]
        states = model.model(input_ids=torch.tensor([tokens])).last_hidden_state[0]
        queries, keys = model.copy_query(states), model.copy_key(states)
    begun = {}  # place of a title's first token -> tokens of the title that stand there
    bullet, marker = lm.identifier.history([0])[0], lm.identifier.marker(1, 2)
    lines = [i + 1 for i, token in enumerate(tokens) if [token] == list(lm.identifier.separator)]
    lines.append(len(lm.encode_prompt([2, 4, 3], "Ten.\nNo - Heat.", 2)))
    for line in sorted(lines):
        if tokens[line] == bullet:
            begun[line + 1] = line
        elif tokens[line + 1] == marker[-1]:
            begun[line + 2] = line
    finished: dict[int, tuple[int, int]] = {}  # place of the separator -> (item, place)
    for first in begun:
        for i, form in enumerate(spelled):
            if tuple(tokens[first : first + len(form)]) == form:
                finished[first + len(form) - 1] = (i, first + len(form) - 1)
    assert [item for item, _ in finished.values()] == [2, 4, 3, 3]
    changed = 0
    for t in range(len(tokens)):
        expected = plain[t].clone()
        weights = {i: math.exp(float(queries[t] @ keys[p]) / 2) for e, (i, p) in finished.items() if e <= t}
        starts = [first for first in begun if first <= t + 1]
        prefix = tuple(tokens[starts[-1] : t + 1]) if starts else (-1,)
        here = [i for i, form in enumerate(spelled) if form[: len(prefix)] == prefix]
        for token in {spelled[i][len(prefix)] for i in here if len(spelled[i]) > len(prefix)}:
            below = [i for i in here if spelled[i][len(prefix)] == token]
            if weights.keys() & set(here):
                mean = [
                    sum(prior[i] * weights.get(i, 1.0) for i in group) / sum(prior[i] for i in group)
                    for group in (below, here)
                ]
                expected[token] += math.log(mean[0] / mean[1])
                changed += len(below) < len(here)
        torch.testing.assert_close(logits[t], expected, **CLOSE)
    assert changed > 5


def test_the_automaton_knows_lines_markers_titles_and_words() -> None:
    lm = tiny(identifier="title", context_length=192)
    tables = read_tables(lm.identifier, lm.frame.reply[-1], lm.vocab_size)
    model = lm.model
    assert isinstance(model, TitleCopyLlamaForCausalLM)
    tokens = torch.tensor([title_tokens(lm)])
    begins = torch.zeros_like(tokens, dtype=torch.bool)
    begins[0, 0] = True
    read = model.read_rows(tokens, begins)
    state, one_by_one = torch.tensor([0]), []
    for token in tokens[0]:
        state = model.spelling.read_next(state, token[None])
        one_by_one.append(int(state))
    assert read[0].tolist() == one_by_one
    items, places = model.spelling.finished(read)
    assert items.tolist() == [[2, 4, 3, 3]]
    ends = [i for i, token in enumerate(tokens[0].tolist()) if [token] == list(lm.identifier.separator)]
    assert set(places[0].tolist()) <= set(ends)
    assert tables.high[2] - tables.low[2] == 8  # all items lie below the root
    assert (tables.high - tables.low)[-8:].tolist() == [1] * 8
    last = model.spelling.last_mentions(torch.ones(1, 1, 4, dtype=torch.bool), items)
    assert last.tolist() == [[[True, True, False, True]]]


def test_cached_steps_equal_one_pass(case: Case) -> None:
    whole, cache, last = run(case.model, case.tokens), DynamicCache(), case.tokens.shape[1]
    parts = [
        run(case.model, case.tokens[:, a:b], past_key_values=cache, use_cache=True)
        for a, b in ((0, 3), (3, 4), (4, last - 1), (last - 1, last))
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, **CLOSE)


def test_left_padding_changes_nothing(case: Case) -> None:
    padded = torch.cat([torch.full((1, 3), 290), case.tokens], dim=1)
    mask = torch.cat([torch.zeros(1, 3), torch.ones_like(case.tokens)], dim=1).long()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    whole = run(case.model, case.tokens)
    logits = run(case.model, padded, attention_mask=mask, position_ids=positions)
    kept = run(case.model, padded, attention_mask=mask, position_ids=positions, logits_to_keep=1)
    torch.testing.assert_close(logits[:, 3:], whole, **CLOSE)
    torch.testing.assert_close(kept, whole[:, -1:], **CLOSE)


def test_branches_in_one_pass_see_only_their_ancestors(case: Case) -> None:
    # Two continuations of one prefix side by side, by a 4-D additive mask, as the beam search lays them out.
    cut = case.tokens.shape[1] - 2
    prefix, ending = case.tokens[:, :cut], case.tokens[0, cut:].tolist()
    other = [FIRST + 4, ending[1]] if case.lm.identifier.name == "atomic" else [ending[1], ending[0]]
    branches = torch.tensor([[*ending, *other]])
    seen = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]).bool()
    mask = torch.zeros(4, cut + 4).masked_fill(~torch.cat([torch.ones(4, cut).bool(), seen], 1), -torch.inf)
    cache = DynamicCache()
    run(case.model, prefix, past_key_values=cache, use_cache=True)
    both = run(
        case.model,
        branches,
        attention_mask=mask[None, None],
        position_ids=torch.tensor([[cut, cut + 1, cut, cut + 1]]),
        past_key_values=cache,
        use_cache=True,
    )
    for k in (0, 2):
        alone = run(case.model, torch.cat([prefix, branches[:, k : k + 2]], dim=1))[:, cut:]
        torch.testing.assert_close(both[:, k : k + 2], alone, **CLOSE)


def test_reordered_caches_follow(case: Case) -> None:
    two = torch.cat([case.tokens, case.tokens.roll(5, dims=1)])
    new, cache = torch.tensor([[298], [299]]), DynamicCache()
    run(case.model, two, past_key_values=cache, use_cache=True)
    cache.reorder_cache(torch.tensor([1, 0]))
    logits = run(case.model, new, past_key_values=cache, use_cache=True)
    whole = run(case.model, torch.cat([two.flip(0), new], dim=1))[:, -1:]
    torch.testing.assert_close(logits, whole, **CLOSE)


def test_a_saved_model_reads_spellings_as_before(case: Case, tmp_path: Path) -> None:
    case.lm.save_pretrained(tmp_path / "model")
    again = LanguageModel.from_pretrained(tmp_path / "model")
    torch.testing.assert_close(run(again.model, case.tokens), run(case.model, case.tokens), **CLOSE)


def test_scores_push_a_seen_title_out_of_greedy_answers() -> None:
    """Scores of -200 (cut at -30) bar all mentioned titles of an untrained Llama."""
    lm = tiny(identifier="title", context_length=192, initializer_range=0.02)
    model = lm.model
    assert isinstance(model, TitleCopyLlamaForCausalLM)
    with torch.no_grad():
        for layer in (model.copy_query, model.copy_key):
            layer.weight.zero_()
        model.copy_query.bias.fill_(10.0)
        model.copy_key.bias.fill_(-10.0)
    prompt = lm.encode_prompt([0, 1, 2, 4, 5, 6, 7], "One.", 2)
    line = lm.identifier.line(1, 2, 3)
    logits = run(model, torch.tensor([[*prompt, *line]]))[0].log_softmax(dim=-1)
    first = len(prompt) + len(lm.identifier.marker(1, 2))
    allowed = sum(float(logits[t - 1, token]) for t, token in enumerate(line, len(prompt)) if t >= first)
    for item in (0, 1, 2, 4, 5, 6, 7):
        other = lm.identifier.line(1, 2, item)
        spelled = run(model, torch.tensor([[*prompt, *other]]))[0].log_softmax(dim=-1)
        log_prob = sum(
            float(spelled[t - 1, token]) for t, token in enumerate(other, len(prompt)) if t >= first
        )
        assert log_prob < allowed - 10
