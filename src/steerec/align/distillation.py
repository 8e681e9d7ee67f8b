"""Soft labels of a teacher at the item positions of a list (Hinton et al. 2015, arXiv 1503.02531).

Legend: B rows of a batch, K items of a list, M item positions, N items, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor

from steerec.config import Config
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.instruct.labels import individually_allowed

TeacherScores = Callable[[Sequence[Sequence[int]], Sequence[int]], NDArray[np.float32]]
"""Histories and whose they are -> (B, N) scores in nats; a cross-fitted teacher needs to know the user."""


class DistillationConfig(Config):
    """How much the teacher's distribution counts beside the label."""

    weight: pydantic.PositiveFloat = 1.0
    """Weight of the soft loss at a position, against 1 for its hard loss."""
    temperature: pydantic.PositiveFloat = 1.0
    """Divides the teacher's scores; above 1 it is less sure of itself."""


class Teaching(NamedTuple):
    """A teacher, and the catalogue that requests are compiled against."""

    scores: TeacherScores
    catalog: Catalog


def open_items(request: str | None, history: Sequence[int], catalog: Catalog) -> NDArray[np.bool_] | None:
    """Return the items that a request allows at every position alike, or None where it asks for more.

    "Only comedies", "no horror", "from these candidates" leave the same items open at every position, and so
    does a request without controls. Quotas that count, caps and positions do not: hard labels only.

    Args:
        request: the request as JSON; None for rows that ask for text.
        history: the items before, which are not open.
        catalog: N items.

    Returns:
        Boolean (N,), or None.
    """
    if not request:
        return None
    problem = compile_request(Request.from_json(request), catalog, history)
    counts = any(
        quota.first > 1
        or quota.last < problem.count
        or not (quota.upper == 0 or quota.lower >= problem.count)
        for quota in problem.quotas
    )
    return None if counts or problem.caps else individually_allowed(problem)


def soft_labels(
    scores: NDArray[np.float32], items: Sequence[int], opened: NDArray[np.bool_], temperature: float
) -> Tensor:
    """Return the teacher's distribution at each position of a list.

    At position j it is softmax(scores / temperature) over the open items not listed before j.

    Args:
        scores: (N,) teacher scores in nats.
        items: the K items of the list, all open.
        opened: (N,) items that may be listed, at every position alike.
        temperature: divides the scores.

    Returns:
        (K, N) float32, each row sums to 1.
    """
    logits = torch.from_numpy(np.array(scores, np.float32)).repeat(len(items), 1) / temperature  # (K, N)
    logits[:, torch.from_numpy(~opened)] = -torch.inf
    for j, item in enumerate(items[:-1]):
        logits[j + 1 :, item] = -torch.inf
    return logits.softmax(dim=-1)
