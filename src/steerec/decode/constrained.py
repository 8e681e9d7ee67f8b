"""Lists from a language model that satisfy their problems, whatever the model's weights say.

What is allowed follows from the problem and the items chosen so far, never from a counter of calls.

Legend: B requests, N items, K length of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from steerec.control.problem import Problem
from steerec.decode.batch import Deadline, ListBatch
from steerec.decode.beam import Choice, ItemSearch
from steerec.decode.cache import RaggedCache
from steerec.decode.outcome import DecodedList
from steerec.decode.room import check_requests, like_batches, rows_together
from steerec.errors import ConfigError
from steerec.items.identifier import AtomicIdentifier, Identifier

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

FloatArray = NDArray[np.float64]


def decode_lists(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    problems: Sequence[Problem],
    *,
    beam: int = 8,
    teacher_scores: NDArray[np.floating] | None = None,
    weight: float = 0.0,
    wishes: NDArray[np.floating] | None = None,
    first_place: float = 0.0,
    budget_s: float | None = None,
    batch_size: int | None = None,
) -> list[DecodedList]:
    """Decode one list per prompt, each satisfying its problem.

    At every position the item with the highest log p(item | prompt, items before) + weight * score + wish
    is taken among those that a satisfying list can still contain there; p is the model's own probability
    over its full vocabulary, not renormalised. A beam over the trie of spellings finds the item; it is
    exact when no more than `beam` branches compete, and always for atomic identifiers without additions.

    Args:
        lm: model, identifier, end and padding tokens, context length.
        prompts: B token sequences that end where the first marker is to be written.
        problems: B feasible problems over the identifier's N items.
        beam: hypotheses kept per request and position, >= 1; 1 is greedy by token.
        teacher_scores: (B, N) finite scores of the teacher, or None.
        weight: nats per unit of score, >= 0; at 0 the scores play no part.
        wishes: (B, N) finite nats added to the items' scores, or None.
        first_place: weight, >= 0, of the log-probability that an item had at the first place, at every place:
            later places know the list so far, but a label's later items were only the teacher's. It needs
            one token per item.
        budget_s: seconds after which no further position is searched: the teacher (scores plus wishes) fills
            the rest exactly under the request, and `fallback_from` says from where. None: no limit.
        batch_size: requests decoded together, >= 1; None: as many as suit the device.

    Returns:
        B lists in the order of the prompts.

    Raises:
        RequestError: a list might not fit in the context with its prompt.
        ConfigError: beam, batch size, budget or a weight is out of range, a score is not finite, there is a
            budget and no teacher, or a first place without one token per item.
    """
    parts = _parts(teacher_scores, weight, wishes, (len(prompts), lm.identifier.num_items))
    deadline = _deadline(budget_s, teacher_scores, wishes)
    _check_first_place(first_place, lm.identifier)
    batch_size = rows_together(lm) if batch_size is None else batch_size
    if beam < 1 or batch_size < 1:
        raise ConfigError(f"beam and batch_size must be at least 1; got {beam} and {batch_size}.")
    check_requests(lm, prompts, problems)
    lists: dict[int, DecodedList] = {}
    with torch.inference_mode():
        for rows in like_batches(prompts, problems, batch_size):
            batch = ListBatch(lm, [prompts[i] for i in rows], [problems[i] for i in rows])
            search = _BeamSearch(lm.identifier, _additions(parts, rows), beam, first_place)
            decoded = batch.decode(search, None if deadline is None else deadline.of(rows))
            lists |= zip(rows, decoded, strict=True)
    return [lists[i] for i in range(len(prompts))]


class _BeamSearch:
    """Chooses the next items of a batch; see `ListBatch.decode`."""

    def __init__(
        self, identifier: Identifier, additions: FloatArray | None, beam: int, first_place: float
    ) -> None:
        self._identifier, self._additions = identifier, additions
        self._beam, self._first_place = beam, first_place

    def __call__(self, cache: RaggedCache, rows: NDArray[np.int64], admissible: NDArray[np.bool_]) -> Choice:
        if self._first_place:  # all rows are here at the first place, which is asked for once
            said = self._first_place * self._at_first_place(cache)
            self._additions = said if self._additions is None else self._additions + said
            self._first_place = 0.0
        added = None if self._additions is None else self._additions[rows]
        return ItemSearch(self._identifier.trie, cache, admissible, added, beam=self._beam).run()

    def _at_first_place(self, cache: RaggedCache) -> FloatArray:
        """Log-probabilities (B, N) of all items after the first marker."""
        identifier = self._identifier
        assert isinstance(identifier, AtomicIdentifier)
        items = slice(identifier.first_item_id, identifier.first_item_id + identifier.num_items)
        return cache.logits.log_softmax(dim=-1)[:, items].double().cpu().numpy()


def _check_first_place(weight: float, identifier: Identifier) -> None:
    if not (np.isfinite(weight) and weight >= 0):
        raise ConfigError(f"The first place's weight must be a finite number >= 0; got {weight}.")
    if weight and not isinstance(identifier, AtomicIdentifier):
        raise ConfigError(
            f"first_place is {weight}, and items are spelled by {identifier.name}: what every item had at "
            "the first place is known only where items are one token each. Set first_place to 0."
        )


def _deadline(
    budget_s: float | None, scores: NDArray[np.floating] | None, wishes: NDArray[np.floating] | None
) -> Deadline | None:
    if budget_s is None:
        return None
    if scores is None or not (np.isfinite(budget_s) and budget_s >= 0):
        raise ConfigError(
            "A time budget must be a finite number of seconds >= 0 and needs teacher scores to fall back on; "
            f"got {budget_s} and {'no scores' if scores is None else 'scores'}."
        )
    total = np.asarray(scores, np.float64) + (0.0 if wishes is None else wishes)
    _check_finite(total)
    return Deadline(budget_s, total)


def _parts(
    scores: NDArray[np.floating] | None,
    weight: float,
    wishes: NDArray[np.floating] | None,
    shape: tuple[int, int],
) -> list[tuple[float, NDArray[np.floating]]]:
    """What is added to log-probabilities: (factor, (B, N)) pairs, none where nothing is."""
    if not (np.isfinite(weight) and weight >= 0):
        raise ConfigError(f"The teacher's weight must be a finite number >= 0; got {weight}.")
    parts = []
    if scores is not None and weight > 0:
        parts.append((weight, scores))
    if wishes is not None and np.any(wishes):
        parts.append((1.0, wishes))
    for _, values in parts:
        assert values.shape == shape, f"{values.shape} scores for {shape[0]} prompts and {shape[1]} items"
        _check_finite(values)
    return parts


def _check_finite(values: NDArray[np.floating]) -> None:
    if not np.isfinite(values).all():
        raise ConfigError(
            "Teacher scores and wishes must be finite for every item; what may not be recommended "
            "belongs in the problem, not in the scores."
        )


def _additions(parts: list[tuple[float, NDArray[np.floating]]], rows: list[int]) -> FloatArray | None:
    """(rows, N) nats added to each item, or None where nothing is."""
    if not parts:
        return None
    scaled = [factor * values[rows].astype(np.float64) for factor, values in parts]
    return sum(scaled[1:], scaled[0])
