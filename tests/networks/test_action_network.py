"""Items and actions in turn: what the network reads, what it may know, candidates scored together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steerec.networks.actions import ActionNetwork
from steerec.networks.candidates import candidate_states, remember
from steerec.networks.sequence import EncoderConfig, HstuConfig, TransformerConfig
from steerec.recommend.actions.interleaving import Past, interleave

PAST = Past(np.array([3, 1, 4, 1, 5]), np.array([1, 0, 1, 1, 0]), np.arange(5) * 1000)
NOW = 7000


def _network(config: EncoderConfig, *, names_item: bool = True) -> ActionNetwork:
    torch.manual_seed(0)
    network = ActionNetwork(
        config, num_items=20, num_actions=2, num_tasks=1, width=8, window=10, names_item=names_item
    ).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias.gap"):
            torch.nn.init.normal_(parameter)
    return network


@pytest.mark.parametrize("names_item", [True, False])
def test_a_token_is_an_item_or_an_action(names_item: bool) -> None:
    network = _network(TransformerConfig(positions=False), names_item=names_item)
    read = network.embed(interleave([PAST]))
    items, actions = network.vectors()[PAST.items], network.actions.weight[PAST.actions]
    assert torch.equal(read[::2], items)
    assert torch.equal(read[1::2], actions + items if names_item else actions)


@pytest.mark.parametrize("config", [TransformerConfig(), HstuConfig()])
def test_the_action_is_not_known_where_it_is_foretold(config: EncoderConfig) -> None:
    """Another action on the third item changes what comes behind it, not what is said at or before it."""
    network = _network(config)
    actions = PAST.actions.copy()
    actions[2] = 0
    said, other = network(interleave([PAST])), network(interleave([PAST._replace(actions=actions)]))
    assert torch.equal(said[:5], other[:5])
    assert not torch.allclose(said[5], other[5])
    assert not torch.allclose(said[6], other[6])


@pytest.mark.parametrize("config", [TransformerConfig(), HstuConfig(), HstuConfig(bias="none", softmax=True)])
def test_candidates_together_are_what_each_is_alone(config: EncoderConfig) -> None:
    """M-FALCON with actions in the history, its branches, and the slow definition: one sequence each."""
    network, candidates = _network(config), np.arange(20)
    alone = torch.cat([network(interleave([PAST], [candidates[i : i + 1]], [NOW]))[-1:] for i in range(20)])
    tokens = interleave([PAST])
    memory = remember(network, tokens.items, tokens.times, tokens.actions)
    together = candidate_states(network, memory, torch.from_numpy(candidates), NOW, micro_batch=7)
    assert torch.allclose(together, alone, atol=1e-5)
    branches = network(interleave([PAST, PAST.last(2)], [candidates, candidates], [NOW, NOW]))[10:30]
    assert torch.allclose(branches, alone, atol=1e-5)


def test_states_of_a_batch_are_those_of_each_sequence() -> None:
    network = _network(HstuConfig())
    pasts = [PAST, PAST.last(2), PAST.last(4)]
    together = network(interleave(pasts))
    apart = torch.cat([network(interleave([past])) for past in pasts])
    assert torch.allclose(together, apart, atol=1e-6)
