"""The token frame around a prompt, taken from a tokenizer's own chat template.

A prompt is `frame.opening + body + frame.reply`, and an answer ends with `frame.end`. Pieces are tokenised
apart and concatenated, never re-tokenised, so training rows, tries and prompts agree token by token.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from steerec.errors import ConfigError

logger = logging.getLogger("steerec")

_USER, _ANSWER = "QQUSERQQ", "QQANSWERQQ"


class Tokenizer(Protocol):
    """What is used of a transformers fast tokenizer."""

    eos_token_id: int | None
    bos_token_id: int | None
    chat_template: str | None

    def encode(
        self, text: str, *, add_special_tokens: bool = ..., split_special_tokens: bool = ...
    ) -> list[int]:
        """Return token ids; special tokens written in the text become their ids."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = ...) -> str:
        """Return the text of token ids."""

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any:
        """Render a conversation."""

    def __len__(self) -> int: ...

    def save_pretrained(self, folder: Any) -> Any:
        """Write the tokenizer to a folder."""


class Frame(NamedTuple):
    """Token ids around the body of a one-turn conversation."""

    opening: tuple[int, ...]
    """Before the user's words: everything up to and including the user header."""
    reply: tuple[int, ...]
    """Between the user's words and the answer: end of turn and assistant header."""
    end: int
    """Token that ends an answer."""


def read_frame(tokenizer: Tokenizer) -> Frame:
    """Return the frame of a tokenizer's chat template.

    The template is rendered with sentinel words and cut at them; nothing about its format is assumed. A model
    without a template (a base model) gets `bos + words + newline`, ended by its end-of-text token.

    Args:
        tokenizer: a transformers fast tokenizer.

    Returns:
        The frame.

    Raises:
        ConfigError: the template swallows or moves the user's words, or the tokenizer has no end token.
    """
    if tokenizer.chat_template is None:
        return _plain_frame(tokenizer)
    user = {"role": "user", "content": _USER}
    prompt = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    answered = tokenizer.apply_chat_template(
        [user, {"role": "assistant", "content": _ANSWER}], tokenize=False, add_generation_prompt=False
    )
    if prompt.count(_USER) != 1 or answered.count(_ANSWER) != 1:
        raise ConfigError("The chat template does not repeat the user's words once: use another model.")
    opening, reply = prompt.split(_USER)
    ending = tokenizer.encode(answered.split(_ANSWER)[1], add_special_tokens=False)
    if not ending:
        ending = [_end_of_text(tokenizer)]
    return Frame(
        tuple(tokenizer.encode(opening, add_special_tokens=False)),
        tuple(tokenizer.encode(reply, add_special_tokens=False)),
        ending[0],
    )


def _plain_frame(tokenizer: Tokenizer) -> Frame:
    logger.info("The model has no chat template: prompts are plain text (a base model).")
    bos = tokenizer.bos_token_id
    newline = tuple(tokenizer.encode("\n", add_special_tokens=False))
    return Frame(() if bos is None else (bos,), newline, _end_of_text(tokenizer))


def _end_of_text(tokenizer: Tokenizer) -> int:
    if tokenizer.eos_token_id is None:
        raise ConfigError("The tokenizer has neither a chat template nor an end token: use another model.")
    return tokenizer.eos_token_id


def plain_encoder(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    """Return a function from text to token ids that adds no special tokens and reads none out of the text."""

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    return encode


def encode_words(
    encode: Callable[[str], list[int]],
    words: str,
    mentions: Mapping[str, int],
    numbers: Mapping[str, int] | None = None,
) -> list[int]:
    """Tokenise an instruction, quoted item names becoming the items' own tokens, numbers those of places.

    Args:
        encode: token ids of a text, none of them special.
        words: what a person asks, for example `Only from 'Fargo (1996)' and 'Heat (1995)', please.`
        mentions: display name -> token id; empty where items are spelled by their titles anyway.
        numbers: numeral -> token id; numerals that it lacks, and those within years, fractions and
            decimals, are spelled.

    Returns:
        Token ids; text between mentions is tokenised piece by piece, the quotes are dropped, as is the
        blank before a number.
    """
    known = _quoted(words, mentions)
    found = [(left, right, mentions[name]) for left, right, name in known]
    for match in _NUMERAL.finditer(words) if numbers else ():
        token = (numbers or {}).get(match[1])
        apart = all(right <= match.start() or match.end() <= left for left, right, _ in known)
        if token is not None and apart:
            found.append((match.start(), match.end(), token))
    ids: list[int] = []
    start = 0
    for left, right, token in sorted(found):
        ids += encode(words[start:left]) if left > start else []
        ids.append(token)
        start = right
    return ids + (encode(words[start:]) if start < len(words) else [])


_NUMERAL = re.compile(r" ?(?<![\w.,/])(\d+)(?![\w/]| ?%|[.,]\d)")
"""A whole number that stands by itself, with the blank before it."""


_QUOTES = {"'": "'", '"': '"', "“": "”"}
"""Opening and closing: names that hold one kind of quotes stand in another (`control.wording`)."""


def _quoted(words: str, names: Mapping[str, int]) -> list[tuple[int, int, str]]:
    """Return (start, end, name) of each quoted name; the longest wins, as titles may hold apostrophes."""
    quotes = {mark: [i for i, letter in enumerate(words) if letter == mark] for mark in _QUOTES.values()}
    longest = max(map(len, names), default=0)
    found, position = [], 0
    for left, letter in enumerate(words) if longest else ():
        if left < position or letter not in _QUOTES:
            continue
        ends = quotes[_QUOTES[letter]]
        for right in reversed([q for q in ends if left + 1 < q <= left + longest + 1]):
            name = words[left + 1 : right]
            if name in names:
                found.append((left, right + 1, name))
                position = right + 1
                break
    return found
