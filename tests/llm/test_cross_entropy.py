"""One pass equals torch's cross-entropies, in value and gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from steerec.llm.cross_entropy import SoftTargets, cross_entropies


def test_soft_loss_is_the_cross_entropy_over_the_whole_vocabulary() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))  # one word, then two items
    soft = SoftTargets(torch.tensor([0]), torch.tensor([[0.25, 0.75]]), first_item=1, weight=3.0)
    losses = cross_entropies(logits, torch.tensor([0]), torch.tensor([0.5]), soft)
    assert float(losses.hard) == pytest.approx(0.5 * np.log(2))
    assert float(losses.soft) == pytest.approx(np.log(4))
    assert float(losses.total) == pytest.approx(0.5 * np.log(2) + 3 * np.log(4))


@pytest.mark.parametrize("with_soft", [False, True])
def test_value_and_gradient_are_those_of_log_softmax(with_soft: bool) -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 11, generator=random, requires_grad=True)
    targets = torch.randint(0, 11, (6,), generator=random)
    weights = torch.rand(6, generator=random)
    labels = torch.rand(2, 5, generator=random).softmax(dim=-1)
    rows = torch.tensor([1, 4])
    soft = SoftTargets(rows, labels, first_item=3, weight=0.7) if with_soft else None
    losses = cross_entropies(logits, targets, weights, soft)
    (2 * losses.total).backward()
    ours, logits.grad = logits.grad, None
    expected = (functional.cross_entropy(logits, targets, reduction="none") * weights).sum()
    if with_soft:
        expected = expected - 0.7 * (labels * logits.log_softmax(dim=-1)[rows, 3:8]).sum()
    (2 * expected).backward()
    torch.testing.assert_close(losses.total, expected)
    torch.testing.assert_close(ours, logits.grad)
