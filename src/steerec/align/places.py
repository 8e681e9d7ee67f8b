"""Numbers that generalise: lists that begin at a later place, the numbers of their request shifted alike.

With one token per item, "12 films" is the token of place 12 (decision 8), and a list ends when the place just
written is the one that was asked for. Rows ask for at most ten items, so that rule is trained for ten tokens
only. Shifting a row by o writes its places o + 1, o + 2, ... and adds o to every number of its request: the
rule is then trained for all places, while no list grows longer. Random offsets make transformers count beyond
their training lengths (Cho et al. 2024, arXiv 2405.20671; McLeish et al. 2024, arXiv 2405.17399).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steerec.errors import ConfigError
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import Example

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which tokens are places, and how often rows are shifted."""

    first: int
    """Token of place 1."""
    number: int
    """How many places have a token."""
    share: float
    """Share of the lists that are shifted."""

    @classmethod
    def of(cls, lm: LanguageModel, share: float) -> Places | None:
        """Return the places of a model's spelling, or None where no row is to be shifted.

        Raises:
            ConfigError: shifting is asked of a model whose numbers are words.
        """
        if share == 0:
            return None
        identifier = lm.identifier
        if not isinstance(identifier, AtomicIdentifier) or not lm.reads_numbers:
            raise ConfigError(
                f"place_shift_share needs one token per item and numbers read as places; got {share} with "
                f"{identifier.name} spelling. Set it to 0."
            )
        return cls(first=identifier.first_slot_id, number=identifier.num_slots, share=share)

    def shift(self, example: Example, answer: int, rng: np.random.Generator) -> Example:
        """Return a row as it is, or with all its places and numbers moved by one random offset.

        Args:
            example: tokens and loss weights.
            answer: where the answer begins; rows whose answer is no list stay as they are.
            rng: draws whether, and how far: evenly from 1 to what the row's largest number leaves.

        Returns:
            The row; where it is shifted, nothing is learned from its first place, which no prompt tells.
        """
        tokens = np.array(example.tokens)
        offset = self._offset(tokens, rng)
        if not offset or not self._is_place(tokens)[answer]:
            return example
        weights = list(example.weights)
        weights[answer] = 0.0
        return Example(tuple((tokens + offset * self._is_place(tokens)).tolist()), tuple(weights))

    def begin(self, prompt: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        """Return a prompt as it is, or with its numbers moved and the first place of its list written.

        Args:
            prompt: tokens that ask for a list and end where it begins.
            rng: draws whether, and how far.
        """
        tokens = np.array(prompt)
        offset = self._offset(tokens, rng)
        if not offset:
            return tuple(prompt)
        return (*(tokens + offset * self._is_place(tokens)).tolist(), self.first + offset)

    def _is_place(self, tokens: Ints) -> Bools:
        return (tokens >= self.first) & (tokens < self.first + self.number)

    def _offset(self, tokens: Ints, rng: np.random.Generator) -> int:
        """Return an offset from 1 to what the largest number leaves; 0 where nothing is to be moved."""
        is_place = self._is_place(tokens)
        room = self.first + self.number - 1 - int(tokens[is_place].max(initial=self.first))
        wanted = rng.random() < self.share
        return int(rng.integers(1, room + 1)) if wanted and room > 0 else 0
