"""Losses of the next item, against what their formulas give by hand or by a slow definition."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from steerec.networks.repeats import Seen
from steerec.networks.sequence import Head
from steerec.recommend.sequences import losses
from steerec.recommend.sequences.losses import (
    BayesianPersonalisedRanking,
    BinaryCrossEntropy,
    FullSoftmax,
    GeneralisedBinaryCrossEntropy,
    LossConfig,
    SampledSoftmax,
    draw_negatives,
    next_item_loss,
)

STATES = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
HEAD = Head(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]]), torch.tensor([0.0, 0.5, 0.0]))
SCORES = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.5, 1.0]])
TARGETS = torch.tensor([0, 1])


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 2 is the negative of both predictions: scores -1 and 1 against 1 and 2.5."""
    monkeypatch.setattr(losses, "draw_negatives", lambda *_: torch.tensor([[2], [2]]))


def test_full_softmax_is_the_cross_entropy_over_all_items() -> None:
    found = next_item_loss(STATES, TARGETS, HEAD, FullSoftmax())
    assert found.item() == pytest.approx(functional.cross_entropy(SCORES, TARGETS, reduction="sum").item())


@pytest.mark.usefixtures("fixed")
def test_binary_cross_entropy_by_hand() -> None:
    expected = -math.log(sigma(1)) - math.log(1 - sigma(-1)) - math.log(sigma(2.5)) - math.log(1 - sigma(1))
    assert next_item_loss(STATES, TARGETS, HEAD, BinaryCrossEntropy()).item() == pytest.approx(expected)


@pytest.mark.usefixtures("fixed")
def test_ranking_loss_by_hand() -> None:
    expected = -math.log(sigma(1 - -1)) - math.log(sigma(2.5 - 1))
    found = next_item_loss(STATES, TARGETS, HEAD, BayesianPersonalisedRanking())
    assert found.item() == pytest.approx(expected)


@pytest.mark.usefixtures("fixed")
def test_generalised_binary_cross_entropy_by_hand() -> None:
    """K = 1 of N - 1 = 2: a = 1/2; t = .5: beta = .5 (.5 (1 - 2) + 2) = .75."""
    config = GeneralisedBinaryCrossEntropy(num_negatives=1, calibration=0.5)
    expected = 0.75 * (-math.log(sigma(1)) - math.log(sigma(2.5)))
    expected += -math.log(1 - sigma(-1)) - math.log(1 - sigma(1))
    assert next_item_loss(STATES, TARGETS, HEAD, config).item() == pytest.approx(expected)


@pytest.mark.usefixtures("fixed")
def test_generalised_binary_cross_entropy_without_calibration_is_the_plain_one() -> None:
    config = GeneralisedBinaryCrossEntropy(num_negatives=1, calibration=0.0)
    plain = next_item_loss(STATES, TARGETS, HEAD, BinaryCrossEntropy())
    assert next_item_loss(STATES, TARGETS, HEAD, config).item() == pytest.approx(plain.item())


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_corrected_sampled_softmax_is_about_the_full_one(power: float) -> None:
    """With many negatives the estimate of the normaliser tends to the full one, however they are drawn."""
    torch.manual_seed(0)
    states, vectors = torch.randn(50, 4), torch.randn(30, 4)
    head, targets = Head(vectors, torch.zeros(30)), torch.randint(30, (50,))
    popularity = torch.arange(30.0)
    config = SampledSoftmax(num_negatives=20_000, popularity_power=power)
    full = next_item_loss(states, targets, head, FullSoftmax()).item()
    assert next_item_loss(states, targets, head, config, popularity).item() == pytest.approx(full, rel=0.02)
    wrong = next_item_loss(states, targets, head, config.replace(corrected=False), popularity).item()
    assert wrong > 2 * full


@pytest.mark.usefixtures("fixed")
def test_what_was_seen_is_scored_apart_by_hand() -> None:
    """The first prediction looks back on 0, its target, and on 1; the second on 2, its negative."""
    head, seen = HEAD._replace(again=torch.tensor(-0.5)), Seen(torch.tensor([0, 1, 5]), 3)

    def of(config: LossConfig) -> float:
        return next_item_loss(STATES, TARGETS, head, config, torch.ones(3), seen).item()

    scores = SCORES - 0.5 * torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    full = functional.cross_entropy(scores, TARGETS, reduction="sum").item()
    assert of(FullSoftmax()) == pytest.approx(full)
    expected = -math.log(sigma(0.5 - -1)) - math.log(sigma(2.5 - 0.5))
    assert of(BayesianPersonalisedRanking()) == pytest.approx(expected)
    torch.manual_seed(0)
    assert of(SampledSoftmax(num_negatives=50_000)) == pytest.approx(full, rel=0.02)


def test_negatives_are_all_items_but_the_target_evenly() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([0, 2, 4])
    drawn = draw_negatives(targets, 5, 4000)
    assert not (drawn == targets[:, None]).any()
    for row, target in zip(drawn, targets.tolist(), strict=True):
        counts = torch.bincount(row, minlength=5).float()
        others = [item for item in range(5) if item != target]
        assert counts[others].min() > 850
        assert counts[others].max() < 1150


@pytest.mark.parametrize(
    "config",
    [
        FullSoftmax(),
        SampledSoftmax(num_negatives=8),
        BinaryCrossEntropy(),
        GeneralisedBinaryCrossEntropy(num_negatives=4),
        BayesianPersonalisedRanking(num_negatives=2),
    ],
    ids=lambda config: config.kind,
)
def test_every_loss_teaches_the_target(config: LossConfig) -> None:
    torch.manual_seed(0)
    states: Tensor = torch.zeros(20, 10, requires_grad=True)
    head, targets = Head(torch.eye(10), torch.zeros(10)), torch.randint(10, (20,))
    optimizer = torch.optim.Adam([states], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        next_item_loss(states, targets, head, config, torch.ones(10)).backward()
        optimizer.step()
    assert torch.equal((states @ head.vectors.T).argmax(1), targets)
