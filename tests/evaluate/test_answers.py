"""What rows without a language model answer, and one whole evaluation of them on the synthetic world."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.control.request import Request, compile_request
from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.evaluate.answers import controlled_lists, heedless_lists, keyword_lists
from steerec.evaluate.control import Case, judge
from steerec.evaluate.session import Contestants, EvaluationConfig, Session
from steerec.recommend.floor import Floor
from steerec.recommend.popularity import Popularity
from steerec.understand.keyword import KeywordReader

COMEDIES = {"where": {"categories": "Comedy"}, "at_least": "all"}


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split(make_world(num_users=40, num_items=48, seed=2))


@pytest.fixture(scope="module")
def teacher(split: Split) -> Floor:
    return Floor().fit(split)


@pytest.fixture(scope="module")
def reader(split: Split) -> KeywordReader:
    return KeywordReader(split.catalog)


def cases(split: Split, request: Request, words: str, number: int = 6) -> list[Case]:
    asked = []
    for point in split.points("valid")[:number]:
        problem = compile_request(request, split.catalog, point.history.tolist())
        comedy = "Comedy" in split.catalog.frame["categories"][point.target].to_list()
        asked.append(
            Case(
                request_id=f"only-{point.user}",
                kind="only",
                point=point,
                request=request,
                problem=problem,
                words={"seen": words, "unseen": words},
                target_admissible=comedy,
                random_category=False,
            )
        )
    return asked


def satisfied(asked: list[Case], lists: list[list[int | None]]) -> list[float]:
    return [judge(one, items)["control_satisfaction@k"] for one, items in zip(asked, lists, strict=True)]


def test_the_heedless_row_ignores_the_request_but_not_the_count(split: Split, teacher: Floor) -> None:
    asked = cases(split, Request(count=4, controls=[COMEDIES]), "")
    lists = heedless_lists(teacher, asked)
    for one, items in zip(asked, lists, strict=True):
        assert items == teacher.recommend(one.point.history, Request(count=4))
    assert min(satisfied(asked, lists)) == 0


def test_the_controlled_row_is_the_teachers_best_list_that_obeys(split: Split, teacher: Floor) -> None:
    asked = cases(split, Request(count=4, controls=[COMEDIES]), "")
    lists = controlled_lists(teacher, asked)
    assert satisfied(asked, lists) == [1.0] * len(asked)
    comedies = ["Comedy" in names for names in split.catalog.frame["categories"].to_list()]
    for one, items in zip(asked, lists, strict=True):
        scores = teacher.scores([one.point.history])[0]
        allowed = np.array(comedies) & one.problem.allowed
        best = np.argsort(-np.where(allowed, scores, -np.inf), kind="stable")
        works: list[int] = []
        for item in best:
            if split.catalog.work[item] not in split.catalog.work[works]:
                works.append(int(item))
        assert items == works[:4]


def test_the_keyword_row_obeys_what_it_reads(split: Split, teacher: Floor, reader: KeywordReader) -> None:
    request = Request(count=4, controls=[COMEDIES])
    asked = cases(split, request, "Four films, all of them comedies.")
    assert keyword_lists(teacher, reader, asked, "seen") == controlled_lists(teacher, asked)
    misread = cases(split, request, "Four films, all dramas.")
    lists = keyword_lists(teacher, reader, misread, "unseen")
    assert min(satisfied(misread, lists)) == 0
    assert [len(items) for items in lists] == [4] * len(lists)


def test_a_reading_that_cannot_be_satisfied_falls_back(
    split: Split, teacher: Floor, reader: KeywordReader
) -> None:
    request = Request(count=4, controls=[COMEDIES])
    impossible = cases(split, request, "Four films: only comedies, no comedies.")
    lists = keyword_lists(teacher, reader, impossible, "seen")
    assert lists == heedless_lists(teacher, impossible)  # the count at least
    too_many = cases(split, request, "900 films, please.")
    assert keyword_lists(teacher, reader, too_many, "seen") == [[]] * len(too_many)


def test_a_whole_evaluation(split: Split, teacher: Floor, reader: KeywordReader) -> None:
    popularity = Popularity().fit(split)
    asked = cases(
        split, Request(count=4, controls=[COMEDIES]), "Four films, all of them comedies.", number=20
    )
    contestants = Contestants(
        split=split,
        rows={"popularity": [popularity], "floor": [teacher]},
        seeds=(0,),
        teacher=teacher,
        make_reader=lambda: reader,
        seconds={"floor": 1.5},
    )
    session = Session(contestants, "valid", asked, EvaluationConfig())
    session.evaluate()
    report = session.report(looks=0, command="a test", weight_curve=(), dataset="synthetic")
    assert [row.name for row in report.rows] == [
        "popularity",
        "floor",
        "teacher",
        "teacher+control",
        "teacher+keyword",
    ]
    control, keyword = report.row("teacher+control").metrics, report.row("teacher+keyword").metrics
    assert control["control_satisfaction@k"].mean == 1
    assert control["control_satisfaction@k:unseen"].mean == 1
    assert keyword["control_satisfaction@k"].mean == 1
    assert report.oracle_violations == {"teacher+control": 0}
    # The target can only move up when items that do not obey leave; costs are against the row's plain list.
    assert control["ndcg@10:control"].mean >= report.row("teacher").metrics["ndcg@10:control"].mean
    assert (
        control["ndcg@10"]
        == report.row("teacher").metrics["ndcg@10"]
        == report.row("floor").metrics["ndcg@10"]
    )
    usual = [one for one in asked if one.target_admissible and not one.random_category]
    ranks = session.ranks["teacher"][0][[session.place[one.point.user, one.point.position] for one in usual]]
    cut = np.array([min(10, one.request.count) for one in usual])  # the plain list is cut to the asked length
    cost = np.mean(np.where(ranks <= cut, 1 / np.log2(ranks + 1), 0)) - control["ndcg@10:control"].mean
    assert control["accuracy_cost@10"].mean == pytest.approx(cost)
    assert report.facts.num_points == len(split.points("valid"))
    assert report.facts.num_requests == 20
    assert report.facts.target_admissible == np.mean([one.target_admissible for one in asked])
    assert report.row("floor").seconds == 1.5


def test_without_requests_no_reader_is_made(split: Split, teacher: Floor) -> None:
    def embedded() -> KeywordReader:
        raise AssertionError("minutes on a large catalogue, for nothing")

    contestants = Contestants(
        split=split, rows={"floor": [teacher]}, seeds=(0,), teacher=teacher, make_reader=embedded
    )
    session = Session(contestants, "valid", [], EvaluationConfig())
    session.evaluate()
    assert [row.name for row in session.rows] == ["floor", "teacher"]


class Backwards(Popularity):
    """Another seed, of the opposite opinion."""

    def _scores(self, histories: list[np.ndarray]) -> np.ndarray:
        return -super()._scores(histories)


def test_what_obeying_costs_is_measured_within_one_seed(split: Split, reader: KeywordReader) -> None:
    """The lists are the first seed's, so what they cost is the same with and without a second seed."""
    asked = cases(split, Request(count=4, controls=[COMEDIES]), "Four comedies.", number=20)
    first, second = Popularity().fit(split), Backwards().fit(split)
    costs = []
    for seeds in ([first], [first, second]):
        contestants = Contestants(
            split=split,
            rows={"popularity": seeds},
            seeds=tuple(range(len(seeds))),
            teacher=first,
            make_reader=lambda: reader,
        )
        session = Session(contestants, "valid", asked, EvaluationConfig())
        session._conventional("popularity", seeds)
        costs.append(session.rows[0].metrics["accuracy_cost@10"])
    assert not np.array_equal(*session.ranks["popularity"])
    assert costs[0] == costs[1]
