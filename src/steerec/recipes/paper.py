"""What a recipe owes its readers: the publication, its numbers, ours, and every departure."""

from __future__ import annotations

from typing import Literal

from steerec.config import Config

State = Literal["reproduced", "runs", "stand-in"]


WANTS_GPU = "not trained for real yet: the backbone wants a GPU; runs end to end on the synthetic world"
"""What stands for our value where the machines that we have are too slow."""


class Paper(Config):
    """The record of a published system."""

    systems: tuple[str, ...]
    """Ids in the catalogue of systems, such as "B01"."""
    title: str
    authors: str
    venue: str
    """Where and when it appeared."""
    url: str = ""
    state: State
    """reproduced: its check passed; runs: the number says how far; stand-in: its data cannot be had."""
    reported: str
    """The published value with its table, or why there is none to compare with."""
    ours: str
    """Our value, with what it was measured on; details stand in docs/LOG.md."""
    sources: dict[str, str] = {}  # noqa: RUF012  (pydantic copies defaults)
    """Where each setting comes from."""
    departures: tuple[str, ...] = ()
    """What we do differently, and why."""
