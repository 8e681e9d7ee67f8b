"""Every task by enumeration: valid requests of the right shape on a rich world, silence on a bare one."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from toy_rows import bare_split, teacher, world_split

from steerec.control.request import compile_request
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.instruct.attributes import Attributes
from steerec.instruct.choice import Situation, draw_category, draw_share
from steerec.instruct.compound import CONTROLS, draw_controls
from steerec.instruct.labels import best_items, seen_mask
from steerec.instruct.mixture import CategorySources, MixtureConfig
from steerec.instruct.tasks import TASKS, Draft, draw_candidates

CONFIG = MixtureConfig()


def situation_of(split: Split, user: int, attributes: Attributes | None = None) -> Situation:
    attributes = attributes or Attributes.of(split.catalog)
    history, target = split.train[user][:-1], int(split.train[user][-1])
    scores = teacher(split)([history])[0]
    unseen = ~seen_mask(history, split.catalog.work)
    best = best_items(scores, unseen, split.catalog.work, 64)
    return Situation(
        attributes=attributes, history=history, target=target, unseen=unseen, scores=scores, best=best
    )


@pytest.fixture(scope="module")
def split() -> Split:
    return world_split()


def drafts(split: Split, task: str, number: int = 60) -> list[Draft]:
    attributes = Attributes.of(split.catalog)
    drawn = [
        TASKS[task].draw(
            situation_of(split, user % len(split.users), attributes),
            np.random.default_rng(user),
            CONFIG,
            "train",
        )
        for user in range(number)
    ]
    return [draft for draft in drawn if draft is not None]


def requests(split: Split, task: str) -> list[dict[str, Any]]:
    return [json.loads(draft.request.to_json()) for draft in drafts(split, task) if draft.request]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_draws_requests_that_the_catalogue_understands(split: Split, task: str) -> None:
    found = drafts(split, task)
    assert len(found) >= 40
    for draft in found:
        if draft.request is None:
            assert draft.instruction
            assert draft.answer_text
        else:
            compile_request(draft.request, split.catalog, ())


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_left_out_or_works_where_there_are_no_attributes(task: str) -> None:
    split = bare_split()
    assert TASKS[task].is_possible(Attributes.of(split.catalog)) == (
        task in ("next_items", "item_count", "candidates")
    )
    if TASKS[task].is_possible(Attributes.of(split.catalog)):
        assert drafts(split, task, 10)


def test_include_and_exclude_ask_for_all_and_none(split: Split) -> None:
    for request in requests(split, "include_category"):
        assert [control["at_least"] for control in request["controls"]] == ["all"]
    for request in requests(split, "exclude_category"):
        assert [control["at_most"] for control in request["controls"]] == [0]


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("share_at_most", {"at_most", "share_at_most", "share_less_than"}),
        ("share_at_least", {"at_least", "share_at_least", "share_more_than"}),
        ("share_about", {"exactly", "share_about"}),
    ],
)
def test_bounds_come_as_counts_and_as_shares(split: Split, task: str, names: set[str]) -> None:
    found = set()
    for request in requests(split, task):
        (control,) = request["controls"]
        (name,) = [name for name in names if control.get(name) is not None]
        found.add(name)
        assert request["count"] >= 4
    assert found == names


def test_candidates_are_more_than_the_answer_unseen_and_hold_the_target(split: Split) -> None:
    index = split.catalog.index
    for user, request in enumerate(requests(split, "candidates")):
        items = [index(item_id) for item_id in request["candidates"]]
        works = split.catalog.work[items].tolist()
        situation = situation_of(split, user)
        assert request["count"] < len(items) <= CONFIG.max_candidates
        assert len(set(works)) == len(works)
        assert not set(works) & set(split.catalog.work[situation.history].tolist())
        assert situation.target in items or not situation.unseen[situation.target]


def test_candidates_stop_where_the_catalogue_does(split: Split) -> None:
    situation = situation_of(split, 0)
    assert len(draw_candidates(situation, np.random.default_rng(0), 500)) <= situation.unseen.sum()


def test_items_and_categories_answer_each_other(split: Split) -> None:
    target = situation_of(split, 0).target
    assert target is not None
    (answer,) = {draft.answer_text for draft in drafts(split, "item_to_category", 1)}
    assert answer == ", ".join(split.catalog.frame["categories"][target])
    for draft in drafts(split, "category_to_item"):
        assert draft.request is not None
        assert draft.request.count == 1
        assert draft.instruction


def test_compound_requests_have_two_to_four_controls_of_every_kind(split: Split) -> None:
    found = requests(split, "compound")
    assert {len(request["controls"]) for request in found} == {2, 3, 4}
    controls = [control for request in found for control in request["controls"]]
    assert any(control.get("each") for control in controls)
    assert any(control.get("within") for control in controls)
    assert any("year" in (control.get("where") or {}) for control in controls)
    subjects = [[json.dumps(c.get("where") or c["each"]) for c in request["controls"]] for request in found]
    assert all(len(set(names)) == len(names) for names in subjects)


@pytest.mark.parametrize("kind", CONTROLS)
def test_every_kind_of_control_is_drawn_or_silent(split: Split, kind: str) -> None:
    maker, _ = CONTROLS[kind]
    rng = np.random.default_rng(0)
    assert any(maker(situation_of(split, user), rng, 10, CONFIG) for user in range(20))
    bare = bare_split()
    assert not any(maker(situation_of(bare, user), rng, 10, CONFIG) for user in range(5))


def test_a_catalogue_with_too_little_to_ask_gives_no_compound() -> None:
    split = bare_split()
    assert draw_controls(situation_of(split, 0), np.random.default_rng(0), 2, 10, CONFIG) == []


def test_categories_come_from_where_they_should(split: Split) -> None:
    rng = np.random.default_rng(0)
    attributes = Attributes.of(split.catalog)
    for user in range(40):
        situation = situation_of(split, user, attributes)
        for source, items in (
            ("target", [situation.target]),
            ("history", situation.history.tolist()),
            ("teacher", situation.best[:20].tolist()),
        ):
            shares = CategorySources(**{"target": 0, "history": 0, "teacher": 0, "uniform": 0, source: 1})
            category = draw_category(situation, rng, shares)
            assert category is not None
            assert category.source == source
            assert any(category.has(item) for item in items)


def test_excluded_categories_are_not_the_targets(split: Split) -> None:
    rng = np.random.default_rng(0)
    shares = CategorySources(target=0, history=0.5, teacher=0.5, uniform=0)
    for user in range(40):
        situation = situation_of(split, user)
        category = draw_category(situation, rng, shares, avoid_target=True)
        assert category is None or not category.has(situation.target or 0)


def test_shares_are_said_in_tens_or_common_fractions() -> None:
    rng = np.random.default_rng(0)
    found = {Fraction(draw_share(number, 10, rng)) for number in range(11) for _ in range(50)}
    tens = {Fraction(n, 10) for n in range(1, 10)}
    assert tens <= found <= tens | {Fraction(1, 4), Fraction(1, 3), Fraction(2, 3), Fraction(3, 4)}


def test_columns_are_found_by_type_and_names_are_told_from_topics(split: Split) -> None:
    attributes = Attributes.of(split.catalog)
    assert {column.name for column in attributes.categories} == {"categories", "director", "path"}
    assert [column.name for column in attributes.numbers] == ["year"]
    assert attributes.topical[0].name == "categories"
    assert {column.name for column in attributes.capped} == {"categories", "director"}
    names = pl.DataFrame({"item_id": list("abcdef"), "title": list("abcdef"), "brand": list("uvwxyz")})
    assert Attributes.of(Catalog.from_frame(names, types={"brand": "category"})).topical == ()


def test_support_counts_works_not_items() -> None:
    frame = pl.DataFrame(
        {"item_id": ["a", "b", "c"], "title": ["T", "T", "U"], "year": [1, 1, 2], "kind": ["x", "x", "y"]}
    )
    (column,) = Attributes.of(
        Catalog.from_frame(frame, types={"kind": "category", "year": "number"})
    ).categories
    assert dict(zip(column.values, column.support.tolist(), strict=True)) == {"x": 1, "y": 1}


def test_every_prefix_of_a_path_can_be_asked_for() -> None:
    frame = pl.DataFrame({"item_id": ["a", "b"], "title": ["T", "U"], "path": [["Home", "Bath"], ["Home"]]})
    (column,) = Attributes.of(Catalog.from_frame(frame, types={"path": "path"})).categories
    assert column.values == (("Home",), ("Home", "Bath"))
    assert column.where(1) == {"path": {"under": ["Home", "Bath"]}}
    assert column.spoken(1) == "Home > Bath"


def test_the_topic_table_says_which_topics_each_item_carries() -> None:
    frame = pl.DataFrame(
        {
            "item_id": [str(i) for i in range(16)],
            "title": [f"Film {i}" for i in range(16)],
            "categories": [["Comedy", "Drama"]] * 5 + [["Drama"]] * 5 + [["Western"]] * 2 + [[]] * 4,
        }
    )
    table = Attributes.of(Catalog.from_frame(frame)).topic_table()
    drama, comedy = [1.0] * 10 + [0.0] * 6, [1.0] * 5 + [0.0] * 11  # two Westerns are too few for a topic
    assert table.T.tolist() == [drama, comedy]
    assert Attributes.of(Catalog.from_frame(frame)).topic_table(most=1).T.tolist() == [drama]
