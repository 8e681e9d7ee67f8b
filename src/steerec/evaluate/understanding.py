"""How well sentences are understood: the request that was read against the one a person wrote down.

Two requests mean the same where they rule the same items by the same bounds, however they are written.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest

from steerec.control.control import LOWER, UPPER, Cap, Control, Wish
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.control.where import mask
from steerec.data.catalog import Catalog
from steerec.errors import DataError, RequestError
from steerec.understand.reading import Reader


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One line of a sentence file."""

    text: str
    request: Request
    kinds: tuple[str, ...] = ()
    """What it is a case of, such as "fraction"."""


def load_sentences(path: Path) -> list[Sentence]:
    """Read a file of JSON lines with `sentence`, `request` and, if given, `kinds`.

    Raises:
        DataError: a line is no such object, or there is none; the message names it.
    """
    found = []
    lines = Path(path).read_text(encoding="utf-8").strip("\n").split("\n")  # U+2028 may stand in JSON
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            request = Request.from_json(json.dumps(row["request"]))
            found.append(Sentence(text=row["sentence"], request=request, kinds=tuple(row.get("kinds", ()))))
        except (ValueError, KeyError, TypeError, RequestError) as error:
            raise DataError(f"{path}, line {number}, is no sentence with its request: {error}") from None
    return found


def meaning(request: Request, catalog: Catalog) -> dict[str, Any]:
    """Return what a request comes to: its parts by name, equal for requests that mean the same.

    Args:
        request: what is asked.
        catalog: N items.

    Raises:
        RequestError: a column, value or item is unknown.
    """
    problem = compile_request(request, catalog)
    return {
        "count": request.count,
        "controls": frozenset(_quotas(problem)),
        "caps": frozenset((cap.labels, cap.indptr.tobytes(), cap.limit) for cap in problem.caps),
        "wishes": frozenset(_wish(wish, catalog) for wish in request.prefer),
        "exclude": problem.blocked_exclude.tobytes(),
        "candidates": problem.blocked_candidates.tobytes(),
        "allow_seen": request.allow_seen,
    }


def _quotas(problem: Problem) -> list[tuple[bytes, int, int, int, int]]:
    """Return the quotas as (members, lower, upper, first, last).

    What every item of the list must and must not be is one set: "no A or B" is no A and no B, "only A, no B"
    is only the A that are not B, "only A, only B" is only what is both.
    """
    allowed = np.ones(problem.num_items, np.bool_)
    whole = (1, problem.count)
    found = []
    for quota in problem.quotas:
        if (quota.first, quota.last) == whole and quota.upper == 0 and quota.lower == 0:
            allowed &= ~quota.mask
        elif (quota.first, quota.last) == whole and quota.lower == problem.count:
            allowed &= quota.mask
        else:
            found.append((quota.mask.tobytes(), quota.lower, quota.upper, quota.first, quota.last))
    if not allowed.all():
        found.append((allowed.tobytes(), problem.count, problem.count, *whole))
    return found


def _wish(wish: Wish, catalog: Catalog) -> tuple[bytes | frozenset[int], float]:
    if wish.where is not None:
        return mask(wish.where, catalog).tobytes(), np.sign(wish.weight)
    return frozenset(catalog.resolve(one) for one in wish.like or ()), np.sign(wish.weight)


def differing_parts(read: Request, meant: Request, catalog: Catalog) -> tuple[str, ...]:
    """Return the names of the parts in which two requests differ; empty where they mean the same.

    Weights of wishes are compared by their sign: people do not say how strong a wish is.

    Args:
        read: what a reader understood; a request that does not fit the catalogue differs in "invalid".
        meant: what a person wrote down.
        catalog: N items.
    """
    try:
        found = meaning(read, catalog)
    except RequestError:
        return ("invalid",)
    wanted = meaning(meant, catalog)
    return tuple(name for name in wanted if found[name] != wanted[name])


def bound_kind(control: Control | Cap) -> str:
    """Return what kind of control it is: "only", "without", "at_least", "share_about in a stretch", "cap"."""
    if isinstance(control, Cap):
        return "cap" if control.at_most is not None else "share cap"
    given = [name for name in dict.fromkeys((*LOWER, *UPPER)) if getattr(control, name) is not None]
    kind = " and ".join(given)
    if kind in ("at_least", "exactly") and getattr(control, kind) == "all":
        kind = "only"
    if kind in ("at_most", "exactly") and getattr(control, kind) == 0:
        kind = "without"
    return kind if control.within is None else f"{kind} in a stretch"


def confusions(read: Request, meant: Request, catalog: Catalog) -> list[tuple[str, str]]:
    """Return (kind meant, kind read) of every control that was read otherwise.

    Controls that both requests have are left out. Of the others, those over the same items are paired first,
    then those of the same kind (the items were wrong), then the rest in order; where one side has none left,
    the other is "missed" or "invented".

    Args:
        read: what a reader understood; it must fit the catalogue.
        meant: what a person wrote down.
        catalog: N items.
    """
    wanted, found = _parts_of(meant, catalog), _parts_of(read, catalog)
    for part in list(wanted):
        if part in found:
            wanted.remove(part)
            found.remove(part)
    pairs = []
    for same in (1, 0, None):  # the items, the kind, whatever is there
        for part in list(wanted):
            other = next((one for one in found if same is None or one[same] == part[same]), None)
            if other is not None:
                wanted.remove(part)
                found.remove(other)
                pairs.append((part[0], f"{other[0]}, of other items" if same == 0 else other[0]))
    pairs += [(kind, "missed") for kind, _, _ in wanted]
    return pairs + [("invented", kind) for kind, _, _ in found]


def _parts_of(request: Request, catalog: Catalog) -> list[tuple[str, bytes, tuple[int, ...]]]:
    """(kind, what it rules, by how much) of every part of a request."""
    parts: list[tuple[str, bytes, tuple[int, ...]]] = [("count", b"", (request.count,))]
    for control in request.controls:
        kind = bound_kind(control)
        if isinstance(control, Cap):
            parts.append((kind, control.each.encode(), (control.limit(request.count),)))
        else:
            numbers = (*control.bounds(request.count), *control.stretch(request.count))
            parts.append((kind, mask(control.where, catalog).tobytes(), numbers))
    for wish in request.prefer:
        kind = "wish" if wish.where is not None else "like"
        sets, sign = _wish(wish, catalog)
        parts.append((kind, repr(sets).encode() if kind == "like" else bytes(sets), (int(sign),)))
    problem = compile_request(request, catalog)
    for kind, blocked in (("exclude", problem.blocked_exclude), ("candidates", problem.blocked_candidates)):
        if blocked.any():
            parts.append((kind, blocked.tobytes(), ()))
    return parts + ([("allow_seen", b"", ())] if request.allow_seen else [])


class Understanding(NamedTuple):
    """What a reader made of a file of sentences."""

    differing: list[tuple[str, ...]]
    """Of each sentence the parts that were read wrong; empty where it was understood."""
    seconds: list[float]
    """Of each sentence, to read it."""
    sentences: list[Sentence]
    confused: list[list[tuple[str, str]]]
    """Of each sentence that was read as a valid request the (kind meant, kind read) that differ."""

    @property
    def confusion(self) -> Mapping[tuple[str, str], int]:
        """Return (kind meant, kind read) -> how often; see `confusions`."""
        return Counter(pair for pairs in self.confused for pair in pairs)

    @property
    def exact(self) -> float:
        """Share of the sentences that were understood exactly."""
        return float(np.mean([not parts for parts in self.differing]))

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of `exact` (Wilson)."""
        right = sum(not parts for parts in self.differing)
        ends = binomtest(right, len(self.differing)).proportion_ci(method="wilson")
        return float(ends.low), float(ends.high)

    @property
    def by_kind(self) -> dict[str, tuple[float, int]]:
        """Return kind -> (share understood, number of sentences)."""
        right: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for parts, sentence in zip(self.differing, self.sentences, strict=True):
            total.update(sentence.kinds)
            right.update(sentence.kinds if not parts else ())
        return {kind: (right[kind] / total[kind], total[kind]) for kind in sorted(total)}

    @property
    def mistakes(self) -> Mapping[str, int]:
        """Return part -> number of sentences in which it was read wrong."""
        return Counter(part for parts in self.differing for part in parts)


def understand_all(reader: Reader, sentences: Sequence[Sentence], catalog: Catalog) -> Understanding:
    """Let a reader read every sentence and compare.

    Args:
        reader: reads one sentence at a time; what it cannot read at all counts as "invalid".
        sentences: with the requests that people wrote down.
        catalog: N items, the same for all.
    """
    differing: list[tuple[str, ...]] = []
    confused: list[list[tuple[str, str]]] = []
    seconds = []
    for sentence in sentences:
        started = time.perf_counter()
        try:
            read = reader.reading(sentence.text).request
        except RequestError:
            read = None
        seconds.append(time.perf_counter() - started)
        parts = ("invalid",) if read is None else differing_parts(read, sentence.request, catalog)
        differing.append(parts)
        comparable = read is not None and parts and parts != ("invalid",)
        confused.append(confusions(read, sentence.request, catalog) if comparable and read else [])
    return Understanding(differing, seconds, list(sentences), confused)
