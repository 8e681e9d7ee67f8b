"""Prompts of the plain next-item request, in phrasings fixed by a seed."""

from __future__ import annotations

from collections.abc import Sequence

from steerec.control.phrases import render
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.data.split import Point
from steerec.llm.language_model import LanguageModel
from steerec.seeding import numpy_rng

PLAIN = Request(count=10)
"""Ten items, nothing else asked."""


def plain_prompts(
    lm: LanguageModel, catalog: Catalog, points: Sequence[Point], *, phrasing: str, seed: int
) -> list[list[int]]:
    """Return one prompt per point that asks for ten items.

    Args:
        lm: the language model whose chat frame and spelling are used.
        catalog: N items.
        points: whose histories go into the prompts.
        phrasing: phrasing split, "train" or "validation".
        seed: every point's phrasing is drawn from (seed, user, position).
    """
    prompts = []
    for point in points:
        rng = numpy_rng(seed, "plain", point.user, point.position)
        sentence = render(PLAIN, catalog, rng, split=phrasing)
        prompts.append(lm.encode_prompt(point.history.tolist(), sentence, PLAIN.count))
    return prompts


def plain_problems(catalog: Catalog, points: Sequence[Point]) -> list[Problem]:
    """Return the compiled request for ten unseen items at each point."""
    return [compile_request(PLAIN, catalog, point.history.tolist()) for point in points]
