"""What an item says about itself: one line of text per item, to be read by a text encoder."""

from __future__ import annotations

from steerec.data.catalog import Catalog

_MAX_CHARACTERS = 300
"""Longest value that is quoted in full; a description adds little to a sentence vector after that."""


def item_texts(catalog: Catalog) -> tuple[str, ...]:
    """Return one line per item: its display form, then every attribute that it has.

    Args:
        catalog: N items.

    Returns:
        N texts such as "Toy Story (1995). categories: Animation, Comedy. director: John Lasseter". The year
        is left out where the display form already ends in it; unknown values are left out.
    """
    columns = {name: catalog.frame[name].to_list() for name in catalog.columns}
    return tuple(
        ". ".join([display, *_attributes({name: values[i] for name, values in columns.items()}, display)])
        for i, display in enumerate(catalog.displays)
    )


def _attributes(values: dict[str, object], display: str) -> list[str]:
    said = []
    for name, value in values.items():
        text = value_text(value)
        if text and not display.endswith(f"({text})"):
            said.append(f"{name.replace('_', ' ')}: {text}")
    return said


def value_text(value: object) -> str:
    """Return an attribute value as words: lists joined by commas, 1995.0 as "1995", nulls as ""."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(value_text, value)))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())[:_MAX_CHARACTERS]
