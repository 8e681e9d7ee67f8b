"""The copy head adds what its docstring says, and caches so that any use of the cache is right."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, LlamaForCausalLM

from steerec.llm.copy_llama import CopyLlamaForCausalLM
from tiny_shelf import tiny

FIRST = 305  # 300 words, 5 slots
TOKENS = torch.tensor([[1, FIRST + 2, FIRST + 5, FIRST + 2, 40, 2, 300, FIRST + 7]])


@pytest.fixture
def model() -> CopyLlamaForCausalLM:
    model = tiny().model
    assert isinstance(model, CopyLlamaForCausalLM)
    assert model.config.first_item == FIRST
    return model


def test_logits_are_the_llamas_plus_the_scores_of_visible_items(model: CopyLlamaForCausalLM) -> None:
    with torch.no_grad():
        logits = model(input_ids=TOKENS).logits[0]
        plain = LlamaForCausalLM.forward(model, input_ids=TOKENS).logits[0]
        states = model.model(input_ids=TOKENS).last_hidden_state[0]
        queries, keys = model.copy_query(states), model.copy_key(states)
    for t in range(TOKENS.shape[1]):
        expected = plain[t].clone()
        for j in range(t + 1):
            token = int(TOKENS[0, j])
            if FIRST <= token < FIRST + 8:
                expected[token] += float(queries[t] @ keys[j]) / 2  # copy_dim 4: divided by its root
        torch.testing.assert_close(logits[t], expected, atol=1e-4, rtol=1e-4)


def test_cached_steps_equal_one_pass(model: CopyLlamaForCausalLM) -> None:
    with torch.no_grad():
        whole = model(input_ids=TOKENS).logits
        cache = DynamicCache()
        parts = [
            model(input_ids=TOKENS[:, a:b], past_key_values=cache, use_cache=True).logits
            for a, b in ((0, 3), (3, 4), (4, 8))
        ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=1e-4)


def test_left_padding_changes_nothing(model: CopyLlamaForCausalLM) -> None:
    padded = torch.cat([torch.full((1, 3), FIRST + 2), TOKENS], dim=1)
    mask = torch.cat([torch.zeros(1, 3), torch.ones_like(TOKENS)], dim=1).long()
    with torch.no_grad():
        whole = model(input_ids=TOKENS).logits
        logits = model(
            input_ids=padded, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0)
        ).logits
        kept = model(
            input_ids=padded,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            logits_to_keep=1,
        ).logits
    torch.testing.assert_close(logits[:, 3:], whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(kept, whole[:, -1:], atol=1e-4, rtol=1e-4)


def test_branches_in_one_pass_see_only_their_ancestors(model: CopyLlamaForCausalLM) -> None:
    # Two continuations of one prefix side by side, by a 4-D additive mask, as the beam search lays them out.
    prefix, branches = TOKENS[:, :6], torch.tensor([[300, FIRST + 1, 300, FIRST + 4]])
    seen = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]).bool()
    mask = torch.zeros(4, 10).masked_fill(~torch.cat([torch.ones(4, 6).bool(), seen], 1), -torch.inf)
    with torch.no_grad():
        cache = DynamicCache()
        model(input_ids=prefix, past_key_values=cache, use_cache=True)
        both = model(
            input_ids=branches,
            attention_mask=mask[None, None],
            position_ids=torch.tensor([[6, 7, 6, 7]]),
            past_key_values=cache,
            use_cache=True,
        ).logits
        for k in (0, 2):
            alone = model(input_ids=torch.cat([prefix, branches[:, k : k + 2]], dim=1)).logits[:, 6:]
            torch.testing.assert_close(both[:, k : k + 2], alone, atol=1e-4, rtol=1e-4)


def test_reordered_caches_follow(model: CopyLlamaForCausalLM) -> None:
    two = torch.cat([TOKENS, TOKENS.flip(1)])
    new = torch.tensor([[300], [301]])
    with torch.no_grad():
        cache = DynamicCache()
        model(input_ids=two, past_key_values=cache, use_cache=True)
        cache.reorder_cache(torch.tensor([1, 0]))
        logits = model(input_ids=new, past_key_values=cache, use_cache=True).logits
        whole = model(input_ids=torch.cat([two.flip(0), new], dim=1)).logits[:, -1:]
    torch.testing.assert_close(logits, whole, atol=1e-4, rtol=1e-4)
