"""Soft labels of a teacher at the item positions of a list (Hinton et al. 2015, arXiv 1503.02531).

Legend: B rows of a batch, K items of a list, M item positions, N items, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from steerec.config import Config

TeacherScores = Callable[[Sequence[Sequence[int]], Sequence[int]], NDArray[np.float32]]
"""Histories and whose they are -> (B, N) scores in nats; a cross-fitted teacher needs to know the user."""


class DistillationConfig(Config):
    """How much the teacher's distribution counts beside the label."""

    weight: pydantic.PositiveFloat = 1.0
    """Weight of the soft loss at a position, against 1 for its hard loss."""
    temperature: pydantic.PositiveFloat = 1.0
    """Divides the teacher's scores; above 1 it is less sure of itself."""


def soft_labels(
    scores: NDArray[np.float32], items: Sequence[int], blocked: Sequence[int], temperature: float
) -> Tensor:
    """Return the teacher's distribution at each position of a list without controls.

    At position j it is softmax(scores / temperature) over the items neither blocked nor listed before j.

    Args:
        scores: (N,) teacher scores in nats.
        items: the K items of the list.
        blocked: items that may not be listed, such as the history.
        temperature: divides the scores.

    Returns:
        (K, N) float32, each row sums to 1.
    """
    logits = torch.from_numpy(np.array(scores, np.float32)).repeat(len(items), 1) / temperature  # (K, N)
    logits[:, torch.tensor(list(blocked), dtype=torch.int64)] = -torch.inf
    for j, item in enumerate(items[:-1]):
        logits[j + 1 :, item] = -torch.inf
    return logits.softmax(dim=-1)


def soft_label_loss(logits: Tensor, labels: Tensor, first_item: int) -> Tensor:
    """Return the summed cross-entropy to soft labels over the item tokens, normalised over the vocabulary.

    Args:
        logits: (M, V).
        labels: (M, N), rows sum to 1.
        first_item: token of item 0; the N item tokens follow each other.
    """
    log_probabilities = functional.log_softmax(logits, dim=-1)[:, first_item : first_item + labels.shape[1]]
    # items the teacher rules out have probability 0, whatever the model says of them
    return -(labels * log_probabilities).sum()
