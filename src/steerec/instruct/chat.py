"""General conversation, so that a model trained on lists can still answer a greeting or a plain question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from steerec.data.catalog import read_parquet
from steerec.errors import DataError

Pair = tuple[str, str]
Part = Literal["train", "valid"]

_ARITHMETIC_SHARE = 0.2
_VALID_EVERY = 10
"""One pair in so many is kept for validation."""


class Chat:
    """Questions with answers in words: a tenth is kept for validation."""

    def __init__(self, pairs: Iterable[Pair], arithmetic: Iterable[Pair] = ()) -> None:
        everything = tuple(pairs)
        self._arithmetic = tuple(arithmetic)
        valid = everything[_VALID_EVERY - 1 :: _VALID_EVERY]
        kept = set(range(len(everything))) - set(range(_VALID_EVERY - 1, len(everything), _VALID_EVERY))
        self.pairs: Mapping[Part, tuple[Pair, ...]] = {
            "train": tuple(everything[place] for place in sorted(kept)),
            "valid": valid or everything,
        }

    def draw(self, rng: np.random.Generator, part: Part) -> Pair:
        """Draw a question and its answer."""
        if self._arithmetic and rng.random() < _ARITHMETIC_SHARE:
            return self._sum(rng)
        pairs = self.pairs[part]
        return pairs[int(rng.integers(len(pairs)))]

    def _sum(self, rng: np.random.Generator) -> Pair:
        question, answer = self._arithmetic[int(rng.integers(len(self._arithmetic)))]
        a, b = int(rng.integers(1, 21)), int(rng.integers(1, 21))
        slots = {"a": a, "b": b, "sum": a + b, "product": a * b, "next": a + 1, "big": a + b + 1}
        return question.format(**slots), answer.format(**slots)


@lru_cache(maxsize=1)
def default_chat() -> Chat:
    """Return the conversation that comes with the package: short, true and harmless."""
    file = resources.files("steerec.instruct") / "chat.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    return Chat(map(_pair, content["pairs"]), map(_pair, content["arithmetic"]))


def load_chat(path: Path) -> Chat:
    """Read a conversation of one's own.

    Args:
        path: Parquet or JSONL with the columns `prompt` and `completion`, or `messages` (a list of
            `{"role", "content"}`: the last user turn and the answer to it are used).

    Raises:
        DataError: there is no such file, it has neither form, or it holds no pair.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        records: Iterable[Any] = read_parquet(path).iter_rows(named=True)
    elif path.suffix in (".jsonl", ".ndjson") and path.is_file():
        records = _lines(path)
    else:
        raise DataError(
            f"{path} is no conversation file. Give a readable file that ends in .parquet, .jsonl or .ndjson."
        )
    pairs = [pair for record in records if (pair := _read(record, path))]
    if not pairs:
        raise DataError(f"{path} holds no question with an answer: give at least one, or leave the file out.")
    return Chat(pairs)


def _lines(path: Path) -> Iterator[Any]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}, line {number} is no JSON: {error.msg}. Mend or drop it.") from None


def _read(record: Any, path: Path) -> Pair | None:
    if isinstance(record, Mapping) and "prompt" in record and "completion" in record:
        return _pair((record["prompt"], record["completion"]))
    if isinstance(record, Mapping) and "messages" in record:
        turns = [(turn.get("role"), str(turn.get("content") or "")) for turn in record["messages"] or []]
        for asked, answered in zip(reversed(turns[:-1]), reversed(turns[1:]), strict=True):
            if (asked[0], answered[0]) == ("user", "assistant") and asked[1] and answered[1]:
                return asked[1], answered[1]
        return None
    raise DataError(
        f"{path} holds a record without prompt and completion, and without messages: {str(record)[:80]}. "
        "Give each record either the two texts or a list of messages."
    )


def _pair(entry: Iterable[Any]) -> Pair:
    question, answer = entry
    return str(question), str(answer)
