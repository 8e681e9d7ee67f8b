import polars as pl
import pytest

from steerec.data.catalog import Catalog
from steerec.data.dataset import Dataset
from steerec.data.integrity import check_integrity
from steerec.data.synthetic import make_world


def planted() -> Dataset:
    """Every finding planted once or more; the counts below are made by hand."""
    items = pl.DataFrame(
        {
            "item_id": ["1", "2", "3", "4", "5", "10", "11"],
            "title": ["Net, The", "Net, The", "CafÃ© Lumière", "A &amp; B", "Heat", "Heat", "Never watched"],
            "year": [1995, 1995, 2003, 2000, 1995, None, 2001],
        }
    )
    rows = [
        ("a", item, time) for item, time in zip(["1", "2", "3", "5", "10"], [10, 11, 12, 13, 13], strict=True)
    ]
    rows += [("b", "5", 1), ("b", "4", 2), ("b", "3", 3), ("b", "4", 4)]  # 4 again: repeat, and a seen target
    rows += [("c", "1", 20), ("c", "2", 30)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    log = frame.with_columns(pl.from_epoch("timestamp").cast(pl.Datetime("us")))
    return Dataset.build("planted", log, Catalog.from_frame(items))


def test_every_planted_finding_is_counted() -> None:
    found = check_integrity(planted())
    assert (found.num_users, found.num_items, found.num_interactions) == (3, 7, 11)
    assert found.cold_items == 1
    assert found.short_users == 1
    assert found.duplicate_rows == 1
    assert found.tied_share == pytest.approx(2 / 11)
    assert found.tied_targets == pytest.approx(1 / 2)  # a's last two items share a moment, b's do not
    assert found.sorted_by_id_share == 1.0  # only a has five items: 1 2 3 5 10 (as numbers)
    assert found.seen_targets == 1
    # Training rows: a at 10, 11, 12; b at 1, 2; c at 20, 30. Newer than 13 (a's target): 2 of 7; than 4: 5.
    assert found.future_share == pytest.approx((2 / 7 + 5 / 7) / 2)
    assert (found.duplicate_titles, found.duplicate_works) == (2, 1)
    assert (found.articles, found.odd_titles, found.missing_years) == (2, 2, 1)
    assert found.examples["odd_titles"] == ("CafÃ© Lumière", "A &amp; B")
    assert found.examples["duplicate_works"] == ("The Net (1995): 1, 2",)
    assert found.examples["missing_years"] == ("Heat",)


def test_positions_have_no_times_to_check() -> None:
    data = planted()
    log = data.interactions.with_columns(pl.col("timestamp").dt.epoch("s").alias("position")).drop(
        "timestamp"
    )
    found = check_integrity(Dataset.build("x", log, data.catalog))
    assert (found.tied_share, found.tied_targets, found.future_share) == (None, None, None)


def test_a_log_of_short_users_can_be_checked() -> None:
    data = planted()
    found = check_integrity(Dataset.build("x", data.interactions.tail(2), data.catalog))
    assert (found.tied_targets, found.future_share, found.tied_share) == (None, None, 0.0)


def test_the_synthetic_world_is_clean() -> None:
    found = check_integrity(make_world())
    assert (found.duplicate_rows, found.seen_targets, found.short_users, found.odd_titles) == (0, 0, 0, 0)
    assert found.sorted_by_id_share < 0.05
    assert (found.duplicate_works, found.missing_years) == (1, 1)
    assert found.tied_share is not None
    assert 0.05 < found.tied_share < 0.35
