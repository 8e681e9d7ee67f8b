from datetime import datetime

import polars as pl
import pytest

from steerec.data.moment import read_moments

T = datetime(1997, 12, 4, 15, 55, 49)


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        (["881250949", "x"], "s", [T, None]),
        ([881250949], "s", [T]),
        (["881250949.0"], "s", [T]),
        (["8.81250949e8"], "s", [T]),
        ([881250949.5], "s", [T.replace(microsecond=500_000)]),
        (["881250949001"], "ms", [T.replace(microsecond=1000)]),
        ([881250949000001], "us", [T.replace(microsecond=1)]),
        (["881250949000001999"], "ns", [T.replace(microsecond=1)]),
        (["1997-12-04T15:55:49Z", "1997-12-04 15:55", "soon"], "iso", [T, T.replace(second=0), None]),
        (
            ["1997-12-04T17:55:49+02:00", "1997-12-04 10:55:49.25-0500"],
            "iso",
            [T, T.replace(microsecond=250_000)],
        ),
        (["1997-12-04", "1997/12/04 15:55:49"], "iso", [datetime(1997, 12, 4), T]),
        ([T], "iso", [T]),
        ([-5], "s", [datetime(1969, 12, 31, 23, 59, 55)]),
        ([float("nan"), 881250949.0], "s", [None, T]),
    ],
)
def test_units_are_told_from_the_values(
    values: list[object], unit: str, expected: list[datetime | None]
) -> None:
    moments = read_moments(pl.Series("time", values))
    assert moments.unit == unit
    assert moments.values.to_list() == expected
    assert moments.values.dtype == pl.Datetime("us")


def test_a_given_unit_wins() -> None:
    assert read_moments(pl.Series([1_000]), "ms").values.to_list() == [datetime(1970, 1, 1, 0, 0, 1)]
    zoned = pl.Series([T]).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    assert read_moments(zoned).values.to_list() == [T]
