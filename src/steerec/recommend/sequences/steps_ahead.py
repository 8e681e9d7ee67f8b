"""HeterRec's objective, listwise multi-step prediction: several items ahead, from items and their tokens.

Legend: F flat places, P predictions, K fields, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from steerec.loop import StepOutput
from steerec.networks.heterogeneous import HeterogeneousNetwork
from steerec.recommend.sequences.lessons import looked_back_on
from steerec.recommend.sequences.losses import LossConfig, next_item_loss
from steerec.recommend.sequences.tasks import Lesson


def ahead(lesson: Lesson, step: int) -> tuple[Tensor, Tensor]:
    """Return which places of a next-item lesson know the item `step` further than the next, and that item.

    Args:
        lesson: every place predicts the next item.
        step: 0 is the next item itself.

    Returns:
        (P,) flat places and (P,) targets; the last places of each sequence have none.
    """
    positions, size = lesson.batch.positions, len(lesson.targets) - step
    # In another sequence positions start from 0 again, so they never fit.
    within = positions[step:] - positions[: max(size, 0)] == step
    places = torch.nonzero(within)[:, 0]
    return places, lesson.targets[places + step]


def learn_ahead(loss: LossConfig, popularity: Tensor) -> Callable[[nn.Module, Lesson], StepOutput]:
    """Return the step function: what items and tokens predict at each step ahead, weighed.

    Args:
        loss: of one prediction.
        popularity: (N,) training counts.
    """

    def step(network: nn.Module, lesson: Lesson) -> StepOutput:
        assert isinstance(network, HeterogeneousNetwork)
        config, batch = network.tokens, lesson.batch
        read = network.read(batch)  # (F, K, D)
        states = network.encoder(read.sum(dim=1), batch)
        asked = torch.rand(len(states), device=states.device) < config.token_share
        head = network.head()
        token_heads = [network.token_head(field) for field in range(network.num_fields)]
        total = states.new_zeros(())
        for number in range(config.steps):
            places, targets = ahead(lesson, number)
            weight = config.step_decay**number
            said = network.look_ahead(states[places], number)
            seen = looked_back_on(network, batch, places)
            total = total + weight * next_item_loss(said, targets, head, loss, popularity, seen)
            chosen = asked[places]
            places, targets = places[chosen], targets[chosen]
            # As if all places had been asked, and one token each.
            share = weight * config.token_weight / config.token_share / network.num_fields
            for field, of_field in enumerate(token_heads):
                said = network.token_states(read[places, field], number)
                total = total + share * next_item_loss(said, targets, of_field, loss, popularity)
        return StepOutput(total, float(len(lesson.targets)), {}, len(batch.items))

    return step
