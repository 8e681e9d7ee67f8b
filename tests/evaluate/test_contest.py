"""Several runs in one table: pairing, seeds and verdicts, derived by hand."""

from __future__ import annotations

import io
import re

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from steerec.data.split import Point
from steerec.evaluate.contest import MEASURES, Contest, Measure, contest_tables, pool_labels
from steerec.evaluate.values import RANDOM, ValueTable

NDCG = Measure("NDCG@10", "lm-constrained", "ndcg@10")
LENGTHS = next(one for one in MEASURES if one.heading == "obeys, unseen lengths")
USERS = 40


def run(values: list[float], obeys: float = 0.5, teacher: float = 0.3) -> pl.DataFrame:
    """Return a run in which user u has the plain value values[u % len(values)]."""
    rows = []
    for user in range(USERS):
        plain = {"user": user, "key": f"{user}:9", "group": "plain"}
        value = values[user % len(values)]
        rows.append({"row": "lm-constrained", "metric": "ndcg@10", **plain, "value": value})
        rows.append({"row": "teacher", "metric": "ndcg@10", **plain, "value": teacher})
        asked = {"row": "lm-free", "metric": "control_satisfaction@k:unseen", "user": user}
        rows.append({**asked, "key": f"r{user}", "group": "item_count_unseen", "value": obeys})
        rows.append({**asked, "key": f"x{user}", "group": RANDOM, "value": 1.0})
    return pl.DataFrame(rows)


def test_seeds_are_paired_and_a_claim_needs_the_same_sign_in_each() -> None:
    contest = Contest(
        [
            ("sft", run([0.1, 0.3])),
            ("sft", run([0.2, 0.4])),
            ("rl", run([0.2, 0.4])),
            ("rl", run([0.4, 0.6])),
            ("mixed", run([0.3, 0.5])),
            ("mixed", run([0.15, 0.35])),
        ]
    )
    better = contest.difference("rl", "sft", NDCG)
    assert better is not None
    assert better.per_seed == pytest.approx((0.1, 0.2))
    assert better.interval.mean == pytest.approx(0.15)
    assert better.interval.low == pytest.approx(better.interval.high), "every user differs by the same"
    assert better.verdict == "higher"
    mixed = contest.difference("mixed", "sft", NDCG)
    assert mixed is not None
    assert mixed.interval.low > 0
    assert mixed.verdict == "no difference shown, non-inferior", "one seed is better, the other is worse"
    mean = contest.mean("rl", NDCG)
    assert mean is not None
    assert mean.mean == pytest.approx(0.4)


def test_the_side_with_fewer_seeds_is_repeated_in_both_directions() -> None:
    """.5 against .4 and .8: +.1 and -.3, so -.1 on average, and +.1 the other way round."""
    contest = Contest([("one", run([0.5])), ("two", run([0.4])), ("two", run([0.8]))])
    for label, reference, sign in (("one", "two", 1), ("two", "one", -1)):
        found = contest.difference(label, reference, NDCG)
        assert found is not None
        assert found.per_seed == pytest.approx((sign * 0.1, sign * -0.3))
        assert found.interval.mean == pytest.approx(sign * -0.1)


def test_a_loss_within_the_margin_is_non_inferior_and_beyond_it_is_not() -> None:
    contest = Contest([("sft", run([0.2])), ("near", run([0.19, 0.21])), ("far", run([0.1, 0.29]))])
    near, far = (contest.difference(label, "sft", NDCG) for label in ("near", "far"))
    assert near is not None
    assert far is not None
    assert near.interval.low > -0.05 * 0.2
    assert near.verdict.endswith("non-inferior")
    assert far.interval.low < -0.05 * 0.2 < far.interval.high
    assert far.verdict.endswith("may be inferior")


def test_shared_rows_answer_once_and_random_categories_are_left_out() -> None:
    contest = Contest([("sft", run([0.2], obeys=0.25)), ("rl", run([0.2], teacher=0.9))])
    teacher = contest.mean("teacher", NDCG)
    assert teacher is not None
    assert teacher.mean == pytest.approx(0.3), "the first run's"
    lengths = contest.mean("sft", LENGTHS)
    assert lengths is not None
    assert lengths.mean == pytest.approx(0.25)
    everything = contest.mean("sft", LENGTHS._replace(group=None))
    assert everything is not None
    assert everything.mean == pytest.approx(0.25), "a random category is no usual request"
    assert contest.mean("sft", NDCG._replace(metric="none")) is None


def test_labels_pool_seeds_and_tell_settings_apart() -> None:
    base = {"recipe": "grpo", "seed": 0, "align": {"training": {"seed": 0, "learning_rate": 1e-4}}}
    other = {"recipe": "grpo", "seed": 1, "align": {"training": {"seed": 1, "learning_rate": 1e-4}}}
    slower = {"recipe": "grpo", "seed": 1, "align": {"training": {"seed": 1, "learning_rate": 1e-5}}}
    asked = {**base, "evaluation": {"conventional": False}}
    assert pool_labels([base, other, slower, asked]) == ["grpo", "grpo", "grpo #2", "grpo"]


def printed(contest: Contest, references: list[str], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    for table in contest_tables(contest, references):
        console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_tables_name_rows_seeds_and_verdicts() -> None:
    contest = Contest([("sft", run([0.1])), ("sft", run([0.1])), ("rl", run([0.2])), ("rl", run([0.2]))])
    text = printed(contest, ["sft"], 200)
    for words in ("sft (2 seeds)", "teacher", "rl minus sft", "+0.1000 [+0.1000, +0.1000]", "higher"):
        assert words in text, words
    assert "50.0 %" in text


def test_two_labels_are_compared_in_one_direction_and_three_with_both_references() -> None:
    two = Contest([("sft", run([0.1])), ("rl", run([0.2]))])
    assert re.findall(r"\w+ minus \w+", printed(two, ["sft", "rl"], 200)) == ["rl minus sft"]
    three = Contest([("sft", run([0.1])), ("more", run([0.15])), ("rl", run([0.2]))])
    assert re.findall(r"\w+ minus \w+", printed(three, ["sft", "more"], 200)) == [
        "more minus sft",
        "rl minus sft",
        "rl minus more",
    ]


def test_no_cell_is_cut_in_a_narrow_terminal() -> None:
    label = "controllable-tiny-continued"
    runs = [(label, run([0.1 + seed / 50])) for seed in range(3)]
    text = printed(Contest([("controllable-tiny", run([0.12])), *runs]), ["controllable-tiny"], 80)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert f"{label} (3 seeds)" in text


def test_values_are_kept_by_point() -> None:
    table = ValueTable()
    points = [Point(3, np.array([1]), 2, 7), Point(3, np.array([1, 2]), 4, 8)]
    table.add_points("teacher", points, np.array([0.5, 1.0]))
    assert table._frames[0].to_dicts() == [
        {"row": "teacher", "metric": "ndcg@10", "user": 3, "key": "3:7", "group": "plain", "value": 0.5},
        {"row": "teacher", "metric": "ndcg@10", "user": 3, "key": "3:8", "group": "plain", "value": 1.0},
    ]
