"""Losses of the next item, all with one interface: states and targets in, their summed loss out.

Legend: P predictions, N items, D width, K negatives.
"""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
import torch
from torch import Tensor
from torch.nn import functional

from steerec.config import Config
from steerec.networks.full_softmax import full_softmax_loss
from steerec.networks.repeats import Seen
from steerec.networks.sequence import Head


class FullSoftmax(Config):
    """Cross-entropy over the whole catalogue: the strongest, see Klenitskiy and Vasilev 2023 (2309.07602)."""

    kind: Literal["full_softmax"] = "full_softmax"


class SampledSoftmax(Config):
    """Cross-entropy over the target and K negatives that all predictions of a batch share.

    Scores of negatives are lowered by the logarithm of how often they are expected (log-Q, Bengio and
    Senecal 2008), so that they estimate the sum over the catalogue; the target's is not, since it is there
    for certain (Khrylchenko et al. 2025, arXiv 2507.09331).
    """

    kind: Literal["sampled_softmax"] = "sampled_softmax"
    num_negatives: pydantic.PositiveInt = 512
    popularity_power: pydantic.NonNegativeFloat = 0.5
    """Negatives are drawn in proportion to (training count + 1) to this power; 0 draws evenly."""
    corrected: bool = True
    """Whether log-Q is subtracted."""


class BinaryCrossEntropy(Config):
    """-log sigma(s+) - mean over K negatives of log(1 - sigma(s-)): SASRec as published, with K = 1."""

    kind: Literal["bce"] = "bce"
    num_negatives: pydantic.PositiveInt = 1


class GeneralisedBinaryCrossEntropy(Config):
    """-beta log sigma(s+) - sum log(1 - sigma(s-)): undoes the overconfidence of few negatives.

    beta = a (t (1 - 1/a) + 1/a) with a = K / (N - 1) (Petrov and Macdonald 2023, arXiv 2308.07192, equations
    7 and 15); t = 0 is the binary cross-entropy, t = 1 is calibrated.
    """

    kind: Literal["gbce"] = "gbce"
    num_negatives: pydantic.PositiveInt = 256
    calibration: float = pydantic.Field(0.75, ge=0, le=1)
    """t."""


class BayesianPersonalisedRanking(Config):
    """-log sigma(s+ - s-), mean over K negatives (Rendle et al. 2009, arXiv 1205.2618)."""

    kind: Literal["bpr"] = "bpr"
    num_negatives: pydantic.PositiveInt = 1


LossConfig = Annotated[
    FullSoftmax
    | SampledSoftmax
    | BinaryCrossEntropy
    | GeneralisedBinaryCrossEntropy
    | BayesianPersonalisedRanking,
    pydantic.Field(discriminator="kind"),
]


def next_item_loss(
    states: Tensor,
    targets: Tensor,
    head: Head,
    config: LossConfig,
    popularity: Tensor | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Return the summed loss of predictions, a scalar with gradient; negatives come from torch's generator.

    Args:
        states: (P, D).
        targets: (P,) int64.
        head: what states are compared with.
        config: which loss.
        popularity: (N,) training counts; needed to draw negatives by them.
        seen: what predictions look back on, where the head scores that apart.
    """
    if isinstance(config, FullSoftmax):
        return full_softmax_loss(states, head.vectors, head.bias, targets, head.again, seen)
    with torch.autocast(states.device.type, enabled=False):
        states, head = states.float(), head._replace(vectors=head.vectors.float(), bias=head.bias.float())
        if isinstance(config, SampledSoftmax):
            return _sampled_softmax(states, targets, head, config, popularity, seen)
        positive = _of_targets(states, targets, head, seen)
        negatives = draw_negatives(targets, len(head.bias), config.num_negatives)  # (P, K)
        negative = torch.einsum("pd,pkd->pk", states, head.vectors[negatives]) + head.bias[negatives]
        negative = _counted_again(negative, negatives, head, seen)
        return _of_pairs(positive, negative, config, len(head.bias)).sum()


def draw_negatives(targets: Tensor, num_items: int, number: int) -> Tensor:
    """Return (P, number) items, evenly among those that are not the target.

    Args:
        targets: (P,) int64.
        num_items: N, at least 2.
        number: of each prediction.
    """
    drawn = torch.randint(num_items - 1, (len(targets), number), device=targets.device)
    return drawn + (drawn >= targets[:, None])


def _of_pairs(
    positive: Tensor,
    negative: Tensor,
    config: BinaryCrossEntropy | GeneralisedBinaryCrossEntropy | BayesianPersonalisedRanking,
    num_items: int,
) -> Tensor:
    """Return (P,) losses of scores (P,) and (P, K)."""
    if isinstance(config, BayesianPersonalisedRanking):
        return -functional.logsigmoid(positive[:, None] - negative).mean(dim=1)
    if isinstance(config, BinaryCrossEntropy):
        return -functional.logsigmoid(positive) - functional.logsigmoid(-negative).mean(dim=1)
    rate = config.num_negatives / (num_items - 1)
    beta = rate * (config.calibration * (1.0 - 1.0 / rate) + 1.0 / rate)
    return -beta * functional.logsigmoid(positive) - functional.logsigmoid(-negative).sum(dim=1)


def _of_targets(states: Tensor, targets: Tensor, head: Head, seen: Seen | None) -> Tensor:
    """Return (P,) scores of the targets."""
    scores = (states * head.vectors[targets]).sum(dim=1) + head.bias[targets]
    return _counted_again(scores[:, None], targets[:, None], head, seen)[:, 0]


def _counted_again(scores: Tensor, items: Tensor, head: Head, seen: Seen | None) -> Tensor:
    """Return scores (P, K) of items (P, K), those looked back on scored apart."""
    if head.again is None or seen is None:
        return scores
    return scores + head.again * seen.holds(items)


def _sampled_softmax(
    states: Tensor,
    targets: Tensor,
    head: Head,
    config: SampledSoftmax,
    popularity: Tensor | None,
    seen: Seen | None,
) -> Tensor:
    num_items = len(head.bias)
    counts = torch.ones(num_items, device=states.device) if popularity is None else popularity + 1.0
    chance = counts**config.popularity_power
    chance = chance / chance.sum()  # (N,)
    negatives = torch.multinomial(chance, config.num_negatives, replacement=True)  # (K,)
    positive = _of_targets(states, targets, head, seen)
    negative = states @ head.vectors[negatives].T + head.bias[negatives]  # (P, K)
    negative = _counted_again(negative, negatives.expand(len(states), -1), head, seen)
    if config.corrected:
        expected = (config.num_negatives * chance).log()
        negative = negative - expected[negatives]
    negative = negative.masked_fill(negatives == targets[:, None], -torch.inf)
    return (torch.cat([positive[:, None], negative], dim=1).logsumexp(dim=1) - positive).sum()
