"""What each row of the table answers: lists for plain points and for the fixed control requests.

Legend: B requests, N items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steerec.control.optimum import best_list
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request, wishes
from steerec.data.catalog import Catalog
from steerec.data.split import Point, times_of
from steerec.decode.constrained import decode_lists
from steerec.decode.free import generate_free
from steerec.decode.prompts import plain_prompts
from steerec.errors import InfeasibleRequest, RequestError
from steerec.evaluate.control import Case, Words
from steerec.llm.language_model import LanguageModel
from steerec.progress import progress
from steerec.recommend.recommender import Recommender
from steerec.understand.keyword import KeywordReader

Lists = list[list[int | None]]
_BATCH = 256


def heedless_lists(recommender: Recommender, cases: Sequence[Case]) -> Lists:
    """Return the recommender's own best unseen items, as many as asked for: it cannot read the request."""
    return [
        list(best_list(_plain_problem(case, recommender.catalog), scores))
        for case, scores in _with_scores(recommender, cases)
    ]


def controlled_lists(recommender: Recommender, cases: Sequence[Case]) -> Lists:
    """Return the exact optimum of the recommender's scores under the true request: the ceiling."""
    return [
        list(best_list(case.problem, scores + wishes(case.request, recommender.catalog)))
        for case, scores in _with_scores(recommender, cases)
    ]


def keyword_lists(
    recommender: Recommender, reader: KeywordReader, cases: Sequence[Case], words: Words
) -> Lists:
    """Return the exact optimum under what the keyword floor reads in the sentence.

    A reading that no list can satisfy (the sentence was misread) falls back to the count that was read, and
    to an empty list where not even that many can be recommended.
    """
    catalog = recommender.catalog
    lists: Lists = []
    for case, scores in _with_scores(recommender, cases):
        request, _ = reader.read(case.words[words])
        try:
            items = _obeying(request, case, scores, catalog)
        except (InfeasibleRequest, RequestError):
            try:
                items = _obeying(Request(count=request.count), case, scores, catalog)
            except InfeasibleRequest:
                items = []
        lists.append(list(items))
    return lists


def _obeying(request: Request, case: Case, scores: NDArray[np.float32], catalog: Catalog) -> list[int]:
    problem = compile_request(request, catalog, case.point.history.tolist())
    return best_list(problem, scores + wishes(request, catalog))


def _plain_problem(case: Case, catalog: Catalog) -> Problem:
    return compile_request(Request(count=case.request.count), catalog, case.point.history.tolist())


def _with_scores(recommender: Recommender, cases: Sequence[Case]) -> list[tuple[Case, NDArray[np.float32]]]:
    points = [case.point for case in cases]
    scores = recommender.scores([point.history for point in points], times_of(points))  # (B, N)
    return list(zip(cases, scores, strict=True))


class Asker:
    """Puts requests to a language model, with and without constraints."""

    def __init__(
        self,
        lm: LanguageModel,
        catalog: Catalog,
        teacher: Recommender,
        *,
        beam: int,
        phrasing: str,
        seed: int,
        first_place: float = 0.0,
    ) -> None:
        self.first_place = first_place
        self.lm, self.catalog, self.teacher = lm, catalog, teacher
        self.beam, self.phrasing, self.seed = beam, phrasing, seed

    def plain_prompts(self, points: Sequence[Point]) -> list[list[int]]:
        """Return prompts that ask for ten items, in phrasings fixed by the seed."""
        return plain_prompts(self.lm, self.catalog, points, phrasing=self.phrasing, seed=self.seed)

    def case_prompts(self, cases: Sequence[Case], words: Words) -> list[list[int]]:
        """Return prompts of the control requests, in trained or unseen words."""
        return [
            self.lm.encode_prompt(case.point.history.tolist(), case.words[words], case.request.count)
            for case in cases
        ]

    def free(self, prompts: Sequence[Sequence[int]], counts: Sequence[int], what: str) -> Lists:
        """Return what the model writes unconstrained."""
        lists: Lists = []
        with progress(what, total=len(prompts), unit="lists") as bar:
            for start in range(0, len(prompts), _BATCH):
                part = slice(start, start + _BATCH)
                answers = generate_free(self.lm, prompts[part], counts[part])
                lists += [list(answer.items) for answer in answers]
                bar.advance(len(answers))
        return lists

    def constrained(
        self,
        prompts: Sequence[Sequence[int]],
        problems: Sequence[Problem],
        histories: Sequence[NDArray[np.integer]],
        what: str,
        *,
        weight: float = 0.0,
    ) -> Lists:
        """Return lists decoded under the requests, with the teacher term at the given weight."""
        lists: Lists = []
        with progress(what, total=len(prompts), unit="lists") as bar:
            for start in range(0, len(prompts), _BATCH):
                part = slice(start, start + _BATCH)
                scores = self.teacher.scores(histories[part]) if weight else None
                decoded = decode_lists(
                    self.lm,
                    prompts[part],
                    problems[part],
                    beam=self.beam,
                    teacher_scores=scores,
                    weight=weight,
                    first_place=self.first_place,
                )
                lists += [list(one.items) for one in decoded]
                bar.advance(len(decoded))
        return lists
