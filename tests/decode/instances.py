"""Random requests over random catalogues near the edge of feasibility, and a model that is a table of logits.

A group is a catalogue, its identifier and R requests; everything follows from the group's number.

Legend: R requests, N items, V vocabulary, C contexts (last tokens), K list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from small_models import END_ID, FIRST_LETTER, FIRST_MARKER, CodeIdentifier, TinyLM, atomic

from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.evaluate.oracle import matches, violations, work_of
from steerec.items.identifier import Identifier

FIRST_REQUEST = 1000
MARKED = FIRST_MARKER + 4
"""Last token before a code."""
LETTERS = 12
GENRES = ("Action", "Comedy", "Crime", "Drama", "Horror", "Sci-Fi")
LOGITS = ("uniform", "adversarial", "random", "impossible")
Record = dict[str, Any]


@dataclass(frozen=True)
class Instance:
    """A raw request, and the problem that it compiles to."""

    record: Record
    history: tuple[str, ...]
    request: Request
    problem: Problem
    planted: tuple[str, ...]
    """Ids of the list that the bounds were read off; where it satisfies, the request is feasible."""
    logits: str


@dataclass(frozen=True)
class Group:
    """Requests over one catalogue."""

    catalog: Catalog
    table: dict[str, Record]
    identifier: Identifier
    instances: list[Instance]

    def broken(self, instance: Instance, items: Sequence[int]) -> list[str]:
        """What the independent oracle finds wrong with a list of indices."""
        served = [self.catalog.item_ids[item] for item in items]
        return violations(instance.record, served, self.table, instance.history)


def make_group(number: int, size: int = 50) -> Group:
    rng = np.random.default_rng([number, 77])
    is_small = number % 4 == 0  # lists can be written out
    num_items = int(rng.integers(3, 8)) if is_small else int(rng.integers(8, rng.choice([30, 201, 201])))
    catalog, table = random_catalog(num_items, rng)
    kind = (number // 4) % 3
    identifier = atomic(num_items) if kind == 0 else spread_codes(num_items, rng, extra=0.4 * (kind == 2))
    instances = []
    for place in range(size):
        record, history, planted = random_request(table, 4 if is_small else 10, rng)
        request = Request(**record)
        problem = compile_request(request, catalog, [catalog.index(item) for item in history])
        instances.append(Instance(record, history, request, problem, planted, LOGITS[place % 4]))
    return Group(catalog, table, identifier, instances)


def random_catalog(num_items: int, rng: np.random.Generator) -> tuple[Catalog, dict[str, Record]]:
    """Items with list and scalar attributes, nulls among them; some works have several, often unlike."""
    num_directors = max(2, num_items // int(rng.integers(2, 8)))
    twins = rng.choice([0.0, 0.2, 0.5])
    ids, works = [f"i{k}" for k in range(num_items)], [f"w{k}" for k in range(num_items)]
    rows = []
    for k, item in enumerate(ids):
        like = int(rng.integers(k)) if k and rng.random() < twins else None
        row = rows[like].copy() if like is not None and rng.random() < 0.5 else random_row(num_directors, rng)
        works[k] = works[like] if like is not None else works[k]
        rows.append(row | {"item_id": item, "title": f"Title {k}", "work_id": works[k]})
    rows[0] |= {"director": "Director 0", "categories": ["Drama"], "actors": ["Actor 0"], "year": 1990}
    types = {"director": "category", "categories": "categories", "actors": "categories", "year": "number"}
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return Catalog.from_frame(frame, types=types, noun="films"), {row["item_id"]: row for row in rows}


def random_row(num_directors: int, rng: np.random.Generator) -> Record:
    return {
        "categories": rng.choice(GENRES, size=rng.integers(0, 4), replace=False).tolist(),
        "actors": [
            f"Actor {k}" for k in rng.choice(max(4, num_directors), rng.integers(0, 4), replace=False)
        ],
        "director": f"Director {rng.integers(num_directors)}" if rng.random() < 0.9 else None,
        "year": int(rng.integers(1980, 2000)) if rng.random() < 0.9 else None,
    }


def spread_codes(num_items: int, rng: np.random.Generator, *, extra: float) -> Identifier:
    """Codes of 1 to 4 of twelve letters; some items have several."""
    codes: dict[tuple[int, ...], None] = {}
    while len(codes) < num_items * (1 + extra):
        codes[tuple((FIRST_LETTER + rng.integers(LETTERS, size=rng.integers(1, 5))).tolist())] = None
    forms = list(codes)
    spellings = [[form] for form in forms[:num_items]]
    for form in forms[num_items:]:
        spellings[rng.integers(num_items)].append(form)
    return CodeIdentifier(spellings)


def random_request(
    table: Mapping[str, Record], most: int, rng: np.random.Generator
) -> tuple[Record, tuple[str, ...], tuple[str, ...]]:
    """A request read off a planted list, then pushed over the edge or not."""
    ids = list(table)
    order = [ids[k] for k in rng.permutation(len(ids))]
    one_each = {work_of(item, table[item]): item for item in order}
    count = int(rng.integers(1, min(most, len(one_each)) + 1))
    planted = tuple(rng.permutation(list(one_each.values()))[:count].tolist())
    record: Record = {"count": count}
    others = [item for item in order if item not in planted]
    if rng.random() < 0.65:  # a small supply: the planted items and a few more
        record["candidates"] = sorted([*planted, *others[: int(rng.integers(0, 5))]])
    own = {work_of(item, table[item]) for item in planted}
    strangers = [item for item in others if work_of(item, table[item]) not in own]
    history = tuple(strangers[: int(rng.integers(0, 4))]) if rng.random() < 0.4 else ()
    if rng.random() < 0.3:
        record["exclude"] = strangers[-int(rng.integers(1, 4)) :]
    if rng.random() < 0.1:
        record["allow_seen"] = True
    controls = list(random_controls(table, planted, rng))
    if controls and rng.random() < 0.85:
        push_over(controls[rng.integers(len(controls))], count)
    if rng.random() < 0.08:
        history = (*history, planted[0])  # one item of the supply less
    record["controls"] = controls
    return record, history, planted


def random_controls(
    table: Mapping[str, Record], planted: Sequence[str], rng: np.random.Generator
) -> Iterator[Record]:
    count = len(planted)
    for _ in range(int(rng.choice(6, p=[0.08, 0.2, 0.24, 0.2, 0.16, 0.12]))):
        where = random_where(table, rng)
        first, last = 1, count
        control: Record = {"where": where}
        if rng.random() < 0.35:
            first, last = sorted(int(x) for x in rng.integers(1, count + 1, size=2))
            control["within"] = [first, last]
        hit = sum(matches(where, item, table[item]) for item in planted[first - 1 : last])
        yield control | random_bounds(hit, last - first + 1, rng)
    for column in rng.permutation(["director", "actors", "categories", "year"])[
        : rng.choice(3, p=[0.5, 0.3, 0.2])
    ]:
        shown = [table[item][column] for item in planted]
        values = [
            one for row in shown for one in (row if isinstance(row, list) else [row]) if one is not None
        ]
        highest = max((values.count(value) for value in values), default=1)
        yield {"each": str(column), "at_most": min(highest + int(rng.random() < 0.3), count)}


def random_bounds(hit: int, length: int, rng: np.random.Generator) -> Record:
    """Bounds that `hit` items of `length` satisfy, mostly closely."""
    lower = max(0, hit - int(rng.choice([0, 0, 0, 1, 2])))
    upper = min(length, hit + int(rng.choice([0, 0, 0, 1, 2])))
    form = rng.choice(["at_least", "at_most", "both", "exactly", "all", "share"])
    if form == "all" and hit == length:
        return {"at_least": "all"}
    if form == "exactly":
        return {"exactly": hit}
    if form == "at_most":
        return {"at_most": upper}
    if form == "share":
        return {"share_at_least": f"{lower}/{length}", "share_at_most": f"{upper}/{length}"}
    return {"at_least": lower} | ({"at_most": upper} if form == "both" else {})


def push_over(control: Record, count: int) -> None:
    """Move one bound by one item against the planted list."""
    if control.get("at_least", "all") != "all":
        control["at_least"] += 1
        if "at_most" in control:
            control["at_most"] = max(control["at_most"], control["at_least"])
    elif control.get("at_most"):
        control["at_most"] -= 1
    elif control.get("exactly", count) < count:
        control["exactly"] += 1


def random_where(table: Mapping[str, Record], rng: np.random.Generator, *, nested: bool = True) -> Record:
    ids = list(table)
    row = table[ids[rng.integers(len(ids))]]
    kind = rng.choice(["categories", "categories", "director", "actors", "year", "items", "nested"])
    if kind in ("categories", "actors") and row[kind]:
        return {kind: str(rng.choice(row[kind]))}
    if kind == "director" and row["director"]:
        other = table[ids[rng.integers(len(ids))]]["director"]
        return {"director": sorted({row["director"], other or row["director"]})}
    if kind == "items":
        return {"items": rng.choice(ids, size=rng.integers(1, len(ids) + 1), replace=False).tolist()}
    if kind == "nested" and nested:
        parts = [random_where(table, rng, nested=False) for _ in range(2)]
        forms: list[Record] = [{"any": parts}, {"all": parts}, {"not": parts[0]}]
        return forms[rng.integers(3)]
    return {"year": {str(rng.choice(["ge", "le"])): row["year"] or 1990}}


class TableModel(torch.nn.Module):
    """Next-token logits by request and last token; the request is the largest token that the cache holds."""

    dtype = torch.float32
    config = type("Config", (), {"num_hidden_layers": 1})

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.as_tensor(logits, dtype=torch.float32), requires_grad=False)

    def forward(
        self, input_ids: torch.Tensor, past_key_values: Any, logits_to_keep: Any = 0, **_: object
    ) -> object:
        states = input_ids[:, None, :, None].float()
        keys, _values = past_key_values.update(states, states, 0)
        request = keys.amax(dim=(1, 2, 3)).long() - FIRST_REQUEST  # (B,)
        tokens = input_ids
        if isinstance(logits_to_keep, torch.Tensor):
            tokens = input_ids[:, logits_to_keep]
        elif logits_to_keep:
            tokens = input_ids[:, -logits_to_keep:]
        return type("Output", (), {"logits": self.following(request, tokens)})

    def following(self, request: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return self.logits[request[:, None], tokens.clamp(max=self.logits.shape[1] - 1)]


def table_lm(group: Group, instances: Sequence[Instance], seed: int) -> TinyLM:
    """A model with a table of its own for each request; request r is prompted by `prompts(...)[r]`."""
    logits = np.stack([request_logits(group, one, [seed, r]) for r, one in enumerate(instances)])
    return TinyLM(TableModel(logits), group.identifier)


def prompts(instances: Sequence[Instance], rng: np.random.Generator) -> list[list[int]]:
    """Prompts of unequal lengths that carry the number of their request."""
    return [[FIRST_LETTER] * int(rng.integers(0, 4)) + [FIRST_REQUEST + r] for r in range(len(instances))]


def request_logits(group: Group, instance: Instance, seed: list[int]) -> np.ndarray:
    """(C, V) logits: flat, random, mostly -inf, or 50 nats on what leads to items that break the request."""
    identifier, rng = group.identifier, np.random.default_rng(seed)
    is_atomic = identifier.separator == ()
    width = FIRST_LETTER + (identifier.num_items if is_atomic else LETTERS)
    contexts = 1 if is_atomic else width
    if instance.logits == "uniform":
        return np.zeros((contexts, width))
    logits = rng.standard_normal((contexts, width)) * 3
    if instance.logits == "random":
        return logits
    if instance.logits == "impossible":
        logits[rng.random(logits.shape) < 0.7] = -np.inf
        logits[:, END_ID] = 0  # something follows everything
        return logits
    badness = how_bad(instance.problem)
    for item in np.argsort(badness, kind="stable"):  # the worst are written last
        for form in identifier.spell(int(item)):
            before = (0,) if is_atomic else (MARKED, *form)
            for last, token in zip(before, (*form, *identifier.separator), strict=True):
                if badness[item] > 0:
                    logits[last, token] = 50 * badness[item] / badness.max() + 1e-3 * rng.random()
    return logits


def how_bad(problem: Problem) -> np.ndarray:
    """(N,) how much of a request an item stands against."""
    bad = 3.0 * ~problem.allowed
    for quota in problem.quotas:
        length = quota.last - quota.first + 1
        bad += quota.mask * (quota.upper < length) * (length - quota.upper) / length
        bad += ~quota.mask * min(quota.lower, length) / length
    for cap in problem.caps:
        bad += (np.diff(cap.indptr) > 0) * (cap.limit < problem.count) * 0.5
    return bad


def read_answer(lm: TinyLM, tokens: Sequence[int], count: int) -> tuple[int, ...]:
    """Items of an answer up to its end token; every line must be a marker and a spelling."""
    identifier, items = lm.identifier, []
    forms = {
        (*form, *identifier.separator): item
        for item in range(identifier.num_items)
        for form in identifier.spell(item)
    }
    rest = tuple(tokens[: tokens.index(lm.end_id)])
    while rest:
        marker = tuple(identifier.marker(len(items) + 1, count))
        assert rest[: len(marker)] == marker
        rest = rest[len(marker) :]
        form = next((rest[:k] for k in range(1, len(rest) + 1) if rest[:k] in forms), None)
        assert form is not None, f"{rest} begins with no item"
        items.append(forms[form])
        rest = rest[len(form) :]
    return tuple(items)
