"""Packed equals padded, token by token, and equals one sequence at a time without any of this code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import (
    Example,
    PackedBatch,
    block_causal_mask,
    fold,
    pack,
    pad,
    plan_rows,
    target_logits,
)
from steerec.llm.ragged import ragged_attention
from tiny_shelf import tiny


def example(*tokens: int, weights: tuple[float, ...] | None = None) -> Example:
    return Example(tokens, weights or (0.0, *(1.0 for _ in tokens[1:])))


EXAMPLES = [
    example(1, 310, 311, 312, 40, 2, 300, 309, 301, 308, 3, weights=(0, 0.5, 0.5, 0.5, 0, 0, 1, 1, 1, 1, 1)),
    example(1, 50, 2, 300, 306, 3, weights=(1, 0, 0, 1, 1, 1)),
    example(1, 307, 306, 2, 300, 305, 3),
    example(5, 6, 7),
]


@given(st.lists(st.integers(1, 20), max_size=40))
def test_every_sequence_has_one_place_and_no_row_overflows(lengths: list[int]) -> None:
    rows = plan_rows(lengths, 20)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= 20 for row in rows)
    # first-fit leaves no two rows that could have been one
    totals = sorted(sum(lengths[i] for i in row) for row in rows)
    assert len(totals) < 2 or totals[0] + totals[1] > 20


def test_a_sequence_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="21 tokens does not fit a row of 20"):
        plan_rows([21], 20)


def test_layout_by_hand() -> None:
    batch = pack([example(5, 6, 7), example(8, 9)], 5)
    assert batch.tokens.tolist() == [[5, 6, 7, 8, 9]]
    assert batch.positions.tolist() == [[0, 1, 2, 0, 1]]
    assert batch.segments.tolist() == [[0, 0, 0, 1, 1]]
    assert batch.weights.tolist() == [[0, 1, 1, 0, 1]]
    assert batch.places == ((0, 0), (0, 3))
    assert batch.num_tokens == 5


def test_the_mask_is_causal_within_a_sequence_and_closed_between_them() -> None:
    segments = torch.tensor([[0, 0, 1, -1]])
    mask = block_causal_mask(segments, torch.zeros_like(segments))[0, 0]
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert mask.int().tolist() == expected


def test_a_first_token_is_never_predicted() -> None:
    batch = pad([example(1, 2, weights=(1.0, 1.0))])
    assert batch.weights.tolist() == [[0.0, 1.0]]


def loss(model: Any, batch: PackedBatch, *, masked: bool = False) -> torch.Tensor:
    logits, targets, places = target_logits(model, batch, masked=masked)
    return (
        functional.cross_entropy(logits, targets, reduction="none") * batch.weights.flatten()[places]
    ).sum()


def title_examples(lm: LanguageModel) -> list[Example]:
    rows = [([2, 4, 3], "Two.", [0, 6]), ([], "One.", [3]), ([5, 1], "Seven - Heat.", [7, 2, 3])]
    rows.append(([6, 7, 0, 1], "One.", [4]))
    prompts = [lm.encode_prompt(history, words, len(items)) for history, words, items in rows]
    return [
        example(*prompt, *lm.encode_answer(items))
        for prompt, (_, _, items) in zip(prompts, rows, strict=True)
    ]


@pytest.fixture(params=["plain", "atomic", "title"])
def trained(request: pytest.FixtureRequest) -> tuple[Any, list[Example]]:
    """A model, and examples in its spelling."""
    if request.param == "title":
        lm = tiny(identifier="title", context_length=192)
        return lm.model, title_examples(lm)
    return tiny(copy_dim=0 if request.param == "plain" else 4).model, EXAMPLES


def test_buckets_equal_the_block_diagonal_mask_and_so_do_their_gradients(
    trained: tuple[Any, list[Example]],
) -> None:
    model, examples = trained
    batch = pack([*examples, *examples[2:]], 2 * max(len(example.tokens) for example in examples))
    assert 1 < len(batch.ragged.buckets) < 6
    losses, gradients = [], []
    for masked in (False, True):
        model.zero_grad()
        losses.append(loss(model, batch, masked=masked))
        losses[-1].backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    torch.testing.assert_close(losses[0], losses[1])
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-3, rtol=1e-4)


def test_the_attention_of_a_model_is_put_back() -> None:
    model = tiny().model
    before = model.config._attn_implementation
    with pytest.raises(RuntimeError, match="stop"), ragged_attention(model.config):
        assert model.config._attn_implementation != before
        raise RuntimeError("stop")
    assert model.config._attn_implementation == before


def test_packed_equals_padded_equals_alone(trained: tuple[Any, list[Example]]) -> None:
    model, examples = trained
    packed = pack(examples, 2 * max(len(example.tokens) for example in examples))
    losses = [float(loss(model, batch).detach()) for batch in (packed, pad(examples))]
    alone = 0.0
    for tokens, weights, _ in examples:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(dim=-1)
        alone -= sum(weights[t] * float(logits[t - 1, tokens[t]]) for t in range(1, len(tokens)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] == pytest.approx(alone, rel=1e-5)
    assert packed.tokens.shape[0] < len(examples)


def test_a_fold_by_hand() -> None:
    batch = pack([example(5, 6), fold([7, 8], [[1, 2], [3]], [[1.0, 0.5], [1.0]])], 8)
    assert batch.tokens.tolist() == [[7, 8, 1, 2, 3, 5, 6]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 2, 0, 1]]
    assert batch.branches.tolist() == [[0, 0, 1, 1, 2, 0, 0]]
    assert batch.weights.tolist() == [[0, 0, 1, 0.5, 1, 0, 1]]
    assert batch.sources.tolist()[0][1:5] == [0, 1, 2, 1]
    assert batch.sources[0, 6] == 5
    sees_itself_and = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [5], [5, 6]]
    mask = block_causal_mask(batch.segments, batch.branches)[0, 0]
    assert [row.nonzero()[:, 0].tolist() for row in mask] == sees_itself_and


def test_a_branch_looks_at_its_prompt_and_itself_and_at_no_other_branch() -> None:
    batch = pad([fold([7, 8, 9], [[1, 2], [3, 4], [5, 6]], [[1.0, 1.0]] * 3)])
    prompt, alone, pair = batch.ragged.buckets  # groups of 1, 2, 4, ...
    assert (prompt.places.tolist(), prompt.before) == ([[0, 1, 2]], None)
    assert alone.places.tolist() == [[7, 8]]
    assert pair.places.tolist() == [[3, 4], [5, 6]]
    assert alone.looked_at.tolist() == [[0, 1, 2, 7, 8]]
    assert pair.looked_at.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 5, 6]]
    assert pair.seen()[1].int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]


def test_logits_stand_beside_their_own_targets_when_branches_begin_apart() -> None:
    """Only the second branch's first token is predicted, so its source comes before the first branch's."""
    lm = tiny()
    batch = pad([fold([7, 8], [[3, 4], [5, 6]], [[0.0, 1.0], [1.0, 0.0]])])
    with torch.no_grad():
        logits, targets, _ = target_logits(lm.model, batch)
        alone = [lm.model(torch.tensor([tokens])).logits[0, -1] for tokens in ([7, 8, 3], [7, 8])]
    assert targets.tolist() == [4, 5]
    for row, expected in zip(logits, alone, strict=True):
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=1e-4)


def test_folded_answers_equal_answers_one_by_one(trained: tuple[Any, list[Example]]) -> None:
    model, examples = trained
    prompt, answers, folded = examples[0].tokens[:-4], [e.tokens[-4:] for e in examples[:3]], []
    apart = [Example((*prompt, *a), (*(0.0 for _ in prompt), *(1.0 for _ in a))) for a in answers]
    folded = [fold(prompt, answers, [[1.0] * len(a) for a in answers]), examples[3]]
    capacity = 400
    results = []
    for batch, masked in ((pack([*apart, examples[3]], capacity), False), (pack(folded, capacity), False),
                          (pack(folded, capacity), True)):  # fmt: skip
        model.zero_grad()
        total = loss(model, batch, masked=masked)
        total.backward()
        results.append((total.detach(), {n: p.grad.clone() for n, p in model.named_parameters()}))
    for total, gradients in results[1:]:
        torch.testing.assert_close(total, results[0][0])
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, results[0][1][name], atol=1e-3, rtol=1e-4)
