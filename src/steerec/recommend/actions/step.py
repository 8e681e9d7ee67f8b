"""The step of training a model of items and actions: which losses, how they are weighed, what ranking adds.

Legend: Q items foretold, S sequences looked at, M candidates, N items, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from steerec.loop import StepOutput
from steerec.networks.actions import ActionNetwork
from steerec.networks.attention import Sequences
from steerec.networks.full_softmax import full_softmax_loss
from steerec.recommend.actions.interleaving import ActionLesson, Past, interleave
from steerec.recommend.actions.losses import (
    AdaptiveWeights,
    Enhancer,
    RunningWeights,
    action_loss,
    enhanced_loss,
)


class ActionStep:
    """`(network, lesson) -> StepOutput`; it remembers the losses so far where weights follow them.

    Args:
        learns: which losses.
        item_weight: weight of the next item's loss where both are learned.
        liked_action: least action that means liking.
        adaptive: how weights follow the losses; None: they stay.
        enhancer: how ranking teaches recall; None: it does not.
    """

    def __init__(
        self,
        learns: Literal["action", "item", "both"],
        item_weight: float,
        liked_action: int,
        adaptive: AdaptiveWeights | None = None,
        enhancer: Enhancer | None = None,
    ) -> None:
        self._learns, self._item_weight, self._liked_action = learns, item_weight, liked_action
        self._running = None if adaptive is None else RunningWeights(adaptive)
        self._enhancer, self._steps = enhancer, 0

    def __call__(self, network: nn.Module, lesson: ActionLesson) -> StepOutput:
        """Return the loss of a lesson."""
        assert isinstance(network, ActionNetwork)
        self._steps += 1
        states = network(lesson.batch)
        number = len(lesson.judged)
        action = item = states.new_zeros(())
        if self._learns != "item":
            action = action_loss(network.foretell(states[lesson.judged]), lesson.actions) / number
        if self._learns != "action" and len(lesson.asking):
            item = self._item_loss(network, lesson, states)
        weights = [1.0, self._item_weight]
        if self._running is not None and len(lesson.asking):
            weights = [a * b for a, b in zip(weights, self._running.weights, strict=True)]
            self._running.observe([float(action.detach()), float(item.detach())])
        loss = weights[0] * action + weights[1] * item
        parts = {"action": float(action.detach()) * number, "item": float(item.detach()) * number}
        if self._running is not None:
            parts["item_weight"] = weights[1] * number
        return StepOutput(loss * number, float(number), parts, len(lesson.batch.items))

    def _item_loss(self, network: ActionNetwork, lesson: ActionLesson, states: Tensor) -> Tensor:
        """Return the mean loss of next items, those that ranking had its say on counted once more."""
        head, rows = network.head(), len(lesson.asking)
        total = full_softmax_loss(states[lesson.asking], head.vectors, head.bias, lesson.targets)
        if self._enhancer is not None and self._steps > self._enhancer.warmup_steps:
            chosen = _some_last(lesson, self._enhancer.share)  # (S,) rows of asking
            places = lesson.asking[chosen]
            logits = states[places] @ head.vectors.T + head.bias  # (S, N)
            candidates, liked = ask_ranking(
                network,
                lesson.batch,
                places,
                logits.detach(),
                self._enhancer.num_candidates,
                self._liked_action,
            )
            total = total + enhanced_loss(logits, lesson.targets[chosen], candidates, liked, self._enhancer)
            rows += len(chosen)
        return total / rows


@torch.no_grad()
def ask_ranking(
    network: ActionNetwork, batch: Sequences, places: Tensor, logits: Tensor, number: int, liked_action: int
) -> tuple[Tensor, Tensor]:
    """Return recall's best candidates at some places and what ranking says of each behind that history.

    Args:
        network: asked in evaluation mode, and put back into training.
        batch: interleaved sequences.
        places: (S,) flat places of actions.
        logits: (S, N) of the next item there.
        number: M.
        liked_action: least action that means liking.

    Returns:
        Items (S, M) that are not in the history, best first, and probabilities of liking (S, M).
    """
    pasts, masked = [], logits.clone()
    for row, place in enumerate(places.tolist()):
        past = past_until(batch, place)
        masked[row, torch.from_numpy(past.items).to(logits.device)] = -torch.inf
        pasts.append(past)
    candidates = masked.topk(number, dim=1).indices
    now = [int(past.times[-1]) for past in pasts if past.times is not None]
    asked = interleave(pasts, list(candidates.cpu().numpy()), now or None).to(logits.device)
    lengths = torch.tensor([2 * len(past.items) + number for past in pasts])
    ends = lengths.cumsum(0)  # flat places behind each sequence
    where = (ends[:, None] - number + torch.arange(number)).ravel().to(logits.device)
    training = network.training
    network.eval()
    told = network.foretell(network(asked)[where])[:, liked_action - 1]
    network.train(training)
    return candidates, told.sigmoid().view(len(pasts), number)


def past_until(batch: Sequences, place: int) -> Past:
    """Return the items and actions of a sequence up to and with the action at a flat place."""
    assert batch.actions is not None
    start = place - int(batch.positions[place])
    items, actions = batch.items[start : place + 1 : 2], batch.actions[start + 1 : place + 1 : 2]
    times = None if batch.times is None else batch.times[start : place + 1 : 2].cpu().numpy()
    return Past(items.cpu().numpy(), actions.cpu().numpy(), times)


def _some_last(lesson: ActionLesson, share: float) -> Tensor:
    """Return rows of `asking`: the last one of each sequence, a random share of them, at least one."""
    sequence = (lesson.batch.positions == 0).long().cumsum(0)[lesson.asking]
    last = torch.ones_like(sequence, dtype=torch.bool)
    last[:-1] = sequence[1:] != sequence[:-1]
    rows = last.nonzero()[:, 0]
    chosen = torch.randperm(len(rows))[: max(1, round(share * len(rows)))]
    return rows[chosen.sort().values.to(rows.device)]
