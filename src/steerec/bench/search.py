"""`steerec bench search`: what each way of choosing items is worth, on a finished run's validation points.

Free answers with their invalid items dropped, token by token under the mask, and the item beam, compared by
NDCG@10 with paired intervals over users, and by seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.artifacts import provenance
from steerec.data.split import Point, Split
from steerec.decode.constrained import decode_lists
from steerec.decode.free import generate_free
from steerec.decode.prompts import PLAIN, plain_problems, plain_prompts
from steerec.decode.walk import walk_lists
from steerec.evaluate.interval import mean_interval, paired_difference
from steerec.evaluate.ranking import ranks_by_lists
from steerec.llm.language_model import LanguageModel
from steerec.metrics.ranking import ndcg
from steerec.progress import progress

Lists = list[tuple[int, ...]]
_BATCH = 64


def bench_search(folder: Path, *, beams: Sequence[int] = (1, 8), seed: int = 0) -> dict[str, Any]:
    """Compare ways of choosing items with one model.

    Args:
        folder: a finished run with a language model.
        beams: widths of the item beam.
        seed: of the phrasings.

    Returns:
        A JSON-able report: per way `ndcg@10` with its interval, seconds, and paired differences.
    """
    split = Split.load(folder / "data")
    lm = LanguageModel.from_pretrained(folder / "sft" / "model")
    points = split.points("valid")
    users = np.array([point.user for point in points])
    ways = _ways(lm, split, points, beams, seed)
    gains: dict[str, NDArray[np.float64]] = {}
    seconds: dict[str, float] = {}
    with progress("bench search", total=len(ways), unit="ways") as bar:
        for name, way in ways.items():
            start = time.perf_counter()
            lists = way()
            seconds[name] = time.perf_counter() - start
            gains[name] = ndcg(ranks_by_lists(lists, points), 10)
            bar.advance(1, name)
    names = list(ways)
    pairs = [(names[1], names[0]), *((name, names[1]) for name in names[2:]), (names[-1], names[0])]
    return {
        "run": str(folder),
        "split": split.hash,
        "part": "valid",
        "date": time.strftime("%Y-%m-%d"),
        "commit": provenance()["commit"],
        "ways": {
            name: {"ndcg@10": mean_interval(gains[name], users)._asdict(), "seconds": seconds[name]}
            for name in names
        },
        "differences": [
            {
                "way": one,
                "reference": other,
                "ndcg@10": paired_difference(gains[one], gains[other], users)._asdict(),
            }
            for one, other in pairs
        ],
    }


def _ways(
    lm: LanguageModel, split: Split, points: Sequence[Point], beams: Sequence[int], seed: int
) -> dict[str, Callable[[], Lists]]:
    prompts = plain_prompts(lm, split.catalog, points, phrasing="validation", seed=seed)
    problems = plain_problems(split.catalog, points)

    def free() -> Lists:
        answers = generate_free(lm, prompts, [PLAIN.count] * len(prompts))
        return [
            valid_items(answer.items, point, split) for answer, point in zip(answers, points, strict=True)
        ]

    def walk() -> Lists:
        return [found.items for (found,) in walk_lists(lm, prompts, problems, batch_size=_BATCH)]

    def beam(width: int) -> Callable[[], Lists]:
        return lambda: [one.items for one in decode_lists(lm, prompts, problems, beam=width)]

    return {
        "free, invalid items dropped": free,
        "token by token": walk,
        **{f"item beam {width}": beam(width) for width in beams},
    }


def valid_items(items: Sequence[int | None], point: Point, split: Split) -> tuple[int, ...]:
    """Return the items of a free answer that exist, are new to the user and repeat no work; first ten."""
    works = split.catalog.work
    used = set(works[point.history].tolist())
    kept = []
    for item in items:
        if item is not None and int(works[item]) not in used:
            used.add(int(works[item]))
            kept.append(item)
    return tuple(kept[: PLAIN.count])
