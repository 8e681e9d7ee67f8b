"""Plain answers in words: one model chats and recommends, and decides by itself which of them it does.

What RecLM-cgen does with a token that opens every item (Liu et al. 2025, arXiv 2505.03336) falls out of free
decoding here: an answer that names an item is a list, any other one is words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from steerec.decode.free import generate_free

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

_MOST_TOKENS = 96
"""Longest answer; a longer one ends with its last whole sentence."""


def answer_in_words(lm: LanguageModel, said: str, history: Sequence[int] = ()) -> str | None:
    """Return what the model answers to a sentence when it answers in words.

    Whether it answers in words is asked in front of the history, where lists are written; the words are
    written without it, or a small model talks about films where it was asked for the weather.

    Args:
        lm: the language model.
        said: what a person says.
        history: item indices, oldest first.

    Returns:
        The answer; None where the model writes a list, or says nothing.
    """
    words = _written(lm, said, history)
    return _written(lm, said, ()) if words is not None and len(history) else words


def _written(lm: LanguageModel, said: str, history: Sequence[int]) -> str | None:
    """Return what the model writes; None for a list, or nothing."""
    room = min(max(_MOST_TOKENS, lm.answer_length(1)), lm.context_length)
    prompt, _ = lm.encode_parts(history, said, room)
    if prompt is None:
        return None
    short = replace(lm, max_context=len(prompt) + room)
    (answer,) = generate_free(short, [prompt], [max(1, lm.identifier.largest_count(room - 1))])
    if any(item is not None for item in answer.items):
        return None
    words = lm.decode_words(answer.tokens).strip()
    return words if answer.ended and words else _whole_sentences(words)


def _whole_sentences(words: str) -> str | None:
    found = re.match(r".*[.!?](?=\s|$)", words, re.DOTALL)
    return found[0] if found else None
