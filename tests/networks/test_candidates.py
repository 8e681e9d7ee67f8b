"""Candidates scored together are what each is alone behind the history."""

from __future__ import annotations

import pytest
import torch

from steerec.networks.attention import Sequences
from steerec.networks.candidates import candidate_states, remember
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import (
    EncoderConfig,
    HstuConfig,
    RecurrentConfig,
    SequenceNetwork,
    TransformerConfig,
)

HISTORY, TIMES = torch.tensor([3, 1, 4, 1, 5, 9, 2]), torch.arange(7) * 1000
CANDIDATES, NOW = torch.arange(20), 9000


def _network(config: EncoderConfig) -> SequenceNetwork:
    torch.manual_seed(0)
    network = SequenceNetwork(config, num_items=20, width=8, window=10).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias.gap"):
            torch.nn.init.normal_(parameter)
    return network


def _alone(network: SequenceNetwork, candidate: int) -> torch.Tensor:
    items = torch.cat([HISTORY, torch.tensor([candidate])])
    times = torch.cat([TIMES, torch.tensor([NOW])])
    batch = Sequences(items, torch.arange(8), plan_flat([8]), times)
    return network(batch)[-1]


@pytest.mark.parametrize(
    "config", [TransformerConfig(), HstuConfig(), HstuConfig(bias="none"), HstuConfig(softmax=True)]
)
@pytest.mark.parametrize("micro_batch", [1, 6, 512])
def test_together_is_one_by_one(config: EncoderConfig, micro_batch: int) -> None:
    network = _network(config)
    memory = remember(network, HISTORY, TIMES)
    together = candidate_states(network, memory, CANDIDATES, NOW, micro_batch=micro_batch)
    alone = torch.stack([_alone(network, int(candidate)) for candidate in CANDIDATES])
    assert torch.allclose(together, alone, atol=1e-5)


def test_isolated_branches_of_one_sequence_give_the_same() -> None:
    """The mask that the paper edits: history is branch 0, each candidate a branch of its own."""
    network = _network(HstuConfig())
    items = torch.cat([HISTORY, CANDIDATES])
    branches = torch.cat([torch.zeros(7, dtype=torch.int64), 1 + torch.arange(20)])
    positions = torch.cat([torch.arange(7), torch.full((20,), 7)])
    times = torch.cat([TIMES, torch.full((20,), NOW)])
    batch = Sequences(items, positions, plan_flat([27], branches), times)
    memory = remember(network, HISTORY, TIMES)
    assert torch.allclose(network(batch)[7:], candidate_states(network, memory, CANDIDATES, NOW), atol=1e-5)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="GruEncoder. Score them one by one"):
        remember(_network(RecurrentConfig()), HISTORY)
    with pytest.raises(ValueError, match="causal attention"):
        remember(_network(TransformerConfig(mask="bidirectional")), HISTORY)
