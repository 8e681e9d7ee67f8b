"""Import reports as tables for the terminal: data in, rich renderables out."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from steerec.data.funnel import FunnelStep
from steerec.data.import_report import ImportReport
from steerec.data.integrity import Integrity


def render_report(report: ImportReport) -> RenderableType:
    """Return the whole report: what was read, the funnel, the integrity checks, the messages."""
    lists = [f"- {escape(message)}" for message in report.messages]
    lists += [
        f"- {escape(name)}: {count:,} values could not be read: null." for name, count in report.nulls.items()
    ]
    return Group(
        render_columns(report),
        render_funnel(report.funnel),
        render_integrity(report.integrity),
        "\n".join(lists),
    )


def render_columns(report: ImportReport) -> Table:
    """Return the table of fields: the column each was read from, and its type."""
    table = Table(title=escape(f"{report.source} from {report.origin}"), title_justify="left")
    for heading in ("table", "field", "read from", "type"):
        table.add_column(heading)
    for name, column in report.columns.items():
        unit = f"time in {report.time_unit}" if name == "timestamp" else ""
        table.add_row("log", escape(name), escape(column), unit)
    for name in dict.fromkeys([*report.item_columns, *report.types]):
        column = report.item_columns.get(name, name)
        table.add_row("items", escape(name), escape(column), report.types.get(name, ""))
    return table


def render_funnel(funnel: Iterable[FunnelStep]) -> Table:
    """Return the table of what each filter left, and the option that changes it."""
    table = Table(title="Funnel", title_justify="left")
    table.add_column("step")
    for heading in ("rows", "users", "items"):
        table.add_column(heading, justify="right")
    table.add_column("change it with")
    for step in funnel:
        counts = (f"{step.rows:,}", f"{step.users:,}", f"{step.items:,}")
        table.add_row(escape(step.step), *counts, escape(step.option))
    return table


def render_integrity(integrity: Integrity) -> Table:
    """Return the table of checks: value, what it means, examples."""
    table = Table(title="Integrity", title_justify="left")
    table.add_column("check")
    table.add_column("value", justify="right")
    table.add_column("meaning")
    for name, field in Integrity.model_fields.items():
        if name == "examples":
            continue
        value = getattr(integrity, name)
        examples = integrity.examples.get(name, ())
        meaning = field.description or ""
        if examples:
            meaning += f" Such as: {'; '.join(examples)}."
        table.add_row(name.replace("_", " "), _shown(value), escape(meaning))
    return table


def _shown(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
