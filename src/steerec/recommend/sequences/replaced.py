"""ELECTRA's objective on items: hidden ones are guessed, guesses take their place, and are to be found.

Legend: F flat places, P predictions, N items, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from steerec.loop import StepOutput
from steerec.networks.attention import Sequences
from steerec.networks.sequence import SequenceNetwork
from steerec.recommend.sequences.lessons import looked_back_on
from steerec.recommend.sequences.losses import LossConfig, next_item_loss
from steerec.recommend.sequences.tasks import Lesson


def replace_hidden(
    batch: Sequences, places: Tensor, guesses: Tensor, targets: Tensor
) -> tuple[Sequences, Tensor]:
    """Put guesses where items are hidden.

    Args:
        batch: with masks at the places.
        places: (P,) int64.
        guesses: (P,) int64 items.
        targets: (P,) int64 items that were there.

    Returns:
        The batch, and (F,) whether an item is another one than it was: a right guess is none.
    """
    items = batch.items.index_copy(0, places, guesses)
    is_other = torch.zeros_like(items, dtype=torch.bool).index_copy(0, places, guesses != targets)
    return batch._replace(items=items), is_other


def learn_replaced(
    loss: LossConfig, popularity: Tensor, weight: float
) -> Callable[[nn.Module, Lesson], StepOutput]:
    """Return the step function: the loss of the guesses, and of telling which items are guesses.

    Args:
        loss: of a guess.
        popularity: (N,) training counts.
        weight: of telling, against guessing.
    """

    def step(network: nn.Module, lesson: Lesson) -> StepOutput:
        assert isinstance(network, SequenceNetwork)
        assert network.detect is not None
        head, count = network.head(), len(lesson.targets)
        states = network(lesson.batch)[lesson.places]  # (P, D)
        seen = looked_back_on(network, lesson.batch, lesson.places)
        guessed = next_item_loss(states, lesson.targets, head, loss, popularity, seen)
        with torch.no_grad():
            scores = functional.linear(states, head.vectors, head.bias).float()
            guesses = torch.multinomial(scores.softmax(dim=1), 1)[:, 0]
        corrupted, is_other = replace_hidden(lesson.batch, lesson.places, guesses, lesson.targets)
        said = network.detect(network(corrupted))[:, 0].float()  # (F,)
        told = functional.binary_cross_entropy_with_logits(said, is_other.float()) * count
        found = ((said > 0) == is_other).float().mean() * count
        metrics = {"detection_loss": float(told.detach()), "detected": float(found)}
        return StepOutput(guessed + weight * told, float(count), metrics, 2 * len(lesson.batch.items))

    return step
