"""What a test waits for on the page, and what it reads from it."""

from __future__ import annotations

from typing import Any

AFTER_PENDING = "() => new Promise((done) => setTimeout(() => setTimeout(done, 50), 300))"
"""Ends behind the 250 ms in which the page gathers steps of a slider, by the page's own clock: a slow
machine delays both alike."""


def settled(page: Any) -> None:
    """Wait until nothing is being made: the pause of a slider, then the answer."""
    page.evaluate(AFTER_PENDING)
    page.locator(".spinner").wait_for(state="detached")


def titles(page: Any) -> list[str]:
    """Return the titles of the list."""
    found: list[str] = page.locator(".list .row-name").all_inner_texts()
    return found
