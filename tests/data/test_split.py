from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.data.catalog import Catalog
from steerec.data.dataset import Dataset
from steerec.data.split import SPLITS, Split, make_split
from steerec.errors import DataError

NUM_ITEMS = 30


def dataset(rows: list[tuple[str, int, int]], *, order: str = "timestamp") -> Dataset:
    """A dataset of (user, item, time) in file order."""
    items = pl.DataFrame(
        {"item_id": [f"i{k}" for k in range(NUM_ITEMS)], "title": [f"t{k}" for k in range(NUM_ITEMS)]}
    )
    time = pl.Series([row[2] for row in rows], dtype=pl.Int64)
    log = pl.DataFrame(
        {
            "user_id": [row[0] for row in rows],
            "item_id": [f"i{row[1]}" for row in rows],
            order: pl.from_epoch(time).cast(pl.Datetime("us")) if order == "timestamp" else time,
        }
    )
    return Dataset.build("small", log, Catalog.from_frame(items))


def test_order_is_time_then_file_row() -> None:
    # By hand: time 5 comes first (item 3), the tie at 7 keeps file order (1 before 0), then 9 (item 2).
    split = make_split(dataset([("u", 1, 7), ("u", 2, 9), ("u", 0, 7), ("u", 3, 5)]))
    assert split.sequences[0].tolist() == [3, 1, 0, 2]
    assert split.train[0].tolist() == [3, 1]


def test_leave_last_out_by_hand() -> None:
    rows = (
        [("b", k, k) for k in range(5)] + [("a", 9, 0), ("a", 8, 1)] + [("c", 7, 3), ("c", 6, 4), ("c", 5, 5)]
    )
    split = make_split(dataset(rows))
    assert split.users == ("b", "a", "c")
    assert split.cut.tolist() == [3, 2, 1]
    (valid_b, valid_c), (test_b, test_c) = split.points("valid"), split.points("test")
    assert (valid_b.user, valid_b.history.tolist(), valid_b.target, valid_b.position) == (0, [0, 1, 2], 3, 3)
    assert (test_b.user, test_b.history.tolist(), test_b.target, test_b.position) == (0, [0, 1, 2, 3], 4, 4)
    assert (valid_c.user, valid_c.history.tolist(), valid_c.target) == (2, [7], 6)
    assert (test_c.history.tolist(), test_c.target) == ([7, 6], 5)
    # Popularity counts training items only: b's first three, both of a's (two items: train only), c's first.
    assert np.flatnonzero(split.catalog.popularity).tolist() == [0, 1, 2, 7, 8, 9]


def test_last_five_by_hand() -> None:
    split = make_split(
        dataset([("u", k, k) for k in range(9)] + [("short", k, k) for k in range(6)]), "last_five"
    )
    assert split.cut.tolist() == [3, 6]
    assert [point.target for point in split.points("valid")] == [3]
    assert [(point.position, point.target) for point in split.points("test")] == [(k, k) for k in range(4, 9)]
    assert split.points("test")[1].history.tolist() == [0, 1, 2, 3, 4]


def test_temporal_by_hand() -> None:
    # 20 rows at times 0..19: validation starts at time 16, test at 18; user b only starts at 17.
    rows = [("a", time, time) for time in range(17)] + [("b", time, time) for time in (17, 18, 19)]
    split = make_split(dataset(rows), "temporal")
    assert split.cut.tolist() == [16, 0]
    assert split.test_start.tolist() == [17, 1]
    assert [(point.user, point.target) for point in split.points("valid")] == [(0, 16)]
    assert [(point.user, point.target) for point in split.points("test")] == [(1, 18), (1, 19)]


def test_temporal_never_parts_one_moment() -> None:
    rows = [("a", k, min(k, 15)) for k in range(20)]
    split = make_split(dataset(rows), "temporal")
    # Times 15..15 are the last five rows: the moment of the 18th row starts at row 15.
    assert (split.cut.tolist(), split.test_start.tolist()) == ([15], [15])


def test_temporal_refuses_positions() -> None:
    with pytest.raises(
        DataError, match=r"temporal split needs timestamps; small has only positions. Use leave_last"
    ):
        make_split(dataset([("u", 1, 1)], order="position"), "temporal")


def test_unknown_names() -> None:
    with pytest.raises(
        DataError, match=r'no split "leave_last". Did you mean "leave_last_out"\? Splits: leave'
    ):
        make_split(dataset([("u", 1, 1)]), "leave_last")
    with pytest.raises(DataError, match=r'no part "tset". Parts: valid, test'):
        make_split(dataset([("u", 1, 1)])).points("tset")  # type: ignore[arg-type]


ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, NUM_ITEMS - 1), st.integers(0, 12)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, name=st.sampled_from(sorted(SPLITS)))
def test_parts_partition_every_sequence(rows: list[tuple[str, int, int]], name: str) -> None:
    split = make_split(dataset(rows), name)
    for user, sequence in enumerate(split.sequences):
        # The slow definition of the order: Python's stable sort by time.
        expected = [item for who, item, _ in sorted(rows, key=lambda row: row[2]) if who == split.users[user]]
        assert sequence.tolist() == expected
        assert 0 <= split.cut[user] <= split.test_start[user] <= len(sequence)
    points = [*split.points("valid"), *split.points("test")]
    for point in points:
        assert point.history.tolist() == split.sequences[point.user][: point.position].tolist()
        assert point.target == split.sequences[point.user][point.position]
        assert point.position >= max(1, split.cut[point.user])
    assert len({(point.user, point.position) for point in points}) == len(points)
    assert split.catalog.popularity.sum() == split.cut.sum()


@settings(max_examples=20, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_hash_sees_sequences_and_not_how_users_interleave(
    rows: list[tuple[str, int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Shuffle which user comes next, keeping each user's own rows in order.
    queues = {user: [row for row in rows if row[0] == user] for user in "abcd"}
    shuffled = [queues[rows[k][0]].pop(0) for k in rng.permutation(len(rows))]
    for name in SPLITS:
        assert make_split(dataset(rows), name).hash == make_split(dataset(shuffled), name).hash
    longer = [*rows, (rows[0][0], 0, 13)]
    assert make_split(dataset(rows)).hash != make_split(dataset(longer)).hash


def test_hashes_differ_between_splits() -> None:
    data = dataset([("u", k, k) for k in range(9)])
    assert len({make_split(data, name).hash for name in SPLITS}) == 3


def test_save_and_load(tmp_path: Path) -> None:
    split = make_split(dataset([("u", k, k) for k in range(5)] + [("v", 3, 3)]))
    split.save(tmp_path)
    loaded = Split.load(tmp_path)
    assert loaded.hash == split.hash
    assert (loaded.users, loaded.name, loaded.source) == (("u", "v"), "leave_last_out", "small")
    assert loaded.history_policy == split.history_policy
    assert [s.tolist() for s in loaded.sequences] == [s.tolist() for s in split.sequences]
    assert loaded.catalog.popularity.tolist() == split.catalog.popularity.tolist()
    (tmp_path / "split.json").write_text((tmp_path / "split.json").read_text().replace(split.hash, "f" * 64))
    with pytest.raises(DataError, match=r"but split.json says ffffffffffff: a file was changed"):
        Split.load(tmp_path)
    with pytest.raises(DataError, match=r"holds no split: it has no split.json"):
        Split.load(tmp_path / "absent")


def test_dataset_round_trip_and_checks(tmp_path: Path) -> None:
    data = dataset([("u", k, k) for k in range(5)])
    data.save(tmp_path)
    loaded = Dataset.load(tmp_path)
    assert loaded.name == "small"
    assert loaded.interactions.equals(data.interactions)
    log = data.interactions
    with pytest.raises(DataError, match=r"it needs user_id, item_id and timestamp or position"):
        Dataset.build("x", log.drop("timestamp"), data.catalog)
    with pytest.raises(DataError, match="The log is empty"):
        Dataset.build("x", log.clear(), data.catalog)
    with pytest.raises(DataError, match="5 of 5 rows of the log have no user_id"):
        Dataset.build("x", log.with_columns(pl.lit(None, pl.String).alias("user_id")), data.catalog)
    with pytest.raises(
        DataError, match=r"1 items of the log are not in the item table \(5 interactions\), such as zz"
    ):
        Dataset.build("x", log.with_columns(pl.lit("zz").alias("item_id")), data.catalog)
