"""Many requests in one decode, none of which can spoil another: each is read and checked alone first."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from steerec.control.control import Control
from steerec.control.refusal import refuse
from steerec.control.request import Request, compile_request
from steerec.control.where import Where
from steerec.decode.room import check_requests
from steerec.errors import RequestError, SteerecError
from steerec.serve.engine import Recommendation, Recommender, Understood
from steerec.serve.http.settings import LimitsConfig

if TYPE_CHECKING:
    from steerec.control.problem import BoolArray, Problem
    from steerec.data.catalog import Catalog
    from steerec.llm.language_model import LanguageModel

logger = logging.getLogger(__name__)
_LARGEST_BOUND = 10**9
"""The solver counts in 64 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A request that some list satisfies, ready to be decoded."""

    engine: ServedRecommender
    """Answers it, over the catalogue that the request was accepted under."""
    seen: list[int]
    """Item indices of the history, oldest first."""
    read: Understood
    """What the engine understood."""
    words: str
    """The sentence that stands for the request in a prompt."""
    problem: Problem
    budget_s: float | None
    """Seconds after acceptance when the teacher takes over; None: never."""
    accepted: float
    """Moment of acceptance, `time.monotonic`."""

    @property
    def request(self) -> Request:
        """What is asked."""
        return self.read.request


class ServedRecommender(Recommender):
    """A run that answers requests one by one prepared, in batches."""

    @classmethod
    def of(
        cls, engine: Recommender, *, catalog: Catalog | None = None, lm: LanguageModel | None = None
    ) -> Self:
        """Return an engine with all that another one has, but for what is given here.

        Args:
            engine: whose models and settings are taken.
            catalog: the same items in the same order, attributes may differ.
            lm: another language model.
        """
        return cls(
            engine.catalog if catalog is None else catalog,
            engine.teacher,
            engine.lm if lm is None else lm,
            weight=engine.weight,
            first_place=engine.first_place,
            beam=engine.beam,
            folder=engine.folder,
            reader=engine.readers,
        )

    def prepare(
        self,
        seen: Sequence[int],
        asked: Request | str | Understood | None,
        *,
        unavailable: BoolArray,
        limits: LimitsConfig,
        budget_s: float | None = None,
        accepted: float | None = None,
    ) -> Prepared:
        """Read a request and check that a list satisfies it; no model is asked.

        Args:
            seen: item indices of the history, oldest first.
            asked: a request, a sentence, what was understood of one, or None for ten recommendations.
            unavailable: (N,) items that may not be recommended now, beside what the request leaves out.
            limits: sizes that are refused.
            budget_s: seconds after acceptance when the teacher takes over; None: never.
            accepted: moment of acceptance; None: now.

        Raises:
            RequestError: the request is too large, or names what the catalogue does not have.
            InfeasibleRequest: no list satisfies it.
        """
        read = asked if isinstance(asked, Understood) else self.understand(asked)
        request = read.request
        if read.words is None:
            check_size(request, limits)
        problem = compile_request(request, self.catalog, list(seen))
        if unavailable.any():
            problem = problem.without(unavailable)
        refuse(request, self.catalog, problem, read.quotes)
        return Prepared(
            engine=self,
            seen=list(seen),
            read=read,
            words=read.words or self._sentence(request),
            problem=problem,
            budget_s=budget_s,
            accepted=time.monotonic() if accepted is None else accepted,
        )

    def warm_up(self) -> None:
        """Build what is built at the first request: the reader of sentences, look-ups of the catalogue."""
        self.understand("ten")
        assert self.catalog.sha256
        compile_request(Request(), self.catalog)

    def decode(self, jobs: Sequence[Prepared], budget_s: float | None) -> list[Recommendation | Exception]:
        """Answer prepared requests in one pass; what fails alone gets its exception in its place."""
        prompts = [self._prompt(job) for job in jobs]
        fit = [
            (job, one) for job, one in zip(jobs, prompts, strict=True) if not isinstance(one, SteerecError)
        ]
        answers = iter(self._together(fit, budget_s))
        return [one if isinstance(one, SteerecError) else next(answers) for one in prompts]

    def _prompt(self, job: Prepared) -> list[int] | SteerecError:
        """Return a prompt, or why the list does not fit in the model's context behind it."""
        if self.lm is None:
            return []
        try:
            prompt = self.lm.encode_prompt(job.seen, job.words, job.request.count)
            check_requests(self.lm, [prompt], [job.problem])
        except SteerecError as error:
            return error
        return prompt

    def _together(
        self, jobs: Sequence[tuple[Prepared, list[int]]], budget_s: float | None
    ) -> list[Recommendation | Exception]:
        if not jobs:
            return []
        prepared, prompts = zip(*jobs, strict=True)
        past, read, problems = zip(*((job.seen, job.read, job.problem) for job in prepared), strict=True)
        try:
            lists = self._lists(past, read, problems, budget_s, prompts)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            logger.warning("a batch of %d failed and is answered one by one", len(jobs))
            return [answer for job in jobs for answer in self._together([job], budget_s)]
        return [self._proven(one, job) for one, job in zip(lists, prepared, strict=True)]

    def _proven(self, decoded: Any, job: Prepared) -> Recommendation | Exception:
        if job.problem.allowed[np.asarray(decoded.items, dtype=np.int64)].all():
            try:
                return self._recommendation(decoded, job.read, job.seen)
            except AssertionError as error:
                return error
        return AssertionError("a list with an unavailable item must never leave the engine")


class _Group(NamedTuple):
    engine: int
    budget_s: float | None


def answer_batch(jobs: Sequence[Prepared]) -> list[Recommendation | Exception]:
    """Answer prepared requests, those of one catalogue and one budget in one pass.

    A budget counts from acceptance: what a request waited is taken off, and a late one is the teacher's.

    Returns:
        A recommendation, or the exception to raise, for each job in its place.
    """
    groups: dict[_Group, list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(_Group(id(job.engine), job.budget_s), []).append(place)
    answers: dict[int, Recommendation | Exception] = {}
    for (_, budget_s), places in groups.items():
        members = [jobs[place] for place in places]
        left = budget_s
        if left is not None:
            left = max(0.0, left - (time.monotonic() - min(job.accepted for job in members)))
        answers |= zip(places, members[0].engine.decode(members, left), strict=True)
    return [answers[place] for place in range(len(jobs))]


def check_size(request: Request, limits: LimitsConfig) -> None:
    """Refuse a request of too many parts: solving time grows with them.

    Raises:
        RequestError: it names too many controls, wishes, candidates or excluded items, or an absurd bound.
    """
    sizes = {
        "controls": (len(request.controls), limits.max_controls),
        "prefer": (len(request.prefer), limits.max_controls),
        "candidates": (len(request.candidates or ()), limits.max_references),
        "exclude": (len(request.exclude), limits.max_references),
        "conditions": (sum(_num_conditions(where) for where in _wheres(request)), 10 * limits.max_controls),
    }
    for name, (size, most) in sizes.items():
        if size > most:
            raise RequestError(f"The request has {size:,} {name}, and at most {most:,} are taken.")
    for place, control in enumerate(request.controls):
        bounds = (getattr(control, name, None) for name in ("at_least", "at_most", "exactly"))
        if any(isinstance(bound, int) and bound > _LARGEST_BOUND for bound in bounds):
            raise RequestError(
                f"controls[{place}]: a bound is a number of items, at most {_LARGEST_BOUND:,}."
            )


def _wheres(request: Request) -> list[Where]:
    controls = [control.where for control in request.controls if isinstance(control, Control)]
    return controls + [wish.where for wish in request.prefer if wish.where is not None]


def _num_conditions(where: Where) -> int:
    inner = [*where.any, *where.all, *([where.negated] if where.negated is not None else [])]
    return 1 + len(where.columns) + sum(_num_conditions(one) for one in inner)
