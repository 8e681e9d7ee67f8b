"""Attention by products is softmax attention under a mask, and its gradient by hand the automatic one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from steerec.llm import products
from steerec.llm.products import attend, plan_rows
from steerec.networks.ragged import Ragged, plan_branches

PROMPTS = [(0, 5), (5, 2), (30, 3), (33, 1)]
BRANCHES = [
    *((7, 3, 0), (10, 3, 0), (13, 2, 0), (15, 6, 0)),
    *((21, 3, 1), (24, 2, 1), (26, 3, 1), (29, 1, 2)),
]
PLACES = 34


def visible() -> Tensor:
    """(F, F) bool: what each place sees, sequence by sequence."""
    seen = torch.zeros(PLACES, PLACES, dtype=torch.bool)
    for start, length in PROMPTS:
        seen[start : start + length, start : start + length] = torch.ones(length, length).tril().bool()
    for start, length, number in BRANCHES:
        first, size = PROMPTS[number]
        seen[start : start + length, start : start + length] = torch.ones(length, length).tril().bool()
        seen[start : start + length, first : first + size] = True
    return seen


def by_mask(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """(F, H, D), (F, K, D) twice -> (F, H, D), as a textbook has it."""
    key, value = (one.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for one in (key, value))
    scores = torch.einsum("fhd,ghd->hfg", query, key) * scale
    weights = scores.masked_fill(~visible(), -torch.inf).softmax(dim=-1)
    return torch.einsum("hfg,ghd->fhd", weights, value)


def ragged() -> Ragged:
    return plan_branches(PROMPTS, BRANCHES)


@pytest.mark.parametrize("together", [1, 2**19])
@pytest.mark.parametrize(("heads", "key_heads"), [(2, 2), (6, 2), (3, 1)])
def test_products_and_their_gradients_are_those_of_a_mask(
    heads: int, key_heads: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_TOGETHER", together)  # at 1, a prompt and head at a time
    rng = torch.Generator().manual_seed(0)
    states = [
        torch.randn(PLACES, number, 4, generator=rng, dtype=torch.float64)
        for number in (heads, key_heads, key_heads)
    ]
    weights = torch.randn(PLACES, heads, 4, generator=rng, dtype=torch.float64)
    plan = plan_rows(ragged(), heads, key_heads)
    ours, theirs = ([one.clone().requires_grad_() for one in states] for _ in range(2))
    q, k, v = (one.flatten(0, 1) for one in ours)
    found = attend(q, k, v, plan, 0.7).view(PLACES, heads, 4)
    expected = by_mask(theirs[0], theirs[1], theirs[2], 0.7)
    torch.testing.assert_close(found, expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_prompt_is_gathered_once_for_branches_of_like_length() -> None:
    buckets = [bucket for bucket in ragged().buckets if bucket.before is not None]
    shapes = {
        (tuple(bucket.places.shape), tuple(bucket.before.shape))
        for bucket in buckets
        if bucket.before is not None
    }
    # 6 tokens; 3 tokens of two branches of a prompt each; 2 and 1 tokens
    assert shapes == {
        ((1, 6), (1, 5)),
        ((2, 3), (1, 5)),
        ((2, 3), (1, 2)),
        ((1, 2), (1, 5)),
        ((1, 2), (1, 2)),
        ((1, 1), (1, 3)),
    }


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_types_that_autocast_mixes_are_made_alike(dtype: torch.dtype) -> None:
    plan = plan_rows(ragged(), 2, 2)
    query = torch.ones(PLACES * 2, 4, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attend(query, torch.ones(PLACES * 2, 4), torch.ones(PLACES * 2, 4, dtype=dtype), plan, 1.0)
        found.sum().backward()
    assert found.dtype == dtype
    assert query.grad is not None
    assert query.grad.dtype == torch.float32
