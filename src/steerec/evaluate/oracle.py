"""An independent judge of served lists: raw columns and plain loops, nothing shared with `steerec.control`.

It reads the request's JSON and the rows of the item table, and says in words what a list violates. It is
slow on purpose: where it and the fast code disagree, one of them is wrong, and tests and `eval` will say so.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]


def violations(
    request: Mapping[str, Any], items: Sequence[str], table: Mapping[str, Row], history: Sequence[str]
) -> list[str]:
    """Return what a list violates, in words; an empty list means that it obeys.

    Args:
        request: the request as JSON (parsed), shares as numbers or fraction strings.
        items: the served item ids, best first.
        table: item id -> row of the item table, with `title` and the attribute columns.
        history: item ids the user has seen; ids that are not in the table are ignored.

    Returns:
        One sentence per violation: wrong count, inventions, repeats, seen, excluded, or not among the
        candidates, and each control that does not hold.
    """
    count = int(request.get("count", 10))
    found = []
    if len(items) != count:
        found.append(f"{len(items)} items instead of {count}")
    unknown = [item for item in items if item not in table]
    if unknown:
        return [*found, f"not in the catalogue: {unknown}"]
    found += _work_violations(request, items, table, history)
    rows = [table[item] for item in items]
    for index, control in enumerate(request.get("controls") or []):
        broken = _cap_violation if "each" in control else _bound_violation
        sentence = broken(control, items, rows, count)
        if sentence:
            found.append(f"control {index}: {sentence}")
    return found


def _work_violations(
    request: Mapping[str, Any], items: Sequence[str], table: Mapping[str, Row], history: Sequence[str]
) -> list[str]:
    works = [work_of(item, table[item]) for item in items]
    found = [f"repeated: {work}" for work, times in Counter(works).items() if times > 1]
    if not request.get("allow_seen"):
        seen = {work_of(item, table[item]) for item in history if item in table}
        found += [f"seen: {item}" for item, work in zip(items, works, strict=True) if work in seen]
    excluded = {work_of(item, table[item]) for item in request.get("exclude") or [] if item in table}
    found += [f"excluded: {item}" for item, work in zip(items, works, strict=True) if work in excluded]
    candidates = request.get("candidates")
    if candidates is not None:
        found += [f"not a candidate: {item}" for item in items if item not in set(candidates)]
    return found


def work_of(item: str, row: Row) -> tuple[Any, ...]:
    """Return what makes two items the same work: the table's `work_id` where it has that column, else title
    and year where both are known, else the item.
    """
    if "work_id" in row:
        return ("item", item) if row["work_id"] is None else ("work", row["work_id"])
    title, year = row.get("title"), row.get("year")
    if not title or not isinstance(year, int | float):
        return ("item", item)
    return ("work", _fold(title), year)


def _bound_violation(
    control: Mapping[str, Any], items: Sequence[str], rows: Sequence[Row], count: int
) -> str | None:
    first, last = control.get("within") or (1, count)
    stretch = list(zip(items, rows, strict=True))[first - 1 : last]
    size = last - first + 1
    lower, upper = _bounds(control, size)
    matched = sum(matches(control["where"], item, row) for item, row in stretch)
    if lower <= matched <= upper:
        return None
    return f"{matched} of {size} match {control['where']}, allowed {lower} to {upper}"


def _bounds(control: Mapping[str, Any], size: int) -> tuple[int, int]:
    lower, upper = 0, size
    for name, value in control.items():
        if name == "at_least":
            lower = size if value == "all" else int(value)
        elif name == "at_most":
            upper = int(value)
        elif name == "exactly":
            lower = upper = size if value == "all" else int(value)
        elif name == "share_at_least":
            lower = math.ceil(_fraction(value) * size)
        elif name == "share_at_most":
            upper = math.floor(_fraction(value) * size)
        elif name == "share_more_than":
            lower = math.floor(_fraction(value) * size) + 1
        elif name == "share_less_than":
            upper = math.ceil(_fraction(value) * size) - 1
        elif name == "share_about":
            lower, upper = _about(_fraction(value), size)
    return lower, upper


def _about(share: Fraction, size: int) -> tuple[int, int]:
    middle = math.floor(share * size + Fraction(1, 2))
    tolerance = -(-size // 10)
    lower, upper = max(0, middle - tolerance), min(size, middle + tolerance)
    if size >= 2:
        lower = max(lower, 1) if share > 0 else lower
        upper = min(upper, size - 1) if share < 1 else upper
    return lower, upper


def _fraction(value: Any) -> Fraction:
    # str() of a JSON number is its decimal text, so 0.3 is exactly 3/10.
    return Fraction(str(value))


def _cap_violation(
    control: Mapping[str, Any], items: Sequence[str], rows: Sequence[Row], count: int
) -> str | None:
    del items
    limit = control.get("at_most")
    if limit is None:
        limit = math.floor(_fraction(control["share_at_most"]) * count)
    column = control["each"]
    counts = Counter(value for row in rows for value in {_hashable(v) for v in _values(row.get(column))})
    over = {value: times for value, times in counts.items() if times > limit}
    return f"more than {limit} per {column}: {over}" if over else None


def matches(where: Any, item: str, row: Row) -> bool:
    """Return whether an item's raw row satisfies a `where` (parsed JSON)."""
    for key, test in where.items():
        if key == "any":
            held = any(matches(part, item, row) for part in test)
        elif key == "all":
            held = all(matches(part, item, row) for part in test)
        elif key == "not":
            held = not matches(test, item, row)
        elif key == "items":
            held = item in test
        else:
            held = _column_matches(_cell(row, key), test)
        if not held:
            return False
    return True


def _cell(row: Row, column: str) -> Any:
    # Where a table has only one of the two, requests may use either name.
    other = {"category": "categories", "categories": "category"}.get(column)
    return row.get(other) if other is not None and column not in row else row.get(column)


def _column_matches(cell: Any, test: Any) -> bool:
    if isinstance(test, Mapping):
        return all(_OPERATORS[name](cell, argument) for name, argument in test.items())
    if isinstance(test, Sequence) and not isinstance(test, str):
        return any(_equals(cell, one) for one in test)
    return _equals(cell, test)


def _equals(cell: Any, value: Any) -> bool:
    return any(_same(one, value) for one in _values(cell))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return _fold(left) == _fold(right)
    if isinstance(left, date | datetime):
        return str(_comparable(left)) == str(_comparable(right))
    same: bool = left == right
    return same


def _order(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(cell: Any, bound: Any) -> bool:
        return cell is not None and compare(_comparable(cell), _comparable(bound))

    return test


def _comparable(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()[:10]
    return value


def _contains(cell: Any, text: str) -> bool:
    return any(_fold(text) in _fold(str(one)) for one in _values(cell))


def _under(cell: Any, prefix: Any) -> bool:
    if cell is None:
        return False
    wanted = [_fold(part) for part in ([prefix] if isinstance(prefix, str) else prefix)]
    paths = cell if cell and not isinstance(cell[0], str) else [cell]
    return any([_fold(part) for part in path][: len(wanted)] == wanted for path in paths)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "all_of": lambda cell, values: all(_equals(cell, value) for value in values),
    "ge": _order(lambda a, b: bool(a >= b)),
    "gt": _order(lambda a, b: bool(a > b)),
    "le": _order(lambda a, b: bool(a <= b)),
    "lt": _order(lambda a, b: bool(a < b)),
    "contains": _contains,
    "under": _under,
    "is_null": lambda cell, wanted: bool(wanted) is (not _values(cell)),
}


def _values(cell: Any) -> list[Any]:
    if cell is None:
        return []
    if isinstance(cell, list | tuple):
        return [value for value in cell if value is not None]
    return [cell]


def _hashable(value: Any) -> Any:
    return _fold(value) if isinstance(value, str) else value


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
