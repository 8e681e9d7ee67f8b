"""Soft labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steerec.align.distillation import soft_label_loss, soft_labels


def test_soft_labels_by_hand() -> None:
    # weights 1, 2, 3, 4 before normalisation; item 3 is blocked, item 1 listed first
    scores = np.log(np.array([1.0, 2.0, 3.0, 4.0], np.float32))
    labels = soft_labels(scores, [1, 2], [3], temperature=1.0)
    expected = torch.tensor([[1 / 6, 2 / 6, 3 / 6, 0.0], [1 / 4, 0.0, 3 / 4, 0.0]])
    torch.testing.assert_close(labels, expected)


def test_a_high_temperature_flattens() -> None:
    scores = np.log(np.array([1.0, 4.0], np.float32))
    labels = soft_labels(scores, [0], [], temperature=2.0)  # square roots: 1 and 2
    torch.testing.assert_close(labels, torch.tensor([[1 / 3, 2 / 3]]))


def test_soft_loss_is_the_cross_entropy_over_the_whole_vocabulary() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))  # one word, then two items
    labels = torch.tensor([[0.25, 0.75]])
    assert float(soft_label_loss(logits, labels, first_item=1)) == pytest.approx(np.log(4))


def test_soft_labels_on_the_truth_equal_the_hard_loss() -> None:
    logits = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    hard = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 6, 4]), reduction="sum")
    labels = torch.nn.functional.one_hot(torch.tensor([0, 4, 2]), 5).float()
    torch.testing.assert_close(soft_label_loss(logits, labels, first_item=2), hard)
