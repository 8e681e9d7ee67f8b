"""The chunked cross-entropy against torch's own, forward and back."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from steerec.networks import full_softmax
from steerec.networks.full_softmax import full_softmax_loss
from steerec.networks.repeats import Seen


def _inputs(num_predictions: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    states = torch.randn(num_predictions, 6, requires_grad=True)
    vectors = torch.randn(11, 6, requires_grad=True)
    bias = torch.randn(11, requires_grad=True)
    return states, vectors, bias, torch.randint(11, (num_predictions,))


@pytest.mark.parametrize("chunk", [1, 11 * 3, 11 * 7, 2**21])
def test_loss_and_gradients_are_those_of_torch(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_softmax, "CHUNK", chunk)
    *inputs, targets = _inputs(7)
    (3.0 * full_softmax_loss(*inputs, targets)).backward()
    found = [one.grad.clone() for one in inputs if one.grad is not None]
    for one in inputs:
        one.grad = None
    states, vectors, bias = inputs
    expected = functional.cross_entropy(functional.linear(states, vectors, bias), targets, reduction="sum")
    (3.0 * expected).backward()
    assert full_softmax_loss(*inputs, targets).item() == pytest.approx(expected.item(), rel=1e-6)
    for one, other in zip(found, inputs, strict=True):
        assert other.grad is not None
        assert torch.allclose(one, other.grad, atol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    *inputs, targets = _inputs(4)
    loss = full_softmax_loss(inputs[0] * 1e3, *inputs[1:], targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert inputs[0].grad is not None
    assert torch.isfinite(inputs[0].grad).all()


def test_under_autocast_products_are_bfloat16_and_the_loss_nearly_the_same() -> None:
    *inputs, targets = _inputs(7)
    exact = full_softmax_loss(*inputs, targets).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = full_softmax_loss(*inputs, targets)
    assert loss.dtype == torch.float32
    assert loss.item() != exact
    assert loss.item() == pytest.approx(exact, rel=2e-2)


@pytest.mark.parametrize("chunk", [11, 11 * 3, 2**21])
def test_what_stood_before_is_scored_apart(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_softmax, "CHUNK", chunk)
    *inputs, _ = _inputs(4)
    again = torch.tensor(-0.7, requires_grad=True)
    rows, items = torch.tensor([0, 0, 2, 2, 2, 3]), torch.tensor([1, 4, 1, 4, 10, 3])
    seen = Seen(rows * 11 + items, 11)
    targets = torch.tensor([4, 1, 0, 3])
    (2.0 * full_softmax_loss(*inputs, targets, again, seen)).backward()
    leaves = [*inputs, again]
    found = [one.grad for one in leaves]
    for one in leaves:
        one.grad = None
    mask = torch.zeros(4, 11).index_put((rows, items), torch.ones(6))
    states, vectors, bias = inputs
    logits = functional.linear(states, vectors, bias) + again * mask
    (2.0 * functional.cross_entropy(logits, targets, reduction="sum")).backward()
    for one, other in zip(found, leaves, strict=True):
        assert one is not None
        assert other.grad is not None
        assert torch.allclose(one, other.grad, atol=1e-5)
