"""A sequence model that goes on from yesterday's weights: new items, new users, new interactions.

Legend: M items of the earlier catalogue, N of the new one, D width.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.networks.sequence import SequenceNetwork
from steerec.recommend.transitions import transition_counts

_WINDOW, _DECAY = 5, 0.8


def newest(split: Split, since: int, window: int) -> Split:
    """Return the split with the training interactions from a moment on, and what stands before them.

    Users without a new training interaction keep none; validation and test points are the same.

    Args:
        split: with times.
        since: seconds; interactions at or after it are new.
        window: items of context kept before a user's first new interaction.

    Raises:
        DataError: the log has no timestamps, or nothing in its training part is new.
    """
    if split.times is None:
        raise DataError("Only a log with timestamps says what is new. Leave `since` out to learn from all.")
    starts = []
    for times, cut in zip(split.times, split.cut, strict=True):
        first = int(np.searchsorted(times[:cut], since, side="left"))
        starts.append(max(0, first - window) if first < cut else int(cut))
    kept = [int(cut) - start for start, cut in zip(starts, split.cut, strict=True)]
    if not any(kept):
        raise DataError(f"No training interaction is at or after {since}: there is nothing new to learn.")
    return replace(
        split,
        sequences=tuple(items[start:] for items, start in zip(split.sequences, starts, strict=True)),
        times=tuple(times[start:] for times, start in zip(split.times, starts, strict=True)),
        ratings=None
        if split.ratings is None
        else tuple(rated[start:] for rated, start in zip(split.ratings, starts, strict=True)),
        cut=np.asarray(kept, np.int64),
        test_start=split.test_start - np.asarray(starts),
    )


def carry_over(old: SequenceNetwork, new: SequenceNetwork, earlier: Catalog, split: Split) -> None:
    """Copy a network's weights into one for a later catalogue.

    Known items keep their vector and bias. A new one starts at the mean of the known items around it in the
    training sequences, weighed by nearness, and with the bias of an item of its popularity.

    Args:
        old: of the earlier catalogue.
        new: of the split's catalogue, otherwise the same.
        earlier: M items.
        split: N items.
    """
    place = {item: index for index, item in enumerate(earlier.item_ids)}
    known_at = np.array([place.get(item, -1) for item in split.catalog.item_ids])  # (N,)
    known = known_at >= 0
    weights = dict(old.state_dict())
    table, bias = weights.pop("items.weight"), weights.pop("item_bias")
    for name in ("given", "seen"):
        weights.pop(name, None)  # made anew for the catalogue
    new.load_state_dict(weights, strict=False)
    around = _around(split, known)  # (N, N), rows of new items, columns of known ones
    vectors = table[torch.from_numpy(np.where(known, known_at, 0))].cpu().numpy()
    vectors = np.where(known[:, None], vectors, around @ vectors)
    log_counts = np.log(np.bincount(np.concatenate(split.train), minlength=len(known)) + 0.5)
    biases = bias[torch.from_numpy(np.where(known, known_at, 0))].cpu().numpy()
    offset = float(np.mean(biases[known] - log_counts[known])) if known.any() else 0.0
    with torch.no_grad():
        assert new.items is not None
        new.items.weight.copy_(torch.cat([torch.from_numpy(vectors).to(table), table[-1:]]))
        new.item_bias.copy_(torch.from_numpy(np.where(known, biases, log_counts + offset)))


def _around(split: Split, known: NDArray[np.bool_]) -> sp.csr_matrix:
    """Return how much of each known item stands around each item, (N, N), rows that sum to 1 or are 0."""
    counts = transition_counts(split.train, len(known), window=_WINDOW, decay=_DECAY)
    both = (counts + counts.T) @ sp.diags(known.astype(np.float32))
    total = np.asarray(both.sum(axis=1)).ravel()
    return sp.csr_matrix(sp.diags(1.0 / np.maximum(total, 1e-12)) @ both)
