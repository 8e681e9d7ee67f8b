"""Numbers that generalise: a list of ten is also the beginning of a list of fourteen.

With one token per item, lists count down (`3 item 2 item 1 item`) from the number that was asked for, and
numbers in requests are the same tokens. Rows ask for at most ten items, so larger numbers would stay as they
were initialised. Some rows are therefore read as the beginning of a longer list: the number asked for and all
places move up by one offset, and that the list ends is not learned there. What holds for any length, that the
first place is the number and that one less follows, is so trained for all numbers, while no longer list is
ever shown. Random offsets make transformers count beyond their training lengths (Cho et al. 2024, arXiv
2405.20671; McLeish et al. 2024, arXiv 2405.17399).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steerec.errors import ConfigError
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import Example


@dataclass(frozen=True, kw_only=True)
class Beginnings:
    """Turns lists into beginnings of longer ones."""

    first: int
    """Token of the number 1."""
    number: int
    """How many numbers have a token."""
    items: range
    """Tokens of items."""
    share: float
    """Share of the lists that are turned, of those whose request says their number once."""

    @classmethod
    def of(cls, lm: LanguageModel, share: float) -> Beginnings | None:
        """Return what suits a model's spelling, or None where no row is to be turned.

        Raises:
            ConfigError: it is asked of a model whose numbers are words.
        """
        if share == 0:
            return None
        identifier = lm.identifier
        if not isinstance(identifier, AtomicIdentifier) or not lm.reads_numbers:
            raise ConfigError(
                f"beginnings_share needs one token per item and numbers read as places; got {share} with "
                f"{identifier.name} spelling. Set it to 0."
            )
        first_item = identifier.first_item_id
        return cls(
            first=identifier.first_slot_id,
            number=identifier.num_slots,
            items=range(first_item, first_item + identifier.num_items),
            share=share,
        )

    def of_longer(self, example: Example, answer: int, rng: np.random.Generator) -> Example:
        """Return a row as it is, or as the beginning of a longer list.

        Args:
            example: tokens and loss weights, the end token last.
            answer: where the answer begins. Rows whose answer is no list ("7."), or whose request does not
                say its number, or says the same number twice, stay as they are.
            rng: draws whether, and how much longer: evenly from 1 to what the numbers leave.

        Returns:
            The row; a longer one without its end token. Other numbers of its request stay: at most three of
            fourteen are at most three of the first ten.
        """
        wanted = rng.random() < self.share
        tokens = np.array(example.tokens)
        count = int(tokens[answer])
        room = self.first + self.number - 1 - count
        asked = np.flatnonzero(tokens[:answer] == count)
        is_list = self.first <= count and int(tokens[answer + 1]) in self.items
        if not (wanted and is_list and room > 0 and len(asked) == 1):
            return example
        places = np.arange(answer, len(tokens) - 1, 2)  # slot, item, slot, item, ..., end
        tokens[[*asked, *places]] += rng.integers(1, room + 1)
        return Example(tuple(tokens[:-1].tolist()), example.weights[:-1])
