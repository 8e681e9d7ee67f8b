"""Which items of a catalogue a where matches, and for which of them the tested value is null."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from steerec.control.attribute import LIST_KINDS, ORDERED_KINDS, Attribute, attribute_index
from steerec.control.problem import BoolArray
from steerec.data.catalog import Catalog
from steerec.errors import RequestError

if TYPE_CHECKING:
    from steerec.control.where import Condition, Where

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}


def mask(where: Where, catalog: Catalog) -> BoolArray:
    """Return the items that a where matches.

    Args:
        where: the description of a set of items.
        catalog: N items.

    Returns:
        (N,) bool, read-only and shared between calls. A test of a null value is false; `not` is the plain
        complement, so it holds for items without a value.

    Raises:
        RequestError: a column, a value of a closed vocabulary or an item is unknown, or an operator does not
            fit the column's type.
    """
    return attribute_index(catalog).masks(where)


def null_mask(where: Where, catalog: Catalog) -> BoolArray:
    """Return (N,) bool: items that have no value in one of the columns that the where names."""
    index = attribute_index(catalog)
    null = np.zeros(len(catalog), np.bool_)
    for column in _columns(where):
        null |= index.attribute(column).null
    return null


def evaluate(where: Where, catalog: Catalog) -> BoolArray:
    """Return (N,) bool like `mask`, computed anew; the parts of a nested where come from the cache."""
    index = attribute_index(catalog)
    found = np.ones(len(catalog), np.bool_)
    for column, condition in where.columns:
        found &= _test(condition, index.attribute(column))
    if where.any:
        found &= reduce(np.logical_or, [mask(part, catalog) for part in where.any])
    for part in where.all:
        found &= mask(part, catalog)
    if where.negated is not None:
        found &= ~mask(where.negated, catalog)
    if where.items:
        named = np.zeros(len(catalog), np.bool_)
        named[[catalog.resolve(reference) for reference in where.items]] = True
        found &= named
    return found


def _columns(where: Where) -> Iterator[str]:
    yield from (column for column, _ in where.columns)
    inner = [*where.any, *where.all, *([where.negated] if where.negated is not None else [])]
    for part in inner:
        yield from _columns(part)


def _test(condition: Condition, attribute: Attribute) -> BoolArray:
    """(N,) items whose value meets every operator of the condition."""
    found: list[BoolArray] = []
    if condition.any_of is not None:
        found.append(reduce(np.logical_or, [_equal(attribute, value) for value in condition.any_of]))
    if condition.all_of is not None:
        if attribute.kind not in LIST_KINDS:
            raise _unfit(attribute, "all_of", "one value for each item; a plain list means any of")
        found.append(reduce(np.logical_and, [_equal(attribute, value) for value in condition.all_of]))
    for name, compare in _COMPARISONS.items():
        if (value := getattr(condition, name)) is not None:
            if attribute.kind not in ORDERED_KINDS:
                raise _unfit(attribute, name, "words, which have no order; it works on numbers and dates")
            found.append(compare(attribute.ordered, attribute.point(value)) & ~attribute.null)
    if condition.contains is not None:
        if attribute.kind in ORDERED_KINDS:
            raise _unfit(attribute, "contains", f"{attribute.kind}s; use ge, gt, le, lt or a plain value")
        found.append(attribute.containing(condition.contains))
    if condition.under is not None:
        if attribute.kind != "path":
            raise _unfit(attribute, "under", "no paths")
        found.append(attribute.under(condition.under))
    if condition.is_null is not None:
        found.append(attribute.null if condition.is_null else ~attribute.null)
    return reduce(np.logical_and, found)


def _equal(attribute: Attribute, value: object) -> BoolArray:
    if attribute.kind in ORDERED_KINDS:
        found: BoolArray = (attribute.ordered == attribute.point(value)) & ~attribute.null
        return found
    if isinstance(value, str):
        return attribute.carrying(value)
    raise RequestError(
        f'The column "{attribute.name}" holds words, and got the number {value}. '
        f'Write it in quotes: "{value}".'
    )


def _unfit(attribute: Attribute, name: str, holds: str) -> RequestError:
    return RequestError(f'"{name}" does not fit the column "{attribute.name}": it holds {holds}.')
