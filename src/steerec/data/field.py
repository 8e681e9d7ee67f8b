"""Which column is which: the names that logs and item tables use for the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from steerec.errors import DataError, did_you_mean

# Folded (letters and digits only, lower case); an earlier alias wins over a later one.
LOG_FIELDS: dict[str, tuple[str, ...]] = {
    "user_id": ("userid", "user", "uid", "reviewerid", "customerid", "visitorid", "accountid", "memberid"),
    "item_id": (
        *("itemid", "item", "iid", "movieid", "productid", "parentasin", "asin", "businessid", "bookid"),
        *("trackid", "songid", "gameid", "newsid", "articleid", "sku"),
    ),
    "timestamp": (
        *("timestamp", "unixreviewtime", "unixtimestamp", "time", "ts", "datetime", "date", "eventtime"),
        *("createdat", "reviewtime"),
    ),
    "position": ("position", "order", "seq", "sequence", "step", "rank"),
    "rating": ("rating", "stars", "overall", "score"),
    "weight": ("weight", "playcount", "count"),
    "session_id": ("sessionid", "session"),
}
ITEM_FIELDS: dict[str, tuple[str, ...]] = {
    "item_id": LOG_FIELDS["item_id"],
    "title": ("title", "movietitle", "itemname", "itemtitle", "producttitle", "name", "productname"),
    "work_id": ("workid",),
    "year": ("year", "releaseyear", "movieyear"),
    "categories": ("categories", "genres", "genre", "class"),
}
LOG_REQUIRED = ("user_id", "item_id")
ITEMS_REQUIRED = ("item_id", "title")


def map_columns(
    columns: Sequence[str],
    fields: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    *,
    required: Iterable[str],
    option: str,
    table: str,
) -> dict[str, str]:
    """Return the file's column for each field that it has, as `{field: column}`.

    Args:
        columns: the file's columns.
        fields: known names of each field, folded.
        given: what the user says; it wins over the known names.
        required: fields that must be found.
        option: name of the option `given` came from, for messages.
        table: "log" or "item table", for messages.

    Raises:
        DataError: `given` names a field or column that does not exist, or a required field is missing.
    """
    mapped = dict(given)
    for field, column in given.items():
        if field not in fields:
            raise DataError(
                f'{option} names the field "{field}", which the {table} does not have.'
                f"{did_you_mean(field, fields)} Fields: {', '.join(fields)}."
            )
        if column not in columns:
            raise DataError(
                f'{option} says that {field} is the column "{column}", but the {table} has no such column.'
                f"{did_you_mean(column, columns)} Its columns: {', '.join(columns)}."
            )
    free = [column for column in columns if column not in given.values()]
    folded = {_fold(column): column for column in reversed(free)}
    for field, names in fields.items():
        if field not in mapped and (found := next((folded[name] for name in names if name in folded), None)):
            mapped[field] = found
    if missing := [field for field in required if field not in mapped]:
        raise DataError(
            f"The {table} has no column for {' and '.join(missing)}. Its columns: {', '.join(columns)}. "
            f'Say which it is: {option}={{"{missing[0]}": "..."}}.'
        )
    return mapped


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
