"""The filters of an import, each a step of the funnel."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

import polars as pl

from steerec.data.catalog import Catalog
from steerec.data.dataset import unknown_items
from steerec.data.funnel import FunnelStep, core_of, funnel_step
from steerec.data.import_report import ImportOptions
from steerec.errors import DataError

_SHOWN = 3


class Filtered(NamedTuple):
    """What is left of a log, how it became so, and the rounds of the core that dropped something."""

    frame: pl.DataFrame
    funnel: tuple[FunnelStep, ...]
    core_rounds: int


def run_funnel(frame: pl.DataFrame, catalog: Catalog, options: ImportOptions) -> Filtered:
    """Apply the filters that the options ask for, in this order: invalid rows, unknown items, rating,
    duplicates, number of users, core.

    Raises:
        DataError: rows or items that the options do not allow to drop are wrong, or nothing is left.
    """
    steps = [funnel_step("read", frame)]

    def step(name: str, left: pl.DataFrame, option: str) -> pl.DataFrame:
        steps.append(funnel_step(name, left, option))
        if left.height == 0:
            before = "; ".join(f"{row.step}: {row.rows:,} rows" for row in steps)
            raise DataError(f"No interaction is left ({before}). Change the option {option.split('=')[0]}.")
        return left

    frame = step("rows without id or time dropped", _drop_invalid(frame, options), "drop_invalid=")
    known = frame.filter(pl.col("item_id").is_in(catalog.frame["item_id"].implode()))
    if known.height < frame.height and not options.drop_unknown_items:
        missing = frame.filter(~pl.col("item_id").is_in(catalog.frame["item_id"].implode()))
        raise DataError(unknown_items(missing["item_id"], catalog.noun))
    frame = step("unknown items dropped", known, "drop_unknown_items=")
    if options.min_rating is not None:
        if "rating" not in frame.columns:
            raise DataError(
                "min_rating is set, but the log has no rating column. Name it in columns, or leave it."
            )
        rated = frame.filter(pl.col("rating") >= options.min_rating)
        frame = step(f"rating below {options.min_rating:g} dropped", rated, "min_rating=")
    if options.duplicates != "keep":
        frame = step(
            f"only the {options.duplicates} of (user, item)", _distinct(frame, options), "duplicates="
        )
    if options.num_users is not None:
        frame = step(f"{options.num_users:,} users kept", _some_users(frame, options.num_users), "num_users=")
    rounds = 0
    if max(options.user_core, options.item_core) > 1:
        frame, rounds = core_of(frame, options.user_core, options.item_core)
        name = f"core: users {options.user_core}, items {options.item_core} ({rounds} rounds)"
        frame = step(name, frame, "user_core= item_core=")
    return Filtered(frame, tuple(steps), rounds)


def _drop_invalid(frame: pl.DataFrame, options: ImportOptions) -> pl.DataFrame:
    order = "timestamp" if "timestamp" in frame.columns else "position"
    negative = pl.col(order) < (pl.datetime(1970, 1, 1) if order == "timestamp" else 0)
    checks = {
        "no user id": pl.col("user_id").is_null(),
        "no item id": pl.col("item_id").is_null(),
        f"no {order} that can be read": pl.col(order).is_null(),
        f"a negative {order}": negative.fill_null(False),
    }
    found = frame.with_row_index("row").select("row", **checks)
    problems = []
    for name in checks:
        rows = found.filter(pl.col(name))["row"]
        if len(rows):
            problems.append(
                f"{len(rows):,} have {name} (row {', '.join(str(row + 1) for row in rows.head(_SHOWN))})"
            )
    if not problems:
        return frame
    if not options.drop_invalid:
        raise DataError(
            f"Of {frame.height:,} rows of the log, {'; '.join(problems)}. Mend the file, name the right "
            "columns, or drop these rows with drop_invalid=True."
        )
    return frame.filter(~pl.any_horizontal(*checks.values()))


def _some_users(frame: pl.DataFrame, number: int) -> pl.DataFrame:
    """Keep the users whose ids hash lowest: the same ones in every order of the file and on every machine."""
    users = sorted(frame["user_id"].unique(), key=lambda user: sha256(str(user).encode()).digest())
    return frame.filter(pl.col("user_id").is_in(users[:number]))


def frequent_labels(items: pl.DataFrame, least: int) -> pl.DataFrame:
    """Drop from every list column of text the labels that fewer than `least` rows carry."""
    for name, kind in items.schema.items():
        if kind == pl.List(pl.String):
            labels = items.select(pl.col(name).list.unique().explode().alias("label"))
            counts = labels.drop_nulls().group_by("label").len()
            kept = counts.filter(pl.col("len") >= least)["label"].to_list()
            items = items.with_columns(pl.col(name).list.eval(pl.element().filter(pl.element().is_in(kept))))
    return items


def _distinct(frame: pl.DataFrame, options: ImportOptions) -> pl.DataFrame:
    assert options.duplicates != "keep"
    order = "timestamp" if "timestamp" in frame.columns else "position"
    rows = frame.with_row_index("row").sort(order, "row")
    return (
        rows.unique(["user_id", "item_id"], keep=options.duplicates, maintain_order=True)
        .sort("row")
        .drop("row")
    )
