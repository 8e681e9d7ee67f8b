"""Items read as several tokens: layout, causality, and the slow definition."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from steerec.networks.attention import Sequences
from steerec.networks.heterogeneous import HeterogeneousConfig, HeterogeneousNetwork, flattened
from steerec.networks.ragged import by_bucket, plan_flat
from steerec.networks.sequence import TransformerConfig

WIDTH, N, FIELDS = 8, 9, 3


def network(reach: Literal["history", "item"] = "history") -> HeterogeneousNetwork:
    torch.manual_seed(0)
    made = HeterogeneousNetwork(
        HeterogeneousConfig(reach=reach),
        torch.tensor([4, 2]),
        0.0,
        config=TransformerConfig(dropout=0.0),
        num_items=N,
        width=WIDTH,
        window=6,
        given=torch.randn(N, 6),
    )
    with torch.no_grad():
        for parameter in made.parameters():  # towers start at 0
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


def batch_of(*sequences: list[int]) -> Sequences:
    return Sequences(
        torch.tensor([item for sequence in sequences for item in sequence]),
        torch.cat([torch.arange(len(sequence)) for sequence in sequences]),
        plan_flat([len(sequence) for sequence in sequences]),
    )


def test_tokens_of_an_item_lie_in_a_row() -> None:
    flat = flattened(batch_of([5, 6], [7]), 2, whole=True)
    assert flat.items.tolist() == [5, 5, 6, 6, 7, 7]
    assert flat.positions.tolist() == [0, 1, 2, 3, 0, 1]
    assert [bucket.places.tolist() for bucket in flat.ragged.buckets] == [[[0, 1, 2, 3]], [[4, 5]]]
    numbers = torch.arange(6.0)[:, None]
    assert torch.equal(by_bucket(flat.ragged, lambda _, states: states[0], [numbers]), numbers)
    alone = flattened(batch_of([5, 6], [7]), 2, whole=False)
    assert alone.positions.tolist() == [0, 1, 0, 1, 0, 1]
    assert [bucket.places.tolist() for bucket in alone.ragged.buckets] == [[[0, 1], [2, 3], [4, 5]]]


def test_what_an_item_may_not_see_its_tokens_may_not_either() -> None:
    """Of the items 0, 1, 2 the last sees the first and itself; tokens of an item see those before them."""
    branches = torch.tensor([0, 1, 2])
    batch = batch_of([5, 6, 7])._replace(ragged=plan_flat([3], branches))
    visible = flattened(batch, 2, whole=True).ragged.buckets[0].visible
    assert visible is not None
    assert visible[0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_fields_sum_to_the_vectors_of_items() -> None:
    made = network()
    assert made.project_given is not None
    expected = made.vectors()[:-1] - made.project_given.bias  # said once for all items
    assert torch.allclose(made.fields().sum(dim=0)[:-1], expected, atol=1e-6)
    assert made.fields().shape == (FIELDS, N + 1, WIDTH)


def test_nothing_sees_what_comes_later() -> None:
    for reach in ("history", "item"):
        made = network(reach)
        one, other = batch_of([1, 2, 3], [4]), batch_of([1, 2, 5], [4])
        assert torch.allclose(made(one)[[0, 1, 3]], made(other)[[0, 1, 3]], atol=1e-6)
        assert not torch.allclose(made(one)[2], made(other)[2], atol=1e-3)


def test_tokens_see_the_history_or_their_own_item() -> None:
    for reach, differs in (("history", True), ("item", False)):
        made = network(reach)  # type: ignore[arg-type]
        one, other = made.read(batch_of([1, 2])), made.read(batch_of([3, 2]))
        assert torch.allclose(one[1], other[1], atol=1e-6) != differs


def test_reading_is_a_transformer_over_all_tokens() -> None:
    """The slow definition: one sequence, token by token, the layer's own attention written out."""
    made, items = network(), [3, 1, 4]
    fields = made.fields()
    assert made.positions is not None
    tokens = []
    for place, item in enumerate(items):
        for field in range(FIELDS):
            place_vector = made.positions.weight[place] / FIELDS
            tokens.append(fields[field, item] + made.kinds[field] + place_vector)
    layer = made.token_encoder.layers[0]
    hidden = torch.stack(tokens)
    query, key, value, _ = layer.project(hidden)  # type: ignore[operator]
    attended = []
    for t in range(len(tokens)):
        found: list[Tensor] = []
        for head in range(2):
            distance = t - torch.arange(t + 1)
            scores = key[: t + 1, head] @ query[t, head] + layer.bias.distance[head, distance]  # type: ignore[union-attr, index]
            found.append(scores.softmax(dim=0) @ value[: t + 1, head])
        attended.append(torch.cat(found))
    hidden = hidden + layer.project_out(torch.stack(attended))  # type: ignore[operator]
    hidden = hidden + layer.network(layer.norm_network(hidden))  # type: ignore[operator]
    read = made.read(batch_of(items))
    assert torch.allclose(read.flatten(0, 1), hidden, atol=1e-5)
    assert torch.allclose(made.embed(batch_of(items)), read.sum(dim=1))


def test_each_step_has_a_network_of_its_own() -> None:
    made, states = network(), torch.randn(2, WIDTH)
    assert torch.equal(made.finish(states), made.look_ahead(states, 0))
    assert torch.allclose(made.look_ahead(states, 1), states + made.item_steps[1](states))
    assert not torch.allclose(made.look_ahead(states, 0), made.look_ahead(states, 1))


def test_a_width_that_heads_of_tokens_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a multiple of num_heads, got 8 and 3"):
        HeterogeneousNetwork(
            HeterogeneousConfig(num_heads=3),
            torch.tensor([2]),
            0.0,
            config=TransformerConfig(),
            num_items=3,
            width=8,
            window=4,
            given=torch.randn(3, 2),
        )
