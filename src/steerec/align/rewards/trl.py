"""The rewards behind the signature of TRL's trainers, for text answers; TRL itself is not needed.

A reward function is called as `f(prompts=..., completions=..., **columns)` with one entry per completion and
returns one number each. Completions are texts, or conversations whose last message is the answer. Columns are
those of the data set, repeated for every completion; `request`, `history` and `target` are spelled as in
instruction rows (`instruct.row_file`).

Legend: B completions, N items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steerec.align.rewards.own import PARTS, References, RewardConfig, earned, label_matrix, reward_lists
from steerec.align.rewards.published import Cases, as_rows, list_rewards, teacher_ranks
from steerec.control.attribute import attribute_index
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request, wishes
from steerec.data.catalog import Catalog
from steerec.items.identifier import Decode, Encode, Identifier

RewardFunction = Callable[..., list[float]]
"""`(prompts, completions, **columns) -> B rewards`."""
Read = Callable[[str], Sequence[int | None]]
"""Text of an answer -> its entries; None where an entry is no item."""
Scores = Callable[[Sequence[Sequence[int]]], NDArray[np.floating]]
"""B histories -> (B, N) teacher scores in nats, the history not masked."""

_COMPILED = 4096
"""Problems to keep compiled."""


def answer_reader(identifier: Identifier, encode: Encode, decode: Decode) -> Read:
    """Return what reads text answers with an identifier.

    Args:
        identifier: how items are spelled.
        encode: token ids of a text, nothing added; tokens of items in the text become their ids.
        decode: text of token ids, special tokens included.
    """
    return lambda text: identifier.parse(encode(text), decode)


class _Row(NamedTuple):
    """What one completion is judged by; equal rows but for the answer share their problem."""

    request: str
    history: tuple[int, ...]
    target: int | None
    answer: str


def own_rewards(
    catalog: Catalog, read: Read, config: RewardConfig, *, teacher: Scores | None = None
) -> dict[str, RewardFunction]:
    """Return one reward function for every part that has a weight; their sum is the total of `reward_lists`.

    They read the columns `request` (JSON), `history` (item indices, oldest first) and `target` (an index or
    None). Weights are inside, so the trainer's own weights stay 1.

    Args:
        catalog: N items.
        read: see `answer_reader`.
        config: weights.
        teacher: needed for regret.

    Raises:
        RequestError: diversity has a weight, and the catalogue lacks its column.
    """
    labels = label_matrix(catalog, config.diversity_column) if config.diversity else None
    references = References()

    @lru_cache(maxsize=_COMPILED)
    def compiled(request: str, history: tuple[int, ...], target: int | None) -> tuple[Request, Problem]:
        del target  # part of the key: a reference belongs to a problem and a target
        asked = Request.from_json(request)
        return asked, compile_request(asked, catalog, history)

    @lru_cache(maxsize=1)  # the functions are called one after the other with the same batch
    def judged(rows: tuple[_Row, ...]) -> list[dict[str, float]]:
        groups: dict[tuple[str, tuple[int, ...], int | None], list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault(row[:3], []).append(number)
        found: list[dict[str, float]] = [{} for _ in rows]
        table = None if teacher is None else teacher([history for _, history, _ in groups])
        for place, ((words, history, target), numbers) in enumerate(groups.items()):
            request, problem = compiled(words, history, target)
            scores = None if table is None else table[place] + wishes(request, catalog)
            reference = references.of(problem, history=history, target=target, scores=scores)
            lists = [read(rows[number].answer) for number in numbers]
            rewards = reward_lists(lists, problem, reference, config, scores=scores, labels=labels)
            for name, values in earned(rewards.parts).items():
                for number, value in zip(numbers, values.tolist(), strict=True):
                    found[number][name] = getattr(config, name) * value
        return found

    def function_of(part: str) -> RewardFunction:
        def reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
            del prompts
            return [row[part] for row in judged(_rows(completions, columns))]

        reward.__name__ = part  # the trainer logs it
        return reward

    return {part: function_of(part) for part in PARTS if getattr(config, part)}


def published_reward(catalog: Catalog, read: Read, *, teacher: Scores, column: str) -> RewardFunction:
    """Return the published list reward as a reward function; see `published.list_rewards`.

    It reads the columns `task` (a name of `published.Task`), `count`, `history`, `target`, `category` (a
    value of the catalogue's column, or None) and `quota` (an int or None).

    Args:
        catalog: N items.
        read: see `answer_reader`.
        teacher: ranks the catalogue.
        column: column of the catalogue that categories are values of.

    Raises:
        RequestError: the catalogue lacks the column, or later, the column lacks a category.
    """
    attribute = attribute_index(catalog).attribute(column)

    def published_reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        del prompts
        lists = [[-1 if item is None else item for item in read(_text(one))] for one in completions]
        members = np.zeros((len(lists), len(catalog)), np.bool_)
        for row, category in enumerate(columns["category"]):
            if category is not None:
                members[row] = attribute.carrying(category)
        cases = Cases(
            tasks=columns["task"],
            items=as_rows(lists),
            lengths=np.array([len(items) for items in lists], dtype=np.int64),
            counts=np.array(columns["count"], dtype=np.int64),
            histories=as_rows(columns["history"]),
            targets=np.array(columns["target"], dtype=np.int64),
            teacher_ranks=teacher_ranks(teacher(columns["history"])),
            members=members,
            quotas=np.array([quota or 0 for quota in columns["quota"]], dtype=np.int64),
        )
        return [float(reward) for reward in list_rewards(cases)]

    return published_reward


def _rows(completions: Sequence[Any], columns: Mapping[str, Sequence[Any]]) -> tuple[_Row, ...]:
    histories = [tuple(int(item) for item in history or ()) for history in columns["history"]]
    texts = [_text(completion) for completion in completions]
    return tuple(map(_Row, columns["request"], histories, columns["target"], texts))


def _text(completion: Any) -> str:
    """Return the text of a completion, or of the last message of a conversation."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])
