"""Layers against slow definitions: ragged equals padded, biases, masks, HSTU's formula, candidates apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from steerec.networks.attention import Layer, Mask, RelativeBias, Sequences, time_buckets
from steerec.networks.hstu import HstuLayer
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import (
    AttRecConfig,
    EncoderConfig,
    HstuConfig,
    RecurrentConfig,
    SequenceNetwork,
    TransformerConfig,
)
from steerec.networks.transformer import TransformerLayer

WIDTH, HEADS, REACH = 8, 2, 12
ENCODERS: list[EncoderConfig] = [
    TransformerConfig(dropout=0.0),
    TransformerConfig(dropout=0.0, mask="bidirectional", bias="none"),
    HstuConfig(dropout=0.0),
    HstuConfig(dropout=0.0, softmax=True, bias="none"),
    RecurrentConfig(dropout=0.0),
    RecurrentConfig(kind="narm", dropout=0.0),
    AttRecConfig(dropout=0.0, recent=3),
]


def batch_of(sequences: list[list[int]], times: list[list[int]] | None = None) -> Sequences:
    """Return a ragged batch."""
    return Sequences(
        torch.tensor(list(chain.from_iterable(sequences))),
        torch.cat([torch.arange(len(one)) for one in sequences]),
        plan_flat([len(one) for one in sequences]),
        None if times is None else torch.tensor(list(chain.from_iterable(times))),
    )


def transformer(mask: Mask = "causal", by_time: bool = False) -> TransformerLayer:
    torch.manual_seed(1)
    bias = RelativeBias(HEADS, REACH, by_time=by_time)
    if bias.gap is not None:
        torch.nn.init.normal_(bias.gap)
    return TransformerLayer(WIDTH, HEADS, 0.0, mask=mask, bias=bias)


def hstu(softmax: bool = False) -> HstuLayer:
    torch.manual_seed(1)
    bias = RelativeBias(HEADS, REACH, by_time=True)
    assert bias.gap is not None
    torch.nn.init.normal_(bias.gap)
    return HstuLayer(WIDTH, HEADS, 0.0, mask="causal", bias=bias, reach=REACH, softmax=softmax)


def slow_attention(
    layer: Layer, hidden: Tensor, times: list[int], weigh: Callable[[Tensor], Tensor]
) -> Tensor:
    """Attention of one sequence, place by place and head by head."""
    heads = layer.project(hidden)
    assert layer.bias is not None
    found = []
    for place in range(len(hidden)):
        seen = range(place + 1) if layer.mask == "causal" else range(len(hidden))
        of_heads = []
        for head in range(HEADS):
            scores = []
            for other in seen:
                score = heads.query[place, head] @ heads.key[other, head]
                score = score + layer.bias.distance[head, abs(place - other)]
                if layer.bias.gap is not None:
                    gap = abs(times[place] - times[other])
                    score = score + layer.bias.gap[head, int(2 * math.log2(max(gap, 1)))]
                scores.append(score)
            weights = weigh(torch.stack(scores))
            of_heads.append(sum(w * heads.value[o, head] for w, o in zip(weights, seen, strict=True)))
        found.append(torch.stack(of_heads))
    return layer.join(hidden, torch.stack(found), heads)


@pytest.mark.parametrize(
    ("layer", "weigh"),
    [
        (transformer(), lambda scores: scores.softmax(0)),
        (transformer(by_time=True), lambda scores: scores.softmax(0)),
        (transformer("bidirectional"), lambda scores: scores.softmax(0)),
        (hstu(), lambda scores: functional.silu(scores) / REACH),
        (hstu(softmax=True), lambda scores: scores.softmax(0)),
    ],
)
def test_a_layer_is_what_its_formula_says(layer: Layer, weigh: Callable[[Tensor], Tensor]) -> None:
    times = [0, 5, 5, 4000, 90_000]
    hidden = torch.randn(5, WIDTH)
    found = layer(hidden, batch_of([[0] * 5], [times]))
    assert torch.allclose(found, slow_attention(layer, hidden, times, weigh), atol=1e-6)


@pytest.mark.parametrize("config", ENCODERS, ids=lambda one: f"{one.kind}")
def test_ragged_sequences_are_what_they_are_alone(config: EncoderConfig) -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(config, num_items=20, width=WIDTH, window=REACH).eval()
    rng = np.random.default_rng(0)
    sequences = [rng.integers(20, size=length).tolist() for length in (7, 1, 12, 6, 2, 11)]
    times = [np.sort(rng.integers(10**6, size=len(one))).tolist() for one in sequences]
    together = network(batch_of(sequences, times)).split([len(one) for one in sequences])
    for states, items, when in zip(together, sequences, times, strict=True):
        assert torch.allclose(states, network(batch_of([items], [when])), atol=1e-5)


@pytest.mark.parametrize("config", ENCODERS, ids=lambda one: f"{one.kind}")
def test_only_bidirectional_networks_see_the_future(config: EncoderConfig) -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(config, num_items=20, width=WIDTH, window=REACH).eval()
    one, other = (network(batch_of([[3, 4, 5, last]])) for last in (6, 7))
    is_causal = torch.allclose(one[:3], other[:3], atol=1e-6)
    assert is_causal == (getattr(config, "mask", "causal") == "causal")
    assert not torch.allclose(one[3], other[3], atol=1e-4)


def test_time_buckets_double_every_two() -> None:
    gaps = torch.tensor([0, 1, 3, 4, 2**20, -(2**20), 2**60])
    assert time_buckets(gaps, 64).tolist() == [0, 0, 3, 4, 40, 40, 63]


def test_far_distances_share_a_number() -> None:
    bias = RelativeBias(2, 3, by_time=False)
    assert torch.equal(bias(torch.tensor([2]), None), bias(torch.tensor([9]), None))
    assert bias(torch.tensor([1, 2]), None)[0].tolist() == [-0.25, -0.5]


def test_without_moments_the_bias_of_time_is_left_out() -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(HstuConfig(dropout=0.0), num_items=9, width=WIDTH, window=REACH).eval()
    with_time, without = batch_of([[1, 2, 3]], [[0, 0, 0]]), batch_of([[1, 2, 3]])
    assert torch.allclose(network(with_time), network(without))  # tables of time start at 0
    for layer in network.encoder.layers:
        torch.nn.init.normal_(layer.bias.gap)
    assert not torch.allclose(network(with_time), network(without), atol=1e-4)


def test_attrec_is_the_mean_of_attention_over_recent_items_and_the_mean_of_all() -> None:
    torch.manual_seed(0)
    config = AttRecConfig(dropout=0.0, recent=3, share=0.25)
    network = SequenceNetwork(config, num_items=9, width=WIDTH, window=REACH).eval()
    items = network.vectors()[[5, 2, 7, 1]]
    recent = items[1:]
    keys = torch.relu(network.encoder.project(recent + network.encoder.waves))
    intent = (torch.softmax(keys @ keys.T / math.sqrt(WIDTH), 1) @ recent).mean(0)
    expected = 0.25 * items.mean(0) + 0.75 * intent
    assert torch.allclose(network(batch_of([[5, 2, 7, 1]]))[3], 2 * expected, atol=1e-6)
    head = network.head()
    scores = 2 * expected @ head.vectors.T + head.bias
    distances = (expected - network.vectors()[:-1]).square().sum(1)
    assert torch.allclose(scores - scores[0], distances[0] - distances, atol=1e-5)


def test_narm_adds_what_the_session_was_about() -> None:
    torch.manual_seed(0)
    config = RecurrentConfig(kind="narm", dropout=0.0)
    network = SequenceNetwork(config, num_items=9, width=WIDTH, window=REACH).eval()
    encoder, batch = network.encoder, batch_of([[5, 2, 7]])
    states = encoder.gru(network.embed(batch), batch)
    purpose = sum(
        encoder.importance(torch.sigmoid(encoder.ask(states[2]) + encoder.answer(state))) * state
        for state in states
    )
    expected = encoder.project_out(torch.cat([states[2], purpose]))
    assert torch.allclose(network(batch)[2], expected, atol=1e-6)


def test_given_vectors_stand_beside_learned_ones_or_alone() -> None:
    given = torch.randn(9, 5)
    both = SequenceNetwork(TransformerConfig(), num_items=9, width=WIDTH, window=4, given=given)
    assert both.items is not None
    assert both.project_given is not None
    assert torch.allclose(both.vectors()[:-1], both.items.weight[:-1] + both.project_given(given))
    assert torch.equal(both.vectors()[-1], both.items.weight[-1])
    alone = SequenceNetwork(
        TransformerConfig(), num_items=9, width=WIDTH, window=4, given=given, learned=False
    )
    assert alone.project_given is not None
    assert torch.allclose(alone.head().vectors, alone.project_given(given))
    assert alone.vectors().shape == (10, WIDTH)


def test_by_cosine_the_length_of_vectors_does_not_count() -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(
        TransformerConfig(dropout=0.0), num_items=9, width=WIDTH, window=4, cosine_temperature=0.05
    ).eval()
    scores = network(batch_of([[1, 2]])) @ network.head().vectors.T + network.head().bias
    assert scores.abs().max() <= 20.0 + 1e-4
    with torch.no_grad():
        network.vectors()[3] *= 7.0
    again = network(batch_of([[1, 2]])) @ network.head().vectors.T
    assert torch.allclose(again, scores, atol=1e-4)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a multiple of num_heads, got 9 and 2"):
        SequenceNetwork(TransformerConfig(), num_items=3, width=9, window=4)
