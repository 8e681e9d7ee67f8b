"""Judges: a request is read as the published task that it is, and rewards reach the lists."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest

from steerec.align.distillation import Teaching
from steerec.align.rewards.judge import PublishedRewardConfig, make_judge, published_task
from steerec.align.rewards.own import RewardConfig
from steerec.align.rollouts import Ask, Rollout
from steerec.control.forms import (
    at_least,
    at_most,
    cap,
    exactly,
    only,
    share_about,
    share_at_least,
    share_at_most,
    without,
)
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.errors import ConfigError
from tiny_shelf import shelf

CATALOG = shelf()


def task(*controls: object, count: int = 4) -> tuple[str, int]:
    request = Request(count=count, controls=list(controls))
    found = published_task(request, compile_request(request, CATALOG))
    return found.task, found.quota


def test_requests_are_the_published_tasks() -> None:
    assert task() == ("SeqRec", 0)
    assert task(only("Drama")) == ("+C", 0)
    assert task(without("Drama")) == ("-C", 0)
    assert task(share_at_most(Fraction(1, 2), "Drama")) == ("LP", 2)
    assert task(at_most(3, "Drama")) == ("LP", 3)
    assert task(share_at_least(Fraction(1, 2), "Drama")) == ("MP", 2)
    # 0.4 * 4 = 1.6 is read as 2
    assert task(share_about(Fraction(2, 5), "Drama")) == ("EP", 2)
    assert task(exactly(3, "Drama")) == ("EP", 3)
    request = Request(count=4, controls=[only("Drama")])
    members = published_task(request, compile_request(request, CATALOG)).members
    assert members.tolist() == [True] * 8


@pytest.mark.parametrize("controls", [
    [at_least(1, "Drama"), at_most(2, "Drama", )], [cap("year", 1)], [at_least(1, "Drama", within=(1, 2))],
])  # fmt: skip
def test_other_requests_are_refused(controls: list[object]) -> None:
    with pytest.raises(ConfigError, match="know no request"):
        task(*controls)


@pytest.mark.parametrize("changes", [
    {"exclude": ["3"]}, {"allow_seen": True}, {"prefer": [{"like": ["3"]}]},
])  # fmt: skip
def test_requests_that_treat_items_apart_are_refused(changes: dict[str, Any]) -> None:
    request = Request(count=2, **changes)
    with pytest.raises(ConfigError, match="know no request"):
        published_task(request, compile_request(request, CATALOG))


def ask(request: Request, history: tuple[int, ...], target: int) -> Ask:
    problem = compile_request(request, CATALOG, history)
    return Ask(tokens=(1,), request=request, problem=problem, history=history, target=target, user=0)


def rollout(*items: int | None) -> Rollout:
    ends = np.arange(len(items))
    return Rollout(items=items, tokens=tuple(range(len(items))), ends=ends, decided=ends, allowed=None)


def teaching() -> Teaching:
    """The teacher ranks items by index, 0 first."""
    return Teaching(lambda h, u: np.tile(-np.arange(8, dtype=np.float32), (len(h), 1)), CATALOG)


def test_published_rewards_by_hand() -> None:
    asks = [ask(Request(count=2), (0,), 3)]
    groups = [[rollout(3, 1), rollout(None, 0)]]
    (judged,) = make_judge(PublishedRewardConfig(), teaching())(asks, groups)
    # the target first; then teacher's rank 1: 1 / log2(4)
    np.testing.assert_allclose(judged[0].items, [1.0, 0.5])
    ideal = 1 + 1 / np.log2(3) ** 2
    accuracy = (1.0 + 0.5 / np.log2(3)) / ideal
    assert judged[0].whole == pytest.approx(10 * (0.5 * accuracy + 0.5 * 1.0))
    # unknown, and in the history: both fail
    np.testing.assert_allclose(judged[1].items, [-1.0, -1.0])
    assert judged[1].whole == pytest.approx(10 * 0.5 * -2 / ideal)
    (items_only,) = make_judge(PublishedRewardConfig(list_rewards=False), teaching())(asks, groups)
    assert (items_only[0].whole, items_only[0].total) == (0.0, 1.5)
    with pytest.raises(ValueError, match="nothing is rewarded"):
        PublishedRewardConfig(list_rewards=False, item_rewards=False)


DRAMA = {0, 2}
"""Members of the category among four films; the teacher ranks them by index."""


@pytest.mark.parametrize(("control", "items", "control_of_items", "control_of_list"), [
    # One of two is inside: 1 / (min(2, 2) - 1 + 1).
    (only("Drama"), (2, 1), (1.0, 0.0), 0.5),
    # One of two is outside: 1 / (2 - 1 + 1).
    (without("Drama"), (2, 1), (0.0, 1.0), 0.5),
    # "Less than one" for items, so the first is worth nothing yet; two where one may be: 1 / (2 - 1 + 1).
    (at_most(1, "Drama"), (2, 0), (0.0, 0.0), 0.5),
    # One place must be left for a member, and none is: 1 / (1 - 0 + 1).
    (at_least(1, "Drama"), (1, 3), (0.0, 0.0), 0.5),
    (exactly(1, "Drama"), (0, 3), (1.0, 1.0), 1.0),
])  # fmt: skip
def test_published_rewards_of_controls_by_hand(
    control: Any, items: tuple[int, int], control_of_items: tuple[float, float], control_of_list: float
) -> None:
    frame = pl.DataFrame(
        {
            "item_id": list("0123"),
            "title": list("abcd"),
            "categories": [["Drama"] if i in DRAMA else ["Comedy"] for i in range(4)],
        }
    )
    catalog, request = Catalog.from_frame(frame, noun="films"), Request(count=2, controls=[control])
    problem = compile_request(request, catalog, ())
    asked = Ask(tokens=(1,), request=request, problem=problem, history=(), target=3, user=0)
    teacher = Teaching(lambda h, u: np.tile(-np.arange(4, dtype=np.float32), (len(h), 1)), catalog)
    ((judged,),) = make_judge(PublishedRewardConfig(), teacher)([asked], [[rollout(*items)]])
    accuracy = np.array([1.0 if item == 3 else 1 / np.log2(item + 3) for item in items])
    np.testing.assert_allclose(judged.items, 0.5 * accuracy + 0.5 * np.array(control_of_items))
    ranking = (accuracy[0] + accuracy[1] / np.log2(3)) / (1 + 1 / np.log2(3) ** 2)
    assert judged.whole == pytest.approx(10 * (0.5 * ranking + 0.5 * control_of_list))


def test_own_rewards_know_places_and_the_whole() -> None:
    asks = [ask(Request(count=2), (0,), 3), ask(Request(count=1), (0, 1), 2)]
    groups = [[rollout(1, 3), rollout(1)], [rollout(2)]]
    config = RewardConfig(satisfaction=1, gap=0, ranking=1, regret=0)
    first, second = make_judge(config, teaching())(asks, groups)
    np.testing.assert_allclose(first[0].items, [0, 1 / np.log2(3)])
    assert (first[0].whole, first[1].whole, second[0].total) == (1.0, 0.0, 2.0)
    assert first[1].parts["satisfaction"] == 0.0
    regretful = make_judge(config.replace(regret=1.0), teaching())(asks, groups)
    assert regretful[0][0].parts["regret"] == pytest.approx(
        1 - (np.exp(-1) + np.exp(-3)) / (np.exp(-1) + np.exp(-2))
    )
    assert not make_judge(PublishedRewardConfig(), teaching())([], [])
