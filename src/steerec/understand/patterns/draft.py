"""What patterns have understood of a text so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Draft:
    """What has been understood so far."""

    count: int | None = None
    """As the text says; None where it does not."""
    otherwise: int = 10
    """Count of a text that says none."""
    controls: list[dict[str, Any]] = field(default_factory=list)
    """Fields of controls; `said`, the words; `clause`, these with marks, and `anchor`, one of the marks;
    `bare`, `about`, `rest`, numbers that wait for the count."""
    prefer: list[dict[str, Any]] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    allow_seen: bool = False
    unplaced: list[str] = field(default_factory=list)
