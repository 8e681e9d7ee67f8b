"""Plain answers in words: one model chats and recommends, and decides by itself which of them it does.

What Lu et al. do with a token that opens every item (RecLM-cgen, "Avoid Recommending Out-of-Domain Items",
2025) falls out of free decoding here: an answer that names an item is a list, any other one is words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steerec.decode.free import generate_free

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

_LINES = 30
"""An answer in words has the room of a list of so many items."""


def answer_in_words(lm: LanguageModel, said: str, history: Sequence[int] = ()) -> str | None:
    """Return what the model answers to a sentence when it answers in words.

    Args:
        lm: the language model.
        said: what a person says.
        history: item indices, oldest first.

    Returns:
        The answer; None where the model starts a list, says nothing, or does not come to an end.
    """
    prompt, _ = lm.encode_parts(history, said, lm.answer_length(_LINES))
    if prompt is None:
        return None
    (answer,) = generate_free(lm, [prompt], [_LINES])
    if not answer.ended or any(item is not None for item in answer.items):
        return None
    return lm.decode_words(answer.tokens).strip() or None
