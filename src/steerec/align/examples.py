"""Instruction rows as token sequences with loss weights, and the order in which training meets them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.errors import DataError
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import Example
from steerec.seeding import numpy_rng

logger = logging.getLogger("steerec")

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedRows:
    """Token sequences of R instruction rows, stored flat.

    Attributes:
        tokens: (all tokens,) int32, row after row.
        starts: (R + 1,) int64: row r is `tokens[starts[r]:starts[r + 1]]`.
        history: (R, 2) int64, first and last + 1 of the history tokens within the row.
        answer: (R,) int64, where the answer begins within the row.
        source: (R,) int64, index of the row in the table it was encoded from.
    """

    tokens: NDArray[np.int32]
    starts: Ints
    history: Ints
    answer: Ints
    source: Ints

    def __len__(self) -> int:
        return len(self.answer)

    @property
    def lengths(self) -> Ints:
        """(R,) tokens of each row."""
        return np.diff(self.starts)

    def example(self, row: int, history_weight: float) -> Example:
        """Return one row with its loss weights: 1 on the answer, `history_weight` on the history tokens."""
        tokens = self.tokens[self.starts[row] : self.starts[row + 1]]
        weights = np.zeros(len(tokens))
        weights[self.answer[row] :] = 1.0
        first, last = self.history[row]
        weights[first:last] = history_weight
        return Example(tuple(tokens.tolist()), tuple(weights.tolist()))


def encode_rows(lm: LanguageModel, rows: pl.DataFrame, *, max_tokens: int | None = None) -> EncodedRows:
    """Encode instruction rows with the pieces that prompts and tries are made of.

    Args:
        lm: gives the spelling and the prompt layout.
        rows: `history` (item indices, oldest first), `instruction`, and either `answer_items` (a list to
            recommend) or `answer_text` (words).
        max_tokens: longest row; older history is left out to fit. None: the model's context.

    Returns:
        The rows that fit; those whose answer alone is too long are left out and counted in the log.

    Raises:
        DataError: no row fits.
    """
    limit = min(max_tokens or lm.context_length, lm.context_length)
    spare = lm.context_length - limit
    kept: list[tuple[int, list[int], tuple[int, int], int]] = []
    for index, row in enumerate(rows.iter_rows(named=True)):
        answer = _answer(lm, row)
        prompt, history = lm.encode_parts(row["history"] or (), row["instruction"], len(answer) + spare)
        if prompt is not None:
            kept.append((index, [*prompt, *answer], history, len(prompt)))
    if not kept:
        raise DataError(f"None of the {len(rows)} instruction rows fits {limit} tokens. Raise pack_length.")
    if len(kept) < len(rows):
        logger.warning(
            "%d of %d instruction rows are left out: longer than %d tokens. Raise pack_length to keep them.",
            len(rows) - len(kept),
            len(rows),
            limit,
        )
    return EncodedRows(
        tokens=np.fromiter((token for _, tokens, _, _ in kept for token in tokens), np.int32),
        starts=np.cumsum([0, *(len(tokens) for _, tokens, _, _ in kept)]),
        history=np.array([history for _, _, history, _ in kept], np.int64),
        answer=np.array([answer for *_, answer in kept], np.int64),
        source=np.array([index for index, *_ in kept], np.int64),
    )


def _answer(lm: LanguageModel, row: dict[str, Any]) -> list[int]:
    if row.get("answer_text"):
        return [*lm.encode_words(row["answer_text"]), lm.end_id]
    return lm.encode_answer(row["answer_items"])


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """Which rows form micro-batch 0, 1, 2, ...: a pure function of the seed, however often it is asked.

    Every epoch is a new permutation of all rows, cut where the next row would exceed the token budget.
    """

    lengths: Sequence[int]
    tokens_per_batch: int
    seed: int
    _batches: list[Ints] = field(default_factory=list, repr=False)
    _epochs: list[int] = field(default_factory=list, repr=False)

    def __getitem__(self, index: int) -> Ints:
        """Return the row indices of a micro-batch."""
        while len(self._batches) <= index:
            self._batches.extend(self._epoch(len(self._epochs)))
            self._epochs.append(len(self._batches))
        return self._batches[index]

    def _epoch(self, epoch: int) -> list[Ints]:
        order = numpy_rng(self.seed, "sft", "epoch", epoch).permutation(len(self.lengths))
        lengths = np.asarray(self.lengths)[order]
        batches, start, total = [], 0, 0
        for place, length in enumerate(lengths):
            if total + length > self.tokens_per_batch and place > start:
                batches.append(order[start:place])
                start, total = place, 0
            total += int(length)
        batches.append(order[start:])
        return batches
