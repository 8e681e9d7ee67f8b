"""Times of any usual spelling: seconds, milliseconds, microseconds or nanoseconds, and ISO texts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import polars as pl

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
_PER_MICROSECOND = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
# Seconds stay below 10^11 until the year 5138; the other units follow in steps of 1000.
_LIMITS: tuple[tuple[float, TimeUnit], ...] = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d")


class Moments(NamedTuple):
    """Times as Datetime (microseconds, UTC), null where they cannot be read, and the unit they came in."""

    values: pl.Series
    unit: TimeUnit


def read_moments(values: pl.Series, unit: TimeUnit | None = None) -> Moments:
    """Read times.

    Args:
        values: numbers, texts of numbers, ISO texts (an offset is converted to UTC), dates or datetimes.
        unit: of numbers; None: told from the size of their median.
    """
    if values.dtype.is_temporal():
        if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
            values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return Moments(values.cast(pl.Datetime("us")), "iso")
    numbers = _numbers(values)
    known = values.drop_nulls().len()
    if unit == "iso" or (unit is None and numbers.drop_nulls().len() * 2 < known):
        return Moments(_iso(values.cast(pl.String)), "iso")
    unit = unit or _unit(numbers)
    if numbers.dtype == pl.Int64:
        micro = numbers // 1000 if unit == "ns" else numbers * int(_PER_MICROSECOND[unit])
    else:
        micro = (numbers.cast(pl.Float64) * _PER_MICROSECOND[unit]).round(0).cast(pl.Int64, strict=False)
    return Moments(micro.cast(pl.Datetime("us")), unit)


def _numbers(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    if values.dtype.is_integer():
        return values.cast(pl.Int64)
    real = values.cast(pl.Float64, strict=False)
    real = real.set(~real.is_finite(), None)
    # Integers of 2^53 and more (nanoseconds) would lose their last digits as floats.
    whole = values.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == real.null_count() and (real.drop_nulls() % 1 == 0).all() else real


def _unit(numbers: pl.Series) -> TimeUnit:
    median = numbers.abs().cast(pl.Float64).median()
    size = float(median) if isinstance(median, int | float) else 0.0
    return next((unit for limit, unit in _LIMITS if size < limit), "ns")


def _iso(texts: pl.Series) -> pl.Series:
    text = texts.str.strip_chars().str.replace("T", " ", literal=True).str.replace("Z$", "")
    text = text.str.replace(r"([+-]\d\d)(\d\d)$", "${1}:${2}")
    column = pl.col("text")
    naive = [column.str.to_datetime(form, strict=False, time_unit="us") for form in _FORMATS]
    zoned = column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")
    has_zone = column.str.contains(r":\d\d(\.\d+)? ?[+-]\d\d:\d\d$")
    read = pl.when(has_zone).then(zoned.dt.replace_time_zone(None)).otherwise(pl.coalesce(naive))
    return text.to_frame("text").select(read).to_series()
