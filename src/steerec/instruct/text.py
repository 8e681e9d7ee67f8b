"""Rows as text for people and any language model: the history in titles, the words, a numbered list."""

from __future__ import annotations

from collections.abc import Sequence

from steerec.data.catalog import Catalog


def prompt_text(history: Sequence[int], instruction: str, catalog: Catalog, limit: int) -> str:
    """Return a prompt: the most recent titles of the history, oldest first, then the instruction.

    Args:
        history: item indices, oldest first.
        instruction: what is asked, in words.
        catalog: names the items.
        limit: most titles to write.
    """
    shown = [catalog.displays[item] for item in history[max(len(history) - limit, 0) :]]
    if not shown:
        return instruction
    titles = "\n".join(f"- {title}" for title in shown)
    return f"My {catalog.noun} so far, oldest first:\n{titles}\n\n{instruction}"


def completion_text(items: Sequence[int], catalog: Catalog) -> str:
    """Return an answer: numbered titles, one a line."""
    return "\n".join(f"{place}. {catalog.displays[item]}" for place, item in enumerate(items, start=1))
