"""A recommendation as people like to see it in a terminal: the list beside what was asked and its proof."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from steerec.control.certificate import Certificate

if TYPE_CHECKING:
    from steerec.serve.engine import Recommendation


def recommendation_card(recommendation: Recommendation) -> RenderableType:
    """Return the list and the certificate, side by side where the terminal is wide enough."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", style="dim")
    table.add_column()
    table.add_column(justify="right", style="dim")
    for place, item in enumerate(recommendation.items, start=1):
        table.add_row(f"{place}.", Text(item.title), f"{item.score:.2f}")
    return Columns([table, certificate_card(recommendation.certificate)], padding=(0, 4))


def certificate_card(certificate: Certificate) -> RenderableType:
    """Return a certificate: every control, its bounds, what the list has, and whether it holds."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("control")
    table.add_column("allowed", justify="right")
    table.add_column("has", justify="right")
    table.add_column("")
    asked = json.loads(certificate.request.to_json()).get("controls", [])
    for check in certificate.controls:
        allowed = f"{check.lower} to {check.upper}"
        mark = Text("holds", style="green") if check.satisfied else Text("broken", style="red")
        table.add_row(Text(_condition(asked[check.index])), allowed, str(check.matched), mark)
    lines: list[RenderableType] = [table] if certificate.controls else []
    repeats = "with repeats" if "repeat" in certificate.broken_rules else "no repeats"
    lines.append(Text(f"{len(certificate.items)} items, {repeats}, {_seen(certificate)}", style="dim"))
    if certificate.broken_rules:
        lines.append(Text("broken: " + ", ".join(certificate.broken_rules), style="red"))
    if certificate.fallback_from is not None:
        lines.append(Text(f"teacher instead of {certificate.fallback_from}", style="yellow"))
    if certificate.unplaced:
        lines.append(Text("not understood: " + "; ".join(certificate.unplaced), style="yellow"))
    title = "certificate: satisfied" if certificate.satisfied else "certificate: NOT satisfied"
    return Panel(Group(*lines), title=title, title_align="left", expand=False)


def _condition(control: dict[str, object]) -> str:
    if "each" in control:
        return f"per {control['each']}"
    where = json.dumps(control["where"], ensure_ascii=False)
    stretch = f", places {control['within']}" if control.get("within") else ""
    return where.replace('"', "") + stretch


def _seen(certificate: Certificate) -> str:
    if certificate.seen_items:
        return f"{len(certificate.seen_items)} seen before"
    return "nothing seen before"
