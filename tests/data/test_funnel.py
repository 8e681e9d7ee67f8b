import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.data.funnel import core_of, funnel_step, k_core


def brute_core(rows: list[tuple[int, int]], user_core: int, item_core: int) -> list[tuple[int, int]]:
    """The definition: remove rows of too short users or items one at a time until there is none."""
    rows = list(rows)
    while True:
        for row in rows:
            users, items = sum(row[0] == user for user, _ in rows), sum(row[1] == item for _, item in rows)
            if users < user_core or items < item_core:
                rows.remove(row)
                break
        else:
            return rows


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=25),
    user_core=st.integers(0, 4),
    item_core=st.integers(0, 4),
)
def test_core_is_the_one_of_the_definition(
    rows: list[tuple[int, int]], user_core: int, item_core: int
) -> None:
    user, item = (np.array([row[part] for row in rows], np.int64) for part in (0, 1))
    core = k_core(user, item, user_core, item_core)
    kept = [row for row, keep in zip(rows, core.keep, strict=True) if keep]
    assert sorted(kept) == sorted(brute_core(rows, user_core, item_core))


def test_rounds_by_hand() -> None:
    # Two rounds empty the chain; the square of users 8, 9 and items 8, 9 stays.
    chain = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]
    square = [(8, 8), (8, 9), (9, 8), (9, 9)]
    user, item = (np.array([row[part] for row in chain + square]) for part in (0, 1))
    core = k_core(user, item, 2, 2)
    # Round 1: u0 goes, then items 0 (1 row left) and 2 (1 row). Round 2: u1 and u2 have one row each.
    assert core.keep.tolist() == [False] * 5 + [True] * 4
    assert core.rounds == 2


def test_core_of_a_log_and_its_count() -> None:
    frame = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"]})
    left, rounds = core_of(frame, 2, 0)
    assert left["user_id"].to_list() == ["a", "a"]
    assert rounds == 1
    step = funnel_step("core", left, "user_core=")
    assert (step.rows, step.users, step.items, step.option) == (2, 1, 2, "user_core=")
