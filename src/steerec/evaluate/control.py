"""How well lists obey: every metric of control, computed from the one compiled request.

Legend: K items of a list, N items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.data.split import Point, Split
from steerec.decode.free import generate_free
from steerec.evaluate.interval import mean_interval
from steerec.evaluate.report import Metric
from steerec.instruct.mixture import UNSEEN_COUNTS
from steerec.llm.language_model import LanguageModel
from steerec.metrics.lists import rank_in_list
from steerec.metrics.ranking import ndcg

Words = Literal["seen", "unseen"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fixed control request of the evaluation, with the point it is asked at."""

    request_id: str
    kind: str
    """Kind of control, the name of the task that drew it."""
    point: Point
    request: Request
    problem: Problem
    words: Mapping[Words, str]
    """The request as a sentence: in trained phrasings, and in phrasings nobody trained on."""
    target_admissible: bool
    """Whether some list that obeys contains the point's target."""
    random_category: bool
    """Whether the category was drawn at random, not from the user or the target; counted apart."""


def load_cases(path: Path, split: Split, part: Literal["valid", "test"]) -> list[Case]:
    """Read a request file and compile its requests.

    Args:
        path: Parquet written by `steerec.instruct.evaluation_requests`.
        split: the split whose points the requests belong to.
        part: which of its parts.
    """
    points = {(point.user, point.position): point for point in split.points(part)}
    return [
        _case(row, points[row["user"], row["position"]], split) for row in pl.read_parquet(path).to_dicts()
    ]


def _case(row: Mapping[str, object], point: Point, split: Split) -> Case:
    request = Request.from_json(str(row["request"]))
    return Case(
        request_id=str(row["request_id"]),
        kind=str(row["kind"]),
        point=point,
        request=request,
        problem=compile_request(request, split.catalog, point.history.tolist()),
        words={"seen": str(row["sentence_seen"]), "unseen": str(row["sentence_unseen"])},
        target_admissible=bool(row["target_admissible"]),
        random_category=bool(row["random_category"]),
    )


def judge(case: Case, items: Sequence[int | None]) -> dict[str, float]:
    """Return every metric of control for one answer.

    Args:
        case: the request.
        items: the answer, best first; None marks an entry that is no catalogue item.

    Returns:
        Metric name -> value. `ndcg@10:control` is NaN where the target is not admissible. Shares are over
        the requested count k; an answer with a wrong count or any invalid item does not satisfy, and
        entries beyond k count for nothing.
    """
    problem, k = case.problem, case.problem.count
    shown = list(items[:k])
    errors = _errors(problem, shown)
    matched = _controls(problem, shown)
    invalid = sum(errors.values())
    obeys = len(items) == k and invalid == 0 and all(lower <= m <= upper for m, lower, upper, _ in matched)
    rank = rank_in_list(shown, case.point.target, set(case.point.history.tolist()))
    gain = float(ndcg(np.array([rank]), 10)[0])
    shares = [m / length for m, _, _, length in matched]
    gaps = [max(lower - m, m - upper, 0) / length for m, lower, upper, length in matched]
    return {
        "control_satisfaction@k": float(obeys),
        "share@k": float(np.mean(shares)) if shares else float("nan"),
        "gap@k": float(np.mean(gaps)) if gaps else float("nan"),
        **{f"error_{name}@k": count / k for name, count in errors.items()},
        "error_invalid@k": invalid / k,
        "error_count@k": float(len(items) != k),
        "ndcg@10:control": gain if case.target_admissible else float("nan"),
    }


def _errors(problem: Problem, shown: Sequence[int | None]) -> dict[str, int]:
    """Count invalid entries; each is counted once, under the first error that applies."""
    errors = {"catalogue": 0, "repeat": 0, "history": 0, "forbidden": 0}
    works: set[int] = set()
    for item in shown:
        if item is None:
            errors["catalogue"] += 1
        elif int(problem.work[item]) in works:
            errors["repeat"] += 1
        elif problem.blocked_seen[item]:
            errors["history"] += 1
        elif not problem.allowed[item]:
            errors["forbidden"] += 1
        if item is not None:
            works.add(int(problem.work[item]))
    return errors


def _controls(problem: Problem, shown: Sequence[int | None]) -> list[tuple[int, int, int, int]]:
    """Return (matched, lower, upper, length of the stretch) for every quota and cap."""
    found = []
    for quota in problem.quotas:
        stretch = shown[quota.first - 1 : quota.last]
        matched = sum(item is not None and bool(quota.mask[item]) for item in stretch)
        found.append((matched, quota.lower, quota.upper, quota.last - quota.first + 1))
    known = np.array([item for item in shown if item is not None], dtype=np.int64)
    for cap in problem.caps:
        counts = cap.counts(known)
        found.append((int(counts.max(initial=0)), 0, cap.limit, problem.count))
    return found


def control_metrics(
    cases: Sequence[Case],
    answers: Sequence[Sequence[int | None]],
    plain: NDArray[np.floating] | None = None,
    *,
    suffix: str = "",
) -> dict[str, Metric]:
    """Return a row's metrics of control, overall and per kind, with intervals over users.

    Args:
        cases: the fixed requests.
        answers: one list per request.
        plain: (number of cases,) the same row's plain ndcg@10 at each request's point, for the accuracy
            that obeying costs; None leaves `accuracy_cost@10` out.
        suffix: ":unseen" for phrasings nobody trained on, "" otherwise.
    """
    users = np.array([case.point.user for case in cases])
    values = judged_values(cases, answers)
    if plain is not None:
        values["accuracy_cost@10"] = np.asarray(plain) - values["ndcg@10:control"]
    # Requests for a random category are counted apart, under their kind: nobody asks for what he dislikes.
    usual = np.array([not case.random_category for case in cases])
    metrics = {name: mean_interval(value[usual], users[usual]) for name, value in values.items()}
    for kind in sorted({_kind(case) for case in cases}):
        of_kind = np.array([_kind(case) == kind for case in cases])
        for name in ("control_satisfaction@k", "share@k"):
            metrics[f"{name}:kind:{kind}"] = mean_interval(values[name][of_kind], users[of_kind])
    return {name + suffix: Metric.of(one) for name, one in metrics.items() if one.n}


def judged_values(
    cases: Sequence[Case], answers: Sequence[Sequence[int | None]]
) -> dict[str, NDArray[np.float64]]:
    """Return metric name -> (number of cases,) values of `judge`."""
    judged = [judge(case, answer) for case, answer in zip(cases, answers, strict=True)]
    return {name: np.array([one[name] for one in judged]) for name in judged[0]}


def _kind(case: Case) -> str:
    return f"{case.kind}, random category" if case.random_category else case.kind


class FreeValidation:
    """How well free answers to fixed requests obey, in phrasings that were not trained on."""

    def __init__(self, cases: Sequence[Case]) -> None:
        """Take the requests."""
        self.cases = cases

    def __call__(self, lm: LanguageModel) -> dict[str, float]:
        """Return control_satisfaction@k, error_invalid@k and error_count@k of greedy free answers.

        Where some requests ask for lengths that no row asks for, also the error_count@k of those.
        """
        prompts = [
            lm.encode_prompt(case.point.history.tolist(), case.words["unseen"], case.request.count)
            for case in self.cases
        ]
        answers = generate_free(lm, prompts, [case.request.count for case in self.cases])
        judged = [judge(case, answer.items) for case, answer in zip(self.cases, answers, strict=True)]
        names = ("control_satisfaction@k", "error_invalid@k", "error_count@k")
        found = {name: float(np.mean([one[name] for one in judged])) for name in names}
        cases = zip(self.cases, judged, strict=True)
        lengths = [one["error_count@k"] for case, one in cases if case.request.count in UNSEEN_COUNTS]
        return found | ({"error_count@k:unseen lengths": float(np.mean(lengths))} if lengths else {})
