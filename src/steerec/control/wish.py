"""Wishes as numbers: how much each item's score rises. They steer the order and guarantee nothing.

Legend: N items, D width of item vectors, V values of all category columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steerec.control.attribute import CLOSED_KINDS, attribute_index
from steerec.control.where import mask
from steerec.data.catalog import Catalog
from steerec.errors import RequestError

if TYPE_CHECKING:
    from steerec.control.request import Request


def wishes(
    request: Request, catalog: Catalog, item_vectors: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Return what the wishes of a request add to each item's score.

    Args:
        request: its `prefer` is read.
        catalog: N items.
        item_vectors: (N, D) float, what `like` compares; None: the category values of the items, each
            weighted by its rarity log(N / items that carry it).

    Returns:
        (N,) float64, nats: the sum of the weights of matched `where`, and of weight times the mean cosine
        similarity to the items of `like`.

    Raises:
        RequestError: a column, value or item is unknown.
    """
    added = np.zeros(len(catalog))
    for place, wish in enumerate(request.prefer):
        try:
            if wish.where is not None:
                added += wish.weight * mask(wish.where, catalog)
            else:
                liked = [catalog.resolve(reference) for reference in wish.like or ()]
                added += wish.weight * _likeness(liked, catalog, item_vectors)
        except RequestError as error:
            raise RequestError(f"prefer[{place}]: {error}") from None
    return added


def _likeness(
    liked: Sequence[int], catalog: Catalog, vectors: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    """(N,) mean cosine similarity to the liked items; an item without a vector is like nothing."""
    if vectors is None:
        return _attribute_likeness(liked, catalog)
    assert vectors.shape[0] == len(catalog)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)  # (N, D)
    mean: NDArray[np.float64] = unit @ unit[list(liked)].mean(axis=0)  # (N,)
    return mean


def _attribute_likeness(liked: Sequence[int], catalog: Catalog) -> NDArray[np.float64]:
    """`_likeness` over one-hot category values, without building the (N, V) matrix."""
    index = attribute_index(catalog)
    columns = [index.attribute(name) for name, kind in catalog.columns.items() if kind in CLOSED_KINDS]
    num_items = len(catalog)
    squares = np.zeros(num_items)
    weights, rows = [], []
    for column in columns:
        carriers = np.bincount(column.value_ids, minlength=len(column.labels))
        weights.append(np.log(num_items / np.maximum(carriers, 1)) ** 2)  # (V of this column,)
        rows.append(np.repeat(np.arange(num_items), np.diff(column.indptr)))  # (nnz,)
        squares += np.bincount(rows[-1], weights=weights[-1][column.value_ids], minlength=num_items)
    lengths = np.sqrt(squares)
    total = np.zeros(num_items)
    for item in liked:
        shared = np.zeros(num_items)
        for column, weight, row in zip(columns, weights, rows, strict=True):
            own = np.zeros(len(column.labels))
            own[column.value_ids[column.indptr[item] : column.indptr[item + 1]]] = 1
            shared += np.bincount(row, weights=(weight * own)[column.value_ids], minlength=num_items)
        scale = lengths * lengths[item]
        total += np.divide(shared, scale, out=np.zeros(num_items), where=scale > 0)
    return total / len(liked)
