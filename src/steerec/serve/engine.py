"""`steerec.Recommender`: a finished run that answers requests, each list with its certificate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from steerec.artifacts import read_json
from steerec.control.certificate import Certificate, certify
from steerec.control.phrases import render
from steerec.control.refusal import refuse
from steerec.control.request import Request, compile_request, read_history, wishes
from steerec.data.catalog import Catalog
from steerec.decode.constrained import decode_lists
from steerec.decode.words import answer_in_words
from steerec.errors import InfeasibleRequest, RequestError, SteerecError
from steerec.items.vectors import text_vectors_installed
from steerec.llm.language_model import LanguageModel
from steerec.recommend.recommender import Recommender as Conventional
from steerec.recommend.table import load_recommender
from steerec.seeding import numpy_rng
from steerec.serve.explain import explain, record
from steerec.understand.hybrid import HybridReader, Readers
from steerec.understand.keyword import KeywordReader
from steerec.understand.reading import Reading

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

    from steerec.control.problem import Problem

SERVING = "serving.json"
READER_STAGE = "reader"
"""Folder of a run in which a trained reader lies, under `model`."""


class Item(NamedTuple):
    """One recommended item."""

    item_id: str
    title: str
    """As people see it: "The Usual Suspects (1995)"."""
    score: float
    """Log-probability of the item at its place plus teacher term and wishes; comparable within a list."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A list and the proof that it does what was asked."""

    items: tuple[Item, ...]
    certificate: Certificate
    history: tuple[str, ...]
    """Item ids of the history it was made for."""
    words: str | None
    """The sentence it answers, when the request came in words."""

    def to_polars(self) -> pl.DataFrame:
        """Return a frame `rank, item_id, title, score`."""
        import polars as pl

        columns = {"rank": range(1, len(self.items) + 1)} | {
            name: [getattr(item, name) for item in self.items] for name in Item._fields
        }
        return pl.DataFrame(columns)

    def to_json(self, reasons: Sequence[dict[str, Any]] | None = None) -> str:
        """Return JSON with items, history and certificate; `steerec eval RUN --verify FILE` reads it.

        Args:
            reasons: what `Recommender.explain` returned; written too where given.
        """
        record: dict[str, Any] = {
            "items": [item._asdict() for item in self.items],
            "history": list(self.history),
            "words": self.words,
            "certificate": self.certificate.model_dump(mode="json", by_alias=True),
        }
        if reasons is not None:
            record["reasons"] = list(reasons)
        return json.dumps(record, indent=2, ensure_ascii=False)

    def render(self) -> RenderableType:
        """Return the list and its certificate for a terminal."""
        from steerec.serve.card import recommendation_card

        return recommendation_card(self)


class Understood(NamedTuple):
    """What is asked, and the words it was asked in."""

    request: Request
    words: str | None = None
    """The sentence it came in; None for a request that came as data."""
    unplaced: tuple[str, ...] = ()
    """Words of the sentence that the request does not say."""
    quotes: tuple[str | None, ...] = ()
    """Words that each control came from, see `Reading.quotes`."""

    @classmethod
    def of(cls, reading: Reading, words: str) -> Self:
        """Return what a reader made of a sentence."""
        return cls(reading.request, words, tuple(reading.unplaced), reading.quotes)


class _Decoded(NamedTuple):
    items: list[int]
    scores: list[float]
    fallback_from: str | None


def _fallback(position: int | None) -> str | None:
    return None if position is None else f"language model, from position {position}: its time was up"


class Recommender:
    """A finished run. Without a language model it answers with the teacher under exact control.

    Example:
        >>> rec = Recommender.from_pretrained(Path("runs/demo"))  # doctest: +SKIP
        >>> rec.recommend(history=["Fargo (1996)"], request=Request(count=3))  # doctest: +SKIP
    """

    def __init__(
        self,
        catalog: Catalog,
        teacher: Conventional,
        lm: LanguageModel | None = None,
        *,
        weight: float = 0.0,
        first_place: float = 0.0,
        beam: int = 8,
        folder: Path | None = None,
        reader: Path | Readers | None = None,
    ) -> None:
        self.catalog, self.teacher, self.lm = catalog, teacher, lm
        self.weight, self.first_place = weight, first_place
        self.beam, self.folder = beam, folder
        self.readers = reader if isinstance(reader, Readers) else Readers(reader)
        self._reader: KeywordReader | HybridReader | None = None

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, reader: str | Path | None = None) -> Self:
        """Load a run.

        Args:
            folder: such as "runs/demo".
            reader: folder of a trained reader; None takes the run's own, and keywords where it has none.

        Raises:
            SteerecError: the folder is not a finished run.
        """
        folder = Path(folder)
        if not (folder / SERVING).is_file():
            raise SteerecError(
                f"{folder} is not a finished run: it has no {SERVING}. Make one with `steerec demo` or "
                "`steerec run RECIPE`; a run that was stopped goes on when its command is repeated."
            )
        serving = read_json(folder / SERVING)
        catalog = Catalog.load(folder / "data")
        teacher = load_recommender(folder / serving["teacher"], catalog)
        lm = None
        if serving["language_model"] is not None:
            lm = LanguageModel.from_pretrained(folder / serving["language_model"])
        return cls(
            catalog,
            teacher,
            lm,
            weight=serving["weight"],
            first_place=serving.get("first_place", 0.0),  # runs made before it was weighed have none
            beam=serving["beam"],
            folder=folder,
            reader=find_reader(folder, reader),
        )

    def recommend(
        self,
        history: Sequence[str] = (),
        request: Request | str | None = None,
        *,
        budget_s: float | None = None,
    ) -> Recommendation:
        """Answer one request.

        Args:
            history: titles or ids of what the user has seen, oldest first.
            request: a `Request`, a sentence, or None for ten recommendations.
            budget_s: seconds for decoding, after which the teacher fills the rest of the list, exactly under
                the request; the certificate then says so in `fallback_from`. None: no limit.

        Returns:
            The list with its certificate.

        Raises:
            InfeasibleRequest: no list satisfies it; has `.conflict` and `.relaxation`.
            RequestError: a candidate, excluded item, column or value is unknown. Unknown items of the history
                are left out with a warning.
        """
        return self.recommend_batch([history], [request], budget_s=budget_s)[0]

    def recommend_batch(
        self,
        histories: Sequence[Sequence[str]],
        requests: Sequence[Request | str | None],
        *,
        budget_s: float | None = None,
    ) -> list[Recommendation]:
        """Answer many requests in one pass; same arguments, one of each per answer."""
        if len(histories) != len(requests):
            raise RequestError(f"{len(histories)} histories and {len(requests)} requests: give one of each.")
        past = [self._past(history) for history in histories]
        return self.answer(past, requests, budget_s=budget_s)

    def answer(
        self,
        past: Sequence[Sequence[int]],
        requests: Sequence[Request | str | None],
        *,
        budget_s: float | None = None,
    ) -> list[Recommendation]:
        """Answer requests for histories given as item indices; the budget is for all of them together."""
        if not requests:
            return []
        read = [self.understand(request) for request in requests]
        problems = [self._compile(one, seen) for one, seen in zip(read, past, strict=True)]
        lists = self._lists(past, read, problems, budget_s)
        return [
            self._recommendation(found, one, seen) for found, one, seen in zip(lists, read, past, strict=True)
        ]

    def explain(self, recommendation: Recommendation) -> list[dict[str, Any]]:
        """Return why each item of a list is there, see `serve.explain`: plain JSON values with a sentence.

        Args:
            recommendation: what `recommend` returned.
        """
        request = recommendation.certificate.request
        items = [self.catalog.resolve(item.item_id) for item in recommendation.items]
        past = [self.catalog.resolve(item_id) for item_id in recommendation.history]
        reasons = explain(items, past, request, self.catalog, self.teacher)
        return [record(reason, request, self.catalog) for reason in reasons]

    @property
    def reader(self) -> KeywordReader | HybridReader:
        """What reads sentences; built when it is first asked for."""
        if self._reader is None:
            self._reader = self.readers.of(self.catalog)
        return self._reader

    @property
    def turn_reader(self) -> KeywordReader | HybridReader:
        """What reads turns of a conversation."""
        return self.reader.for_turns if isinstance(self.reader, HybridReader) else self.reader

    @property
    def converses(self) -> bool:
        """Whether it can answer in words: there is a language model that was pretrained."""
        return self.lm is not None and self.lm.converses

    def chat(self, said: str, past: Sequence[int] = ()) -> str | None:
        """Return a plain answer in words; None where the model makes a list, or speaks no language.

        Args:
            said: what a person says.
            past: item indices of the history, oldest first.
        """
        return answer_in_words(self.lm, said, past) if self.lm is not None and self.converses else None

    def refuse(self, seen: Sequence[int], request: Request | str | None) -> None:
        """Raise what `answer` would raise for a history given as item indices; decode nothing."""
        self._compile(self.understand(request), seen)

    def _past(self, history: Sequence[str]) -> list[int]:
        if isinstance(history, str):
            raise RequestError(f'A history is a list of titles or ids, and got the text "{history:.60}".')
        return read_history(list(history), self.catalog)

    def understand(self, request: Request | str | None) -> Understood:
        """Return what is asked, with the words it came in.

        Raises:
            RequestError: it is neither a request, a sentence nor None, or the sentence asks for no list.
        """
        if isinstance(request, str):
            return Understood.of(self.reader.reading(request), request)
        if request is not None and not isinstance(request, Request):
            raise RequestError(
                f"A request is a Request, a sentence or None, and got {request!r:.80}. "
                "JSON is read by Request.from_json."
            )
        return Understood(request or Request())

    def _compile(self, asked: Understood, seen: Sequence[int]) -> Problem:
        problem = compile_request(asked.request, self.catalog, list(seen))
        refuse(asked.request, self.catalog, problem, asked.quotes)
        return problem

    def _lists(
        self,
        past: Sequence[Sequence[int]],
        read: Sequence[Understood],
        problems: Sequence[Problem],
        budget_s: float | None,
        prompts: Sequence[Sequence[int]] | None = None,
    ) -> list[_Decoded]:
        """Return a list for each request; `prompts` where they were written already."""
        histories = [np.asarray(seen, dtype=np.int64) for seen in past]
        scores = self.teacher.scores(histories)  # (B, N)
        wished = np.stack([wishes(one.request, self.catalog) for one in read])  # (B, N)
        if self.lm is None:
            from steerec.control.optimum import best_list

            totals = scores + wished
            lists = [best_list(problem, row) for problem, row in zip(problems, totals, strict=True)]
            return [
                _Decoded([int(i) for i in items], [float(row[i]) for i in items], None)
                for items, row in zip(lists, totals, strict=True)
            ]
        if prompts is None:
            prompts = [
                self.lm.encode_prompt(seen, one.words or self._sentence(one.request), one.request.count)
                for seen, one in zip(past, read, strict=True)
            ]
        decoded = decode_lists(
            self.lm,
            prompts,
            problems,
            beam=self.beam,
            teacher_scores=scores,
            weight=self.weight,
            first_place=self.first_place,
            wishes=wished,
            budget_s=budget_s,
        )
        return [_Decoded(list(one.items), list(one.scores), _fallback(one.fallback_from)) for one in decoded]

    def _sentence(self, request: Request) -> str:
        return render(request, self.catalog, numpy_rng(request.seed or 0, "serve"), split="train")

    def _recommendation(self, decoded: _Decoded, asked: Understood, seen: Sequence[int]) -> Recommendation:
        items, scores, fallback_from = decoded
        certificate = certify(
            asked.request,
            self.catalog,
            items,
            list(seen),
            fallback_from=fallback_from,
            unplaced=asked.unplaced,
        )
        assert certificate.satisfied, "a list that violates its request must never leave the engine"
        shown = (
            Item(self.catalog.item_ids[i], self.catalog.displays[i], round(score, 4))
            for i, score in zip(items, scores, strict=True)
        )
        history = tuple(self.catalog.item_ids[i] for i in seen)
        return Recommendation(items=tuple(shown), certificate=certificate, history=history, words=asked.words)


def find_reader(folder: Path, given: str | Path | None = None) -> Path | None:
    """Return the folder of the trained reader: the one given, else the run's own, else None.

    A run's own reader is passed over where MiniLM, which it needs, is not installed.
    """
    if given is not None:
        return Path(given)
    own, serving = Path(folder) / READER_STAGE / "model", Path(folder) / SERVING
    # A stage of an earlier configuration may lie there that the run has no reader by now.
    has_one = own.is_dir() and (not serving.is_file() or read_json(serving).get("reader", True))
    return own if has_one and text_vectors_installed() else None


__all__ = ["InfeasibleRequest", "Item", "Recommendation", "Recommender"]
