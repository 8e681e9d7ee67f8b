"""Thumbs become preference pairs: what was liked beside what it should have beaten, for DPO.

A confirmed feedback is on the disk. The file of feedback is the truth; that of pairs is made from it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from steerec.errors import SteerecError
from steerec.serve.engine import Recommendation
from steerec.serve.http.journal import JsonLines, now

Thumb = Literal["up", "down"]


class UnknownAnswer(SteerecError):  # noqa: N818  (a state, not a fault)
    """Feedback names an answer that is not remembered, or an item that was not in it."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """An answer that feedback may name."""

    request_id: str
    model: str
    catalogue_version: str
    user_id: str | None
    prompt: str
    """The sentence that stands for the request."""
    past: tuple[str, ...]
    """Titles of the history, oldest first."""
    answer: Recommendation
    thumbs: dict[str, Thumb] = field(default_factory=dict)
    """Feedback so far, by item id."""
    feedback_ids: set[str] = field(default_factory=set)
    """Of the feedback so far."""


def preferences(order: Sequence[str], thumbs: Mapping[str, Thumb]) -> list[tuple[str, str]]:
    """Return (chosen, rejected) pairs that thumbs on a list say.

    A liked item beats every disliked one and, since the user passed them over, the items above it that have
    no thumb; where there are none, the next one below. A disliked item also loses to the nearest item without
    a thumb, first looking down.

    Args:
        order: item ids as they were shown, best first.
        thumbs: by item id; items of `order` only.

    Example:
        >>> preferences(["a", "b", "c"], {"b": "up"})
        [('b', 'a')]
        >>> preferences(["a", "b", "c"], {"a": "down", "c": "up"})
        [('c', 'a'), ('c', 'b'), ('b', 'a')]
    """
    liked = [item for item in order if thumbs.get(item) == "up"]
    disliked = [item for item in order if thumbs.get(item) == "down"]
    pairs = [(up, down) for up in liked for down in disliked]
    for up in liked:
        above, below = _without_thumb(order, up, thumbs)
        pairs += [(up, item) for item in above or below[:1]]
    for down in disliked:
        above, below = _without_thumb(order, down, thumbs)
        pairs += [(item, down) for item in below[:1] or above[-1:]]
    return list(dict.fromkeys(pairs))


def _without_thumb(
    order: Sequence[str], item: str, thumbs: Mapping[str, Thumb]
) -> tuple[list[str], list[str]]:
    place = order.index(item)
    above = [one for one in order[:place] if one not in thumbs]
    return above, [one for one in order[place + 1 :] if one not in thumbs]


def preference_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the pair file that one feedback gives: `prompt`, `chosen`, `rejected` and ids.

    Args:
        record: a line of the feedback file.
    """
    titles = record["titles"]
    past = "".join(f"{title}\n" for title in record["past"])
    prompt = f"Seen, oldest first:\n{past}\n{record['prompt']}" if past else record["prompt"]
    same = ("feedback_id", "request_id", "user_id", "model", "catalogue_version", "request", "history")
    return [
        {
            "prompt": prompt,
            "chosen": titles[chosen],
            "rejected": titles[rejected],
            "chosen_id": chosen,
            "rejected_id": rejected,
            **{name: record[name] for name in same},
        }
        for chosen, rejected in record["pairs"]
    ]


class FeedbackBook:
    """Remembers recent answers, takes thumbs on them, writes feedback and pairs."""

    def __init__(self, folder: Path, *, most: int) -> None:
        """Open the files; the pairs are made anew, so that they always say what the feedback says.

        Args:
            folder: where `serve.feedback.jsonl` and `serve.preferences.jsonl` lie.
            most: answers remembered; the oldest go first.
        """
        self._most, self._lock = most, threading.Lock()
        self._served: OrderedDict[str, Served] = OrderedDict()
        self._feedback = JsonLines(folder / "serve.feedback.jsonl", durable=True)
        (folder / "serve.preferences.jsonl").unlink(missing_ok=True)
        self._pairs = JsonLines(folder / "serve.preferences.jsonl", durable=False)
        self._pairs.append(*_rows(self._feedback.records()))

    def remember(self, served: Served) -> None:
        """Keep an answer so that feedback can name it."""
        with self._lock:
            self._served[served.request_id] = served
            self._served.move_to_end(served.request_id)
            while len(self._served) > self._most:
                self._served.popitem(last=False)

    def answer(self, request_id: str) -> Served:
        """Return an answer by the id of its request.

        Raises:
            UnknownAnswer: it is not remembered.
        """
        with self._lock:
            return self._known(request_id, {})

    def add(self, request_id: str, thumbs: Mapping[str, Thumb]) -> tuple[str, int]:
        """Take thumbs on an answer; when this returns they are on the disk.

        Args:
            request_id: of the answer.
            thumbs: by item id; they replace earlier ones on the same items.

        Returns:
            Id of the feedback, and the number of new pairs.

        Raises:
            UnknownAnswer: the answer is not remembered, or an item was not in it.
        """
        with self._lock:
            served = self._known(request_id, thumbs)
            titles = {item.item_id: item.title for item in served.answer.items}
            before = preferences(list(titles), served.thumbs)
            merged = {**served.thumbs, **thumbs}
            after = preferences(list(titles), merged)
            pairs = [pair for pair in after if pair not in before]
            record = {
                "feedback_id": uuid4().hex,
                "time": now(),
                "request_id": served.request_id,
                "user_id": served.user_id,
                "model": served.model,
                "catalogue_version": served.catalogue_version,
                "request": served.answer.certificate.request.model_dump(mode="json"),
                "prompt": served.prompt,
                "history": list(served.answer.history),
                "past": list(served.past),
                "titles": titles,
                "thumbs": dict(thumbs),
                "pairs": [list(pair) for pair in pairs],
            }
            self._feedback.append(record)
            served.thumbs.update(thumbs)
            if not set(before) <= set(after):  # a thumb was changed, or given to what had been passed over
                self._pairs.keep(
                    lambda row: row["feedback_id"] not in served.feedback_ids or _pair(row) in after
                )
            served.feedback_ids.add(str(record["feedback_id"]))
            self._pairs.append(*preference_rows(record))
        return str(record["feedback_id"]), len(pairs)

    def _known(self, request_id: str, thumbs: Mapping[str, Thumb]) -> Served:
        served = self._served.get(request_id)
        if served is None:
            raise UnknownAnswer(
                f"No answer with the request id {request_id} is remembered: only the last {self._most:,} "
                "since the start of the service are. Ask for the list again."
            )
        shown = {item.item_id for item in served.answer.items}
        if strange := [item for item in thumbs if item not in shown]:
            raise UnknownAnswer(f'The answer {request_id} did not show the item "{strange[0]:.80}".')
        return served

    def erase(self, user_id: str) -> int:
        """Forget a user's answers, feedback and pairs; return the number of feedbacks that went."""
        with self._lock:
            for request_id in [key for key, one in self._served.items() if one.user_id == user_id]:
                del self._served[request_id]
            gone = self._feedback.keep(lambda record: record["user_id"] != user_id)
            self._pairs.keep(lambda record: record["user_id"] != user_id)
        return gone

    def close(self) -> None:
        """Close the files."""
        self._feedback.close()
        self._pairs.close()


def _rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of the pair file: of each answer the pairs that hold under all its thumbs."""
    thumbs: dict[Any, dict[str, Thumb]] = {}
    for record in records:
        thumbs.setdefault(_answer_of(record), {}).update(record["thumbs"])
    rows: dict[Any, dict[str, Any]] = {}
    for record in records:
        answer = _answer_of(record)
        holding = preferences(list(record["titles"]), thumbs[answer])
        for row in preference_rows(record):
            rows.pop((answer, _pair(row)), None)  # what went and came back belongs to the later feedback
            if _pair(row) in holding:
                rows[answer, _pair(row)] = row
    return list(rows.values())


def _answer_of(record: Mapping[str, Any]) -> tuple[str, str | None, tuple[str, ...]]:
    """Return what names an answer: clients may give two answers the same request id."""
    return record["request_id"], record["user_id"], tuple(record["titles"])


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["chosen_id"], row["rejected_id"]
