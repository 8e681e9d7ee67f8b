"""One evaluation: every row answers the same points and the same requests, and the report says how well.

Legend: P points, S seeds.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from steerec.artifacts import provenance
from steerec.config import Config
from steerec.control.request import Request
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.decode.prompts import PLAIN, plain_problems
from steerec.evaluate.answers import Asker, Lists, controlled_lists, heedless_lists, keyword_lists
from steerec.evaluate.control import Case, Words, control_metrics
from steerec.evaluate.horizon import horizon_recalls
from steerec.evaluate.interval import mean_interval, paired_difference
from steerec.evaluate.oracle import violations
from steerec.evaluate.ranking import ranking_metrics, ranks_both_ways, ranks_by_lists, seed_means
from steerec.evaluate.report import Comparison, Facts, Metric, Report, Row, in_order
from steerec.evaluate.values import ValueTable
from steerec.llm.language_model import LanguageModel
from steerec.metrics.names import rank_metric
from steerec.metrics.ranking import ndcg
from steerec.recommend.recommender import Recommender
from steerec.understand.keyword import KeywordReader

Part = Literal["valid", "test"]
_SUFFIX: dict[Words, str] = {"seen": "", "unseen": ":unseen"}


class EvaluationConfig(Config):
    """What an evaluation covers."""

    num_requests: pydantic.NonNegativeInt = 1024
    """Fixed control requests on the test split."""
    num_valid_requests: pydantic.NonNegativeInt = 256
    """Fixed control requests on the validation split."""
    seed: int = 0
    """Seed of the requests and of the phrasings of the plain prompts."""
    words: tuple[Words, ...] = ("seen", "unseen")
    """Phrasings of the requests: those that rows were trained on, those that nobody was."""
    conventional: bool = True
    """Whether the recommenders without a language model get rows; without them an evaluation is faster."""
    with_sft: bool = False
    """Where something follows fine-tuning: rows of the model before it, too."""
    unmasked: bool = False
    """Whether rankings that keep the history in stand beside, as papers that do not mask report them."""
    horizon: pydantic.PositiveInt | None = None
    """Report the recall of the next so many items too, where the split holds several out; None: no."""
    published_names: bool = False
    """Write published.md too: the rows under the names and in the units of RecLM-gen."""


@dataclass(frozen=True, kw_only=True)
class Contestants:
    """Everything that is evaluated in one table."""

    split: Split
    rows: Mapping[str, Sequence[Recommender]]
    """Row name -> one fitted recommender per seed."""
    seeds: tuple[int, ...]
    teacher: Recommender
    make_reader: Callable[[], KeywordReader]
    """Called where requests are read and nowhere else: embedding the values of a large catalogue takes
    minutes."""
    lm: LanguageModel | None = None
    earlier: Mapping[str, LanguageModel] = field(default_factory=dict)
    """Name -> the model as it was: "lm-before" fine-tuning (pretrained ones only), "lm-sft" before what
    followed fine-tuning."""
    weight: float = 0.0
    """Weight of the teacher term, chosen on validation."""
    first_place: float = 0.0
    """Weight of the first place at all places, chosen on validation."""
    beam: int = 8
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Seconds of fitting, by row."""


class Session:
    """One evaluation of the contestants on one part of the split."""

    def __init__(
        self, contestants: Contestants, part: Part, cases: Sequence[Case], config: EvaluationConfig
    ) -> None:
        self.contestants, self.part, self.cases, self.config = contestants, part, cases, config
        self.split = contestants.split
        self.points = self.split.points(part)
        self.users = np.array([point.user for point in self.points])
        self.place = {(point.user, point.position): index for index, point in enumerate(self.points)}
        self.rows: list[Row] = []
        self.ranks: dict[str, list[NDArray[np.float64]]] = {}
        """Row name -> one (P,) array of plain ranks per seed."""
        self.oracle: dict[str, int] = {}
        self.values = ValueTable()
        """What each point and each request gave, for comparisons between runs."""
        self._table = {row["item_id"]: row for row in self.split.catalog.frame.to_dicts()}

    def evaluate(self) -> None:
        """Fill in every row."""
        if self.config.conventional:
            self._without_language_model()
        if self.contestants.lm is not None:
            weights = self.contestants.weight, self.contestants.first_place
            self._language_model(self.contestants.lm, "lm", *weights)
        for name, lm in self.contestants.earlier.items():
            self._language_model(lm, name, 0.0, self.contestants.first_place if name == "lm-sft" else 0.0)

    def _without_language_model(self) -> None:
        words = self.config.words
        for name, recommenders in self.contestants.rows.items():
            self._conventional(name, recommenders)
        teacher = self.contestants.teacher
        self._conventional("teacher", [teacher])
        if self.cases:
            best = controlled_lists(teacher, self.cases)
            self._plainless("teacher+control", dict.fromkeys(words, best), "teacher", checked=True)
            reader = self.contestants.make_reader()
            read = {one: keyword_lists(teacher, reader, self.cases, one) for one in words}
            self._plainless("teacher+keyword", read, "teacher")

    def _conventional(self, name: str, recommenders: Sequence[Recommender]) -> None:
        ways = (True, False) if self.config.unmasked else (True,)
        ranks, *whole = zip(
            *(ranks_both_ways(one.scores, self.points, ways) for one in recommenders), strict=True
        )
        answers = None
        if self.cases:
            lists = heedless_lists(recommenders[0], self.cases)
            answers = dict.fromkeys(self.config.words, lists)
        self._add(name, ranks, answers)
        if whole:
            metrics = ranking_metrics(whole[0], self.users)
            unmasked = {f"{key}:unmasked": value for key, value in metrics.items()}
            self.rows[-1] = self.rows[-1].replace(metrics=self.rows[-1].metrics | unmasked)

        if self.config.horizon is not None:
            metric = self._horizon(recommenders, self.config.horizon)
            metrics = self.rows[-1].metrics | {f"recall@10:next{self.config.horizon}": metric}
            self.rows[-1] = self.rows[-1].replace(metrics=metrics)

    def _horizon(self, recommenders: Sequence[Recommender], horizon: int) -> Metric:
        found = [horizon_recalls(one.scores, self.split, self.part, horizon=horizon) for one in recommenders]
        recalls, users = (np.concatenate([pair[place] for pair in found]) for place in (0, 1))
        return Metric.of(mean_interval(recalls, users))

    def _language_model(self, lm: LanguageModel, name: str, weight: float, first_place: float) -> None:
        """Add the rows of a language model: free, constrained, and with the teacher term."""
        asker = Asker(
            lm,
            self.split.catalog,
            self.contestants.teacher,
            beam=self.contestants.beam,
            phrasing="train",
            seed=self.config.seed,
            first_place=first_place,
        )
        plain = asker.plain_prompts(self.points)
        asked = {words: asker.case_prompts(self.cases, words) for words in self.config.words}
        self._free(asker, f"{name}-free", plain, asked)
        self._constrained(asker, f"{name}-constrained", plain, asked, 0.0)
        if weight > 0:
            self._constrained(asker, f"{name}-constrained+teacher", plain, asked, weight)

    def _free(
        self, asker: Asker, name: str, plain: list[list[int]], asked: dict[Words, list[list[int]]]
    ) -> None:
        counts = [case.request.count for case in self.cases]
        lists = asker.free(plain, [PLAIN.count] * len(plain), f"{name}, plain")
        answers = {
            words: asker.free(asked[words], counts, f"{name}, {words} words") for words in self.config.words
        }
        self._add(name, [ranks_by_lists(lists, self.points)], answers, plain=lists)

    def _constrained(
        self,
        asker: Asker,
        name: str,
        plain: list[list[int]],
        asked: dict[Words, list[list[int]]],
        weight: float,
    ) -> None:
        problems = plain_problems(self.split.catalog, self.points)
        histories = [point.history for point in self.points]
        lists = asker.constrained(plain, problems, histories, f"{name}, plain", weight=weight)
        problems = [case.problem for case in self.cases]
        histories = [case.point.history for case in self.cases]
        answers = {
            words: asker.constrained(
                asked[words], problems, histories, f"{name}, {words} words", weight=weight
            )
            for words in self.config.words
        }
        self._add(name, [ranks_by_lists(lists, self.points)], answers, plain=lists)
        self._ask_oracle(name, lists, answers)

    def _plainless(self, name: str, answers: dict[Words, Lists], like: str, *, checked: bool = False) -> None:
        """Add a row whose plain ranking is that of another row."""
        row = next(row for row in self.rows if row.name == like)
        plain = {key: value for key, value in row.metrics.items() if key in ("ndcg@10", "hr@10", "mrr@10")}
        self.ranks[name] = self.ranks[like]
        metrics = plain | self._control(name, answers)
        self.rows.append(Row(name=name, split=self.part, seeds=row.seeds, metrics=metrics))
        if checked:
            self._ask_oracle(name, [], answers)

    def _add(
        self,
        name: str,
        ranks: Sequence[NDArray[np.float64]],
        answers: dict[Words, Lists] | None,
        *,
        plain: Lists | None = None,
    ) -> None:
        self.ranks[name] = list(ranks)
        self.values.add_points(name, self.points, self._gain(name))
        metrics = ranking_metrics(ranks, self.users)
        if plain is not None:
            metrics |= self._plain_errors(plain)
        if answers is not None and self.cases:
            metrics |= self._control(name, answers)
        seeds = self.contestants.seeds if len(ranks) > 1 else self.contestants.seeds[:1]
        row = Row(
            name=name,
            split=self.part,
            seeds=seeds,
            metrics=metrics,
            per_seed=seed_means(ranks, self.users) if len(ranks) > 1 else {},
            seconds=self.contestants.seconds.get(name),
        )
        self.rows.append(row)

    def _control(self, name: str, answers: dict[Words, Lists]) -> dict[str, Metric]:
        """Return the metrics of controlled lists; they are the first seed's, and so is what obeying costs."""
        at = [self.place[case.point.user, case.point.position] for case in self.cases]
        # A list of k < 10 places is compared with the first k of the plain list: brevity is no cost.
        cut = np.array([min(10, case.request.count) for case in self.cases])
        ranks = self.ranks[name][0][at]
        plain = np.where(ranks <= cut, ndcg(ranks, 10), 0.0)
        metrics: dict[str, Metric] = {}
        for words, lists in answers.items():
            metrics |= control_metrics(self.cases, lists, plain, suffix=_SUFFIX[words])
            self.values.add_answers(name, self.cases, lists, suffix=_SUFFIX[words])
        return metrics

    def _plain_errors(self, lists: Lists) -> dict[str, Metric]:
        """Count and validity errors of the plain lists of ten, under names that end in `:plain`."""
        problems = plain_problems(self.split.catalog, self.points)
        cases = [
            Case(
                request_id="plain",
                kind="plain",
                point=point,
                request=PLAIN,
                problem=problem,
                words={},
                target_admissible=True,
                random_category=False,
            )
            for point, problem in zip(self.points, problems, strict=True)
        ]
        metrics = control_metrics(cases, lists)
        return {f"{name}:plain": one for name, one in metrics.items() if name.startswith("error_")}

    def _ask_oracle(self, name: str, plain: Lists, answers: dict[Words, Lists]) -> None:
        catalog = self.split.catalog
        found = 0
        for items, point in zip(plain, self.points if plain else [], strict=True):
            found += bool(self._violations(PLAIN, items, point.history, catalog))
        for lists in answers.values():
            for case, items in zip(self.cases, lists, strict=True):
                found += bool(self._violations(case.request, items, case.point.history, catalog))
        self.oracle[name] = found

    def _violations(
        self,
        request: Request,
        items: Sequence[int | None],
        history: NDArray[np.integer],
        catalog: Catalog,
    ) -> list[str]:
        asked = json.loads(request.to_json())
        served = ["" if item is None else catalog.item_ids[item] for item in items]
        return violations(asked, served, self._table, [catalog.item_ids[int(i)] for i in history])

    def compare(self, pairs: Sequence[tuple[str, str]]) -> tuple[Comparison, ...]:
        """Return paired differences of plain NDCG@10, per user, for the pairs whose rows exist."""
        return tuple(
            Comparison(
                row=one,
                reference=other,
                metric="ndcg@10",
                difference=Metric.of(paired_difference(self._gain(one), self._gain(other), self.users)),
            )
            for one, other in pairs
            if one in self.ranks and other in self.ranks
        )

    def _gain(self, name: str) -> NDArray[np.float64]:
        """Return a row's plain ndcg@10 at each point, (P,), averaged over its seeds."""
        gains = np.stack([rank_metric("ndcg@10", one) for one in self.ranks[name]])  # (S, P)
        return np.asarray(gains.mean(axis=0))

    def report(
        self, *, looks: int, command: str, weight_curve: Sequence[dict[str, float]], dataset: str
    ) -> Report:
        """Return the report of what was evaluated."""
        split = self.split
        admissible = [case.target_admissible for case in self.cases]
        facts = Facts(
            dataset=dataset,
            split=split.name,
            split_hash=split.hash,
            history_policy=split.history_policy,
            num_users=len(split.users),
            num_items=len(split.catalog),
            num_interactions=int(sum(len(sequence) for sequence in split.sequences)),
            num_points=len(self.points),
            num_requests=len(self.cases),
            target_admissible=float(np.mean(admissible)) if admissible else None,
            target_in_input=float(np.mean([point.target in point.history for point in self.points])),
            looks=looks,
            hardware=f"{os.cpu_count()} cores {platform.machine()}",
            date=time.strftime("%Y-%m-%d"),
            commit=provenance()["commit"],
            command=command,
        )
        pairs = (
            ("sasrec", "floor"),
            ("lm-constrained", "teacher"),
            ("lm-constrained", "lm-sft-constrained"),
            ("lm-constrained+teacher", "lm-constrained"),
            ("lm-constrained+teacher", "teacher"),
        )
        return Report(
            facts=facts,
            rows=in_order(self.rows),
            comparisons=self.compare(pairs),
            weight_curve=tuple(weight_curve),
            oracle_violations=self.oracle,
        )
