"""Many candidates behind one history, in one pass: M-FALCON.

A candidate sees the history and itself, not the others, and all stand at the place after the history. The
keys and values of the history are computed once and kept; each micro-batch of candidates then costs its size
times the history's length, not its square (Zhai et al. 2024, arXiv 2402.17152, appendix H).

Legend: L items of the history, C candidates, H heads, E head width, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steerec.networks.attention import Heads, Layer, Sequences, attend
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import AttentionEncoder, SequenceNetwork


class Memory(NamedTuple):
    """What candidates may look at: the history's heads at each layer."""

    keys: tuple[Tensor, ...]
    """(H, L, E) each."""
    values: tuple[Tensor, ...]
    """(H, L, V) each."""
    times: Tensor | None
    """(L,) seconds."""


@torch.no_grad()
def remember(
    network: SequenceNetwork,
    history: Tensor,
    times: Tensor | None = None,
    actions: Tensor | None = None,
) -> Memory:
    """Run a history through a causal attention network and keep what candidates will look at.

    Args:
        network: with an attention encoder, in evaluation mode.
        history: (L,) int64 items, oldest first.
        times: (L,) seconds.
        actions: (L,) int64, where the network reads what was done.

    Raises:
        ValueError: the network is not one of causal attention layers.
    """
    encoder = _attention_of(network)
    batch = Sequences(history, torch.arange(len(history)), plan_flat([len(history)]), times, actions)
    hidden = network.embed(batch)
    keys, values = [], []
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        heads = layer.project(hidden)
        keys.append(heads.key.transpose(0, 1))
        values.append(heads.value.transpose(0, 1))
        hidden = layer.join(hidden, attend(layer, heads, batch), heads)
    return Memory(tuple(keys), tuple(values), times)


@torch.no_grad()
def candidate_states(
    network: SequenceNetwork,
    memory: Memory,
    candidates: Tensor,
    time: int | None = None,
    *,
    micro_batch: int = 512,
) -> Tensor:
    """Return the state of each candidate as if it came next, (C, D).

    Args:
        network: that the memory is of.
        memory: of the history.
        candidates: (C,) int64 items.
        time: seconds at which they would be taken; None where moments are not known.
        micro_batch: candidates at once.
    """
    encoder = _attention_of(network)
    length = memory.keys[0].shape[1]
    found = []
    for start in range(0, len(candidates), micro_batch):
        part = candidates[start : start + micro_batch]
        batch = Sequences(part, torch.full_like(part, length), plan_flat([len(part)]))
        hidden = network.embed(batch)
        for depth, layer in enumerate(encoder.layers):
            assert isinstance(layer, Layer)
            heads = layer.project(hidden)
            attended = _look(layer, heads, memory, depth, time)
            hidden = layer.join(hidden, attended, heads)
        found.append(network.finish(encoder.norm(hidden)))
    return torch.cat(found)


def _look(layer: Layer, heads: Heads, memory: Memory, depth: int, time: int | None) -> Tensor:
    """Let candidates look at the history and at themselves: (C, H, V)."""
    query, key, value = (one.transpose(0, 1) for one in (heads.query, heads.key, heads.value))  # (H, C, E)
    past = memory.keys[depth]  # (H, L, E)
    length = past.shape[1]
    scores = query @ past.transpose(1, 2)  # (H, C, L)
    own = (query * key).sum(dim=-1, keepdim=True)  # (H, C, 1)
    together = torch.cat([scores, own], dim=-1)
    if layer.bias is not None:
        distance = torch.arange(length, -1, -1, device=past.device)
        gap = None
        if memory.times is not None and time is not None:
            gap = torch.cat([time - memory.times, memory.times.new_zeros(1)])
        together = together + layer.bias(distance, gap)[:, None]
    visible = torch.ones(1, 1, 1, length + 1, dtype=torch.bool, device=past.device)
    weights = layer.weigh(together[None], visible)[0]  # (H, C, L + 1)
    attended = weights[..., :length] @ memory.values[depth] + weights[..., length:] * value
    return attended.transpose(0, 1)


def _attention_of(network: SequenceNetwork) -> AttentionEncoder:
    encoder = network.encoder
    causal = isinstance(encoder, AttentionEncoder) and all(
        isinstance(layer, Layer) and layer.mask == "causal" for layer in encoder.layers
    )
    if not causal:
        raise ValueError(
            f"Candidates are scored together by causal attention layers; this network's encoder is "
            f"{type(encoder).__name__}. Score them one by one."
        )
    assert isinstance(encoder, AttentionEncoder)
    return encoder
