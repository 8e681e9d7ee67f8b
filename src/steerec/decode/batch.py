"""A batch of lists decoded item by item; how the next item is chosen is the caller's.

Legend: B requests, R rows (B times the copies of each), N items.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from steerec.control.admissible import Admissible
from steerec.control.optimum import best_list
from steerec.control.problem import Problem
from steerec.control.remainder import remainder
from steerec.decode.beam import Choice
from steerec.decode.cache import RaggedCache
from steerec.decode.outcome import DecodedList

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

Choose = Callable[[RaggedCache, IntArray, BoolArray], Choice]
"""(cache, rows (A,) still decoding, admissible (A, N)) -> their next items; settles the cache on them."""


class Deadline:
    """A moment after which the teacher fills what is missing."""

    def __init__(self, budget_s: float, scores: FloatArray) -> None:
        """Start the clock.

        Args:
            budget_s: seconds from now.
            scores: (R, N) what the teacher ranks by.
        """
        self._end = time.monotonic() + budget_s
        self.scores = scores

    def has_passed(self) -> bool:
        """Return whether the budget is used up."""
        return time.monotonic() >= self._end

    def of(self, rows: Sequence[int]) -> Deadline:
        """Return the same moment for some of the rows."""
        other = Deadline(0.0, self.scores[rows])
        other._end = self._end
        return other


class ListBatch:
    """Requests decoded together, each in one or more copies; a row leaves when its list is complete."""

    def __init__(
        self,
        lm: LanguageModel,
        prompts: Sequence[Sequence[int]],
        problems: Sequence[Problem],
        *,
        copies: int = 1,
    ) -> None:
        """Set the requests up; prompts are read, each once, when decoding begins."""
        self._identifier = lm.identifier
        self._problems = [problem for problem in problems for _ in range(copies)]
        admissible = [Admissible(problem) for problem in problems]
        self._admissible = [one for one in admissible for _ in range(copies)]
        self._counts = np.array([problem.count for problem in self._problems])
        self._lm, self._prompts, self._copies = lm, prompts, copies
        self._cache: RaggedCache | None = None
        self._items: list[list[int]] = [[] for _ in self._problems]
        self._log_probs: list[list[float]] = [[] for _ in self._problems]
        self._scores: list[list[float]] = [[] for _ in self._problems]
        self._fallback_from: dict[int, int] = {}

    def decode(self, choose: Choose, deadline: Deadline | None = None) -> list[DecodedList]:
        """Fill all lists, one position after the other.

        Args:
            choose: the search.
            deadline: after it, no further position is searched.

        Returns:
            R lists, the copies of a request next to each other.
        """
        rows = np.arange(len(self._counts))
        if deadline is not None and deadline.has_passed():
            self._fall_back(rows, 1, deadline.scores)
            return [self._outcome(row) for row in range(len(self._counts))]
        cache = self._cache = self._read()
        for position in range(1, int(self._counts.max()) + 1):
            if deadline is not None and deadline.has_passed():
                self._fall_back(rows, position, deadline.scores)
                break
            masks = np.stack([self._admissible[row].mask(tuple(self._items[row])) for row in rows])
            choice = choose(cache, rows, masks)
            self._append(rows, choice)
            goes_on = np.flatnonzero(self._counts[rows] > position)
            if not len(goes_on):
                break
            if len(goes_on) < len(rows):
                cache.keep_rows(goes_on)
                rows = rows[goes_on]
            self._write(cache, rows, choice.leaves[goes_on], position + 1)
        return [self._outcome(row) for row in range(len(self._counts))]

    def _read(self) -> RaggedCache:
        markers = [self._identifier.marker(1, problem.count) for problem in self._problems[:: self._copies]]
        prompts = [(*prompt, *marker) for prompt, marker in zip(self._prompts, markers, strict=True)]
        cache = RaggedCache(self._lm.model, prompts, pad_id=self._lm.pad_id)
        if self._copies > 1:
            cache.repeat(self._copies)
        return cache

    def _write(self, cache: RaggedCache, rows: IntArray, leaves: IntArray, position: int) -> None:
        """Append the last token of each spelling, which no search has pushed, and the next marker."""
        trie = self._identifier.trie
        last = trie.tokens[leaves, trie.lengths[leaves] - 1]
        markers = [self._identifier.marker(position, count) for count in self._counts[rows].tolist()]
        cache.extend(np.column_stack([last, markers]))

    def _append(self, rows: IntArray, choice: Choice) -> None:
        for place, row in enumerate(rows):
            self._items[row].append(int(choice.items[place]))
            self._log_probs[row].append(float(choice.log_probs[place]))
            self._scores[row].append(float(choice.scores[place]))

    def _fall_back(self, rows: IntArray, position: int, scores: FloatArray) -> None:
        """Complete lists as the teacher would, exactly under what is left of their problems."""
        for row in rows.tolist():
            rest = best_list(remainder(self._problems[row], self._items[row]), scores[row])
            self._items[row] += rest
            self._scores[row] += scores[row, rest].tolist()
            self._fallback_from[row] = position

    def _outcome(self, row: int) -> DecodedList:
        return DecodedList(
            items=tuple(self._items[row]),
            log_probs=tuple(self._log_probs[row]),
            scores=tuple(self._scores[row]),
            forwards=0 if self._cache is None else self._cache.forwards,
            fallback_from=self._fallback_from.get(row),
        )
