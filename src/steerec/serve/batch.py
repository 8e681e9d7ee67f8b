"""Off-line lists for many users, from their stored histories."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from steerec.artifacts import atomic_path
from steerec.control.request import Request
from steerec.data.importing import clean_ids
from steerec.data.split import Split
from steerec.data.table_file import read_table
from steerec.errors import DataError, InfeasibleRequest, did_you_mean
from steerec.progress import progress
from steerec.serve.engine import Recommendation, Recommender

_BATCH = 64


def recommend_users(engine: Recommender, users: Path, request: Request | str | None, out: Path) -> int:
    """Write a list for each user of a file, made from the whole stored history.

    Args:
        engine: a run loaded from its folder.
        users: Parquet or CSV with a column `user_id`.
        request: what to ask for everyone; None for ten recommendations.
        out: Parquet to write: user_id, rank, item_id, title, score, certificate (JSON).

    Returns:
        Number of lists.

    Raises:
        DataError: the file cannot be read, has no `user_id` or names a user the log does not have; or `out`
            is no Parquet file.
        InfeasibleRequest: no list satisfies the request for one of the users; nothing is written then.
    """
    assert engine.folder is not None, "an engine made by from_pretrained knows its folder"
    if out.suffix != ".parquet" or out.is_dir():
        raise DataError(
            f"Lists are written as one Parquet file: give a path that ends in .parquet, not {out}."
        )
    split = Split.load(engine.folder / "data")
    place = {user: index for index, user in enumerate(split.users)}
    wanted = _user_ids(users)
    for user in wanted:
        if user not in place:
            hint = did_you_mean(user, split.users[:10_000])
            raise DataError(f'{users} names the user "{user}", who is not in the log.{hint}')
    parts = []
    with progress("lists", total=len(wanted), unit="users") as bar:
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            past = [split.sequences[place[user]].tolist() for user in batch]
            for user, answer in zip(batch, _answers(engine, batch, past, request), strict=True):
                proof = answer.certificate.model_dump_json(by_alias=True)
                named = answer.to_polars().select(pl.lit(user).alias("user_id"), pl.all())
                parts.append(named.with_columns(pl.lit(proof).alias("certificate")))
            bar.advance(len(batch))
    with atomic_path(out) as temporary:
        pl.concat(parts).write_parquet(temporary)
    return len(wanted)


def _answers(
    engine: Recommender, users: list[str], past: list[list[int]], request: Request | str | None
) -> list[Recommendation]:
    try:
        return engine.answer(past, [request] * len(past))
    except InfeasibleRequest:
        for user, seen in zip(users, past, strict=True):
            try:
                engine.refuse(seen, request)
            except InfeasibleRequest as refusal:
                named = f'For the user "{user}": {refusal}'
                raise InfeasibleRequest(
                    named, conflict=refusal.conflict, relaxation=refusal.relaxation
                ) from None
        raise


def _user_ids(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"There is no file {path}. Give a Parquet or CSV file with a column user_id.")
    frame = read_table(path, separator="," if path.suffix == ".csv" else None).frame
    if "user_id" not in frame.columns:
        raise DataError(f"{path} has the columns {', '.join(frame.columns)}; it needs user_id.")
    ids = clean_ids(frame["user_id"]).drop_nulls().unique(maintain_order=True).to_list()
    if not ids:
        raise DataError(f"{path} names no user: its column user_id is empty.")
    return ids
