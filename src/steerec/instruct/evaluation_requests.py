"""The fixed control requests of an evaluation: drawn once by seed, the same for every row of a table.

Categories come from the target, the history or the teacher's list, never from the model that is evaluated;
requests with a category drawn at random are marked. Every request can be satisfied.

Legend: B points scored together, N items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from steerec.artifacts import atomic_path
from steerec.config import Config
from steerec.control.phrases import render
from steerec.control.request import Request, compile_request
from steerec.data.split import Point, Split
from steerec.instruct.attributes import Attributes, Ints
from steerec.instruct.choice import Situation, bound, draw_category, draw_range
from steerec.instruct.compound import BOUNDS, cap, draw_controls, position
from steerec.instruct.labels import best_items, is_admissible, label_request, obeys, seen_mask
from steerec.instruct.mixture import UNSEEN_COUNTS, CategorySources, MixtureConfig
from steerec.instruct.tasks import draw_candidates, make_request
from steerec.progress import progress
from steerec.seeding import numpy_rng

_DRAWING = MixtureConfig(
    full_length_share=0.7,
    binding_share=0.75,
    include_sources=CategorySources(target=0.5, history=0.25, teacher=0.25, uniform=0),
    limit_sources=CategorySources(target=0.1, history=0.4, teacher=0.5, uniform=0),
)
_TARGET = CategorySources(target=1, history=0, teacher=0, uniform=0)
_RANDOM = CategorySources(target=0, history=0, teacher=0, uniform=1)
_LEAST_BOUNDED = 4
_BEST = 64
_CHUNK = 512
_ATTEMPTS = 20

SCHEMA: dict[str, Any] = {
    "request_id": pl.String,
    "kind": pl.String,
    "user": pl.Int64,
    "position": pl.Int64,
    "request": pl.String,
    "sentence_seen": pl.String,
    "sentence_unseen": pl.String,
    "target_admissible": pl.Boolean,
    "random_category": pl.Boolean,
    "phrasing": pl.String,
    "seed": pl.Int64,
}
"""Columns of a request file; histories and targets are looked up in the split by user and position."""


class RequestsConfig(Config):
    """How many evaluation requests, and how candidates are drawn."""

    num_requests: int = Field(1024, ge=1)
    """Requests, spread evenly over the kinds that the catalogue can serve."""
    seed: int = 0
    """Of every draw."""
    max_candidates: int = Field(20, ge=12)
    """Longest candidate list."""


class Drawn(NamedTuple):
    """A request and whether its category was drawn at random."""

    request: Request
    is_random: bool = False


Draw = Callable[[Situation, np.random.Generator, RequestsConfig], Drawn | None]


def _include(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    del config
    category = draw_category(situation, rng, _TARGET)
    if category is None or category.source != "target":
        return None
    control = {"where": category.where, "at_least": "all"}
    return Drawn(make_request(_DRAWING.draw_count(rng), [control]))


def _include_random(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    del config
    category = draw_category(situation, rng, _RANDOM)
    if category is None:
        return None
    control = {"where": category.where, "at_least": "all"}
    return Drawn(make_request(_DRAWING.draw_count(rng), [control]), True)


def _exclude(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    del config
    category = draw_category(situation, rng, _DRAWING.limit_sources, avoid_target=True)
    if category is None:
        return None
    control = {"where": category.where, "at_most": 0}
    return Drawn(make_request(_DRAWING.draw_count(rng), [control]), category.source == "uniform")


def _bounded(name: str) -> Draw:
    is_limit = name in ("at_most", "share_at_most", "share_less_than")
    sources = _DRAWING.limit_sources if is_limit else _DRAWING.include_sources

    def draw(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
        del config
        category = draw_category(situation, rng, sources)
        if category is None:
            return None
        count = _DRAWING.draw_count(rng, least=_LEAST_BOUNDED)
        control = bound(name, category, situation, count, rng, _DRAWING.binding_share)
        return Drawn(make_request(count, [control]), category.source == "uniform")

    return draw


def _count(lengths: Sequence[int]) -> Draw:
    def draw(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
        del situation, config
        return Drawn(make_request(int(rng.integers(lengths[0], lengths[-1] + 1)), []))

    return draw


def _candidates(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    count = _DRAWING.draw_count(rng)
    size = int(rng.integers(count + 1, config.max_candidates + 1))
    chosen = draw_candidates(situation, rng, size)
    ids = [situation.attributes.catalog.item_ids[item] for item in chosen]
    return Drawn(make_request(count, [], candidates=ids)) if len(ids) > count else None


def _range(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    del config
    where, count = draw_range(situation, rng), _DRAWING.draw_count(rng)
    if where is None:
        return None
    least = "all" if rng.random() < 0.5 else int(rng.integers(1, count + 1))
    return Drawn(make_request(count, [{"where": where, "at_least": least}]))


def _cap(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    del config
    count = _DRAWING.draw_count(rng, least=_LEAST_BOUNDED)
    control = cap(situation, rng, count, _DRAWING)
    return Drawn(make_request(count, [control])) if control else None


def _position(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
    del config
    count = _DRAWING.draw_count(rng, least=_LEAST_BOUNDED)
    control = position(situation, rng, count, _DRAWING)
    return Drawn(make_request(count, [control])) if control else None


def _compound(number: int) -> Draw:
    def draw(situation: Situation, rng: np.random.Generator, config: RequestsConfig) -> Drawn | None:
        del config
        count = _DRAWING.draw_count(rng, least=_LEAST_BOUNDED)
        controls = draw_controls(situation, rng, number, count, _DRAWING)
        return Drawn(make_request(count, controls)) if controls else None

    return draw


KINDS: dict[str, tuple[str, Draw]] = {
    "include_category": ("include_category", _include),
    "include_category_random": ("include_category", _include_random),
    "exclude_category": ("exclude_category", _exclude),
    **{name: (name, _bounded(name)) for name in BOUNDS},
    "item_count": ("item_count", _count(range(1, 11))),
    "item_count_unseen": ("item_count_unseen", _count(UNSEEN_COUNTS)),
    "candidates": ("candidates", _candidates),
    "range": ("range", _range),
    "cap": ("cap", _cap),
    "position": ("position", _position),
    **{f"compound_{number}": (f"compound_{number}", _compound(number)) for number in (2, 3, 4)},
}
"""Stratum -> the kind it is reported as, and how it is drawn."""


def build_requests(
    split: Split,
    points: Sequence[Point],
    teacher_scores: Callable[[list[Ints]], NDArray[np.float32]],
    config: RequestsConfig,
    phrasing: Literal["unseen", "validation"] = "unseen",
) -> pl.DataFrame:
    """Draw the requests of an evaluation.

    Args:
        split: for its catalogue.
        points: the predictions they are asked at, such as `split.points("test")`.
        teacher_scores: histories -> float (B, N); decides what counts as the teacher's list.
        config: how many, by which seed.
        phrasing: of the column `sentence_unseen`: "unseen" for a test, "validation" for choosing.

    Returns:
        Columns `SCHEMA`: the request as JSON, as a sentence in trained and in other phrasings, whether some
        satisfying list contains the point's target, whether the category was drawn at random.
    """
    attributes = Attributes.of(split.catalog)
    order = numpy_rng(config.seed, "evaluation requests", phrasing).permutation(len(points))
    numbers = range(config.num_requests if len(points) else 0)
    rows: list[dict[str, Any]] = []
    with progress(f"control requests ({phrasing})", total=len(numbers), unit="requests") as bar:
        for start in range(0, len(numbers), _CHUNK):
            chunk = numbers[start : start + _CHUNK]
            asked = [points[int(order[number % len(points)])] for number in chunk]
            scores = teacher_scores([point.history for point in asked])
            for number, point, row_scores in zip(chunk, asked, scores, strict=True):
                row = _row(number, point, row_scores, attributes, config, phrasing)
                if row is not None:
                    rows.append(row)
                bar.advance()
    return pl.DataFrame(rows, schema=SCHEMA)


def write_requests(frame: pl.DataFrame, path: Path) -> None:
    """Write a request file, whole or not at all."""
    with atomic_path(Path(path)) as temporary:
        frame.write_parquet(temporary)


def _row(
    number: int,
    point: Point,
    scores: NDArray[np.float32],
    attributes: Attributes,
    config: RequestsConfig,
    phrasing: Literal["unseen", "validation"],
) -> dict[str, Any] | None:
    catalog = attributes.catalog
    unseen = ~seen_mask(point.history, catalog.work)
    situation = Situation(
        attributes=attributes,
        history=point.history,
        target=point.target,
        unseen=unseen,
        scores=scores,
        best=best_items(scores, unseen, catalog.work, _BEST, has_twins=attributes.has_twins),
    )
    rng = numpy_rng(config.seed, "evaluation request", phrasing, number)
    for kind, draw in _strata(number):
        for _ in range(_ATTEMPTS):
            drawn = draw(situation, rng, config)
            if drawn is None:
                continue
            problem = compile_request(drawn.request, catalog, point.history.tolist())
            label = label_request(problem, scores, None)
            if label is None or not obeys(problem, label):
                continue
            sentences = [
                render(drawn.request, catalog, numpy_rng(config.seed, "sentence", words, number), split=words)
                for words in ("train", phrasing)
            ]
            return {
                "request_id": f"{phrasing}-{number:05d}",
                "kind": kind,
                "user": point.user,
                "position": point.position,
                "request": drawn.request.to_json(),
                "sentence_seen": sentences[0],
                "sentence_unseen": sentences[1],
                "target_admissible": is_admissible(problem, point.target),
                "random_category": drawn.is_random,
                "phrasing": phrasing,
                "seed": config.seed,
            }
    return None


def _strata(number: int) -> Iterator[tuple[str, Draw]]:
    """Every kind, the one whose turn it is first: a kind that the catalogue cannot serve gives way."""
    kinds = list(KINDS.values())
    for offset in range(len(kinds)):
        yield kinds[(number + offset) % len(kinds)]
