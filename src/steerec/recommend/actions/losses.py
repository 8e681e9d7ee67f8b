"""What a model of items and actions is trained by: the next action, the next item, and both together.

Legend: P actions foretold, Q items foretold, S sequences, N items, M candidates, D width, T tasks.
"""

from __future__ import annotations

import math

import pydantic
import torch
from torch import Tensor
from torch.nn import functional

from steerec.config import Config


class AdaptiveWeights(Config):
    """Losses that fall more slowly than the others count more.

    w_k = 2 exp(r_k / temperature) / sum_j exp(r_j / temperature), r_k the ratio of a loss's means over the
    last two intervals: the form of dynamic weight averaging (Liu et al. 2019, arXiv 1803.10704). UniGRF
    weighs by relative rates of decrease as well; its exact formula is not confirmed.
    """

    interval: pydantic.PositiveInt = 50
    """Steps of a mean."""
    temperature: pydantic.PositiveFloat = 0.1
    """Small: weights follow the rates closely; large: equal weights."""


class Enhancer(Config):
    """Ranking teaches recall: what the foretold action says of the items that recall would return.

    Of the best candidates at the last item of a sample that is foretold, those that would be disliked are
    hard negatives, those that would be liked are targets too. The idea is UniGRF's; thresholds are ours.
    """

    num_candidates: pydantic.PositiveInt = 20
    """M, best items of recall, without the history."""
    share: float = pydantic.Field(0.25, gt=0, le=1)
    """Of the samples of a batch that are looked at."""
    disliked_below: float = pydantic.Field(0.35, ge=0, le=1)
    """Probability of being liked under which a candidate is a hard negative."""
    liked_above: float = pydantic.Field(0.8, ge=0, le=1)
    """Probability above which it is a likely positive."""
    hard_weight: pydantic.NonNegativeFloat = 1.0
    """How many times more a hard negative counts among the negatives."""
    positive_share: float = pydantic.Field(0.1, ge=0, lt=1)
    """Of the target distribution that likely positives share."""
    warmup_steps: pydantic.NonNegativeInt = 300
    """Steps before it begins: ranking has to know something first."""


def action_loss(logits: Tensor, actions: Tensor) -> Tensor:
    """Return the summed cross-entropy of foretold actions, each the mean over its tasks.

    Args:
        logits: (P, T); task t asks whether the action reaches level t + 1.
        actions: (P,) int64 in 0..T.
    """
    levels = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    reached = (actions[:, None] >= levels).to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, reached, reduction="none").mean(dim=1).sum()


def loss_weights(earlier: list[float], latest: list[float], temperature: float) -> list[float]:
    """Return one weight per loss, their mean 1, larger where a loss fell less; see `AdaptiveWeights`.

    Args:
        earlier: mean of each loss over the interval before.
        latest: over the last one.
        temperature: see `AdaptiveWeights`.

    Example:
        >>> [round(one, 3) for one in loss_weights([2.0, 2.0], [1.0, 2.0], temperature=1.0)]
        [0.755, 1.245]
    """
    rates = [new / max(old, 1e-12) for old, new in zip(earlier, latest, strict=True)]
    powers = [math.exp((rate - max(rates)) / temperature) for rate in rates]
    return [len(powers) * power / sum(powers) for power in powers]


class RunningWeights:
    """Weights that follow the losses of the steps so far."""

    def __init__(self, config: AdaptiveWeights) -> None:
        self._config = config
        self._steps: list[list[float]] = []
        self.weights = [1.0, 1.0]

    def observe(self, losses: list[float]) -> None:
        """Take in the losses of a step; weights change at the end of an interval."""
        self._steps.append(losses)
        size = self._config.interval
        if len(self._steps) == 2 * size:
            means = [
                [sum(column) / size for column in zip(*part, strict=True)]
                for part in (self._steps[:size], self._steps[size:])
            ]
            self.weights = loss_weights(means[0], means[1], self._config.temperature)
            self._steps = self._steps[size:]


def enhanced_loss(
    logits: Tensor, targets: Tensor, candidates: Tensor, liked: Tensor, config: Enhancer
) -> Tensor:
    """Return the summed cross-entropy of next items after ranking has had its say.

    Hard negatives count 1 + `hard_weight` times in the normaliser; likely positives share `positive_share` of
    the target distribution and leave the normaliser of the true target. Without either it is the plain one.

    Args:
        logits: (S, N) of recall.
        targets: (S,) true next items.
        candidates: (S, M) items, none twice in a row.
        liked: (S, M) probability that each would be liked.
        config: thresholds and weights.
    """
    is_target = candidates == targets[:, None]
    hard = (liked < config.disliked_below) & ~is_target
    likely = (liked > config.liked_above) & ~is_target
    heavier = torch.zeros_like(logits).scatter(1, candidates, hard * math.log1p(config.hard_weight))
    out = torch.zeros_like(logits, dtype=torch.bool).scatter(1, candidates, likely)
    weighed = logits + heavier
    rows = torch.arange(len(logits), device=logits.device)
    true = weighed.masked_fill(out, -torch.inf).logsumexp(dim=1) - logits[rows, targets]
    also = weighed.logsumexp(dim=1, keepdim=True) - logits.gather(1, candidates)  # (S, M)
    number = likely.sum(dim=1)
    share = config.positive_share * (number > 0)
    shared = (also * likely).sum(dim=1) / number.clamp(min=1)
    return ((1.0 - share) * true + share * shared).sum()
