"""One request answered by all that a run has: popularity, the teacher, the model before alignment and now.

Legend: N items of the catalogue, K length of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from steerec.artifacts import read_json
from steerec.control.certificate import Certificate, certify
from steerec.control.optimum import best_list
from steerec.control.request import Request, compile_request
from steerec.control.wish import wishes
from steerec.llm.language_model import LanguageModel
from steerec.serve.engine import SERVING
from steerec.serve.http.answering import Prepared, ServedRecommender

if TYPE_CHECKING:
    from steerec.control.problem import BoolArray
    from steerec.serve.engine import Recommendation

Kind = Literal["popularity", "teacher", "before", "served"]
_BEFORE = Path("sft") / "model"


class Rival(NamedTuple):
    """A list by one of those that are compared."""

    kind: Kind
    row: str
    """Its name in the report."""
    items: tuple[int, ...]
    """Catalogue indices, best first."""
    scores: tuple[float, ...]
    """Comparable within the list."""
    certificate: Certificate
    """Of success or of failure: popularity does not know the controls."""


class ModelBefore:
    """The language model as it was before alignment; loaded when it is first asked for, then kept."""

    def __init__(self, folder: Path) -> None:
        """Load nothing yet.

        Args:
            folder: of the run.
        """
        self._folder = folder
        self._loaded: tuple[LanguageModel, LanguageModel] | None = None
        """The model that serves, and the one before it; a run that is loaded again has other ones."""

    @property
    def exists(self) -> bool:
        """Whether the run has a model before alignment that is not the served one."""
        if not ((self._folder / SERVING).is_file() and (self._folder / _BEFORE).is_dir()):
            return False
        served = read_json(self._folder / SERVING)["language_model"]
        return served is not None and Path(served) != _BEFORE

    def engine(self, served: ServedRecommender) -> ServedRecommender:
        """Return the engine that is served, with the earlier model in the place of its own."""
        assert served.lm is not None
        if self._loaded is None or self._loaded[0] is not served.lm:
            self._loaded = served.lm, LanguageModel.from_pretrained(self._folder / _BEFORE)
        return ServedRecommender.of(served, lm=self._loaded[1])


def compare(
    prepared: Prepared, answer: Recommendation, unavailable: BoolArray, before: ModelBefore
) -> list[Rival]:
    """Return the lists of all that the run has, for one user and one request.

    Popularity keeps to what the user has not seen and to what is available, and to nothing else of the
    request; everybody else obeys it whole.

    Args:
        prepared: the request, which some list satisfies.
        answer: what is served for it.
        unavailable: (N,) items that may not be recommended now.
        before: the model before alignment.
    """
    engine, request = prepared.engine, prepared.request
    popular = popular_list(prepared, unavailable)
    rivals = [_rival("popularity", "popularity", popular, engine.catalog.popularity[popular], prepared)]
    scores = engine.teacher.scores([np.asarray(prepared.seen, dtype=np.int64)])[0]  # (N,)
    scores = scores + wishes(request, engine.catalog)
    exact = best_list(prepared.problem, scores)
    rivals.append(_rival("teacher", "teacher+control", exact, scores[exact], prepared))
    if engine.lm is None:
        return rivals
    if before.exists:
        earlier = before.engine(engine).decode([prepared], None)[0]
        if isinstance(earlier, Exception):
            raise earlier
        rivals.append(_answered("before", "lm-sft-constrained", earlier, prepared))
    row = "lm-constrained+teacher" if engine.weight > 0 else "lm-constrained"
    rivals.append(_answered("served", row, answer, prepared))
    return rivals


def popular_list(prepared: Prepared, unavailable: BoolArray) -> list[int]:
    """Return the K most popular items that are available and, unless the request allows it, were not seen."""
    catalog, request = prepared.engine.catalog, prepared.request
    plain = Request(count=request.count, allow_seen=request.allow_seen)
    problem = compile_request(plain, catalog, prepared.seen).without(unavailable)
    return best_list(problem, catalog.popularity.astype(np.float64))


def _answered(kind: Kind, row: str, answer: Recommendation, prepared: Prepared) -> Rival:
    items = [prepared.engine.catalog.index(item.item_id) for item in answer.items]
    return _rival(kind, row, items, [item.score for item in answer.items], prepared)


def _rival(kind: Kind, row: str, items: Sequence[int], scores: Iterable[float], prepared: Prepared) -> Rival:
    certificate = certify(prepared.request, prepared.engine.catalog, items, prepared.seen)
    return Rival(
        kind, row, tuple(int(i) for i in items), tuple(round(float(s), 4) for s in scores), certificate
    )
