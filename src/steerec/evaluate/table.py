"""The report as people read it: a terminal table and the same in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steerec.evaluate.report import Metric, Report, Row


class Column(NamedTuple):
    """A column of the table: its heading, the metric behind it, and how a value is written."""

    heading: str
    metric: str
    write: Callable[[Metric], str]


def _score(metric: Metric) -> str:
    return f"{metric.mean:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


def _percent(metric: Metric) -> str:
    return f"{100 * metric.mean:.1f} %"


def _three(metric: Metric) -> str:
    return f"{metric.mean:.3f}"


PLAIN = (
    Column("NDCG@10 [95 %]", "ndcg@10", _score),
    Column("HR@10", "hr@10", _three),
    Column("MRR@10", "mrr@10", _three),
)
CONTROL = (
    Column("obeys", "control_satisfaction@k", _percent),
    Column("obeys, unseen words", "control_satisfaction@k:unseen", _percent),
    Column("NDCG@10 under control", "ndcg@10:control", _three),
    Column("invalid items", "error_invalid@k", _percent),
    Column("wrong count", "error_count@k", _percent),
)
_KIND = "control_satisfaction@k:kind:"


def main_table(report: Report) -> Table:
    """Return the main table as a rich renderable: a row per recommender."""
    columns = [c for c in (*PLAIN, *CONTROL) if any(c.metric in row.metrics for row in report.rows)]
    table = Table(title=_title(report), title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("row", no_wrap=True)
    for column in columns:
        table.add_column(column.heading, justify="right")
    for row in report.rows:
        table.add_row(row.name, *_cells(row, columns))
    return table


def kind_table(report: Report) -> Table | None:
    """Return satisfaction per kind of control, trained / unseen phrasings, or None without control rows."""
    kinds, rows = _kinds(report)
    if not kinds:
        return None
    title = "Requests obeyed, % (trained words / unseen words)"
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("kind of request", no_wrap=True)
    for row in rows:
        table.add_column(row.name, justify="right")
    for kind in kinds:
        table.add_row(kind.replace("_", " "), *(_kind_cell(row, kind) for row in rows))
    return table


def render(report: Report) -> RenderableType:
    """Return everything a person wants to see of a report, for a terminal."""
    parts: list[RenderableType] = [main_table(report)]
    parts += [Text(line, style="dim") for line in footnotes(report)]
    kinds = kind_table(report)
    if kinds is not None:
        parts += [Text(""), kinds]
    return Group(*parts)


def markdown(report: Report) -> str:
    """Return the report's tables as Markdown."""
    columns = [c for c in (*PLAIN, *CONTROL) if any(c.metric in row.metrics for row in report.rows)]
    lines = [f"**{_title(report)}**", ""]
    lines += _markdown_rows(
        ["row", *(c.heading for c in columns)], [[row.name, *_cells(row, columns)] for row in report.rows]
    )
    lines += ["", *(f"{line}  " for line in footnotes(report))]
    kinds, rows = _kinds(report)
    if kinds:
        lines += ["", "Requests obeyed, % (trained words / unseen words):", ""]
        body = [[kind.replace("_", " "), *(_kind_cell(row, kind) for row in rows)] for kind in kinds]
        lines += _markdown_rows(["kind of request", *(row.name for row in rows)], body)
    return "\n".join(lines) + "\n"


def footnotes(report: Report) -> list[str]:
    """Return the lines below a table: protocol, comparisons, the oracle's verdict, provenance."""
    facts = report.facts
    lines = [
        f"{facts.dataset}: {facts.num_users:,} users, {facts.num_items:,} items, {facts.num_interactions:,} "
        f"interactions; {facts.split} (hash {facts.split_hash[:12]}), {facts.history_policy}, full ranking, "
        f"{facts.tie_rule}; {facts.num_points:,} points, seeds {_seeds(report)}.",
    ]
    if facts.num_requests:
        share = (
            "" if facts.target_admissible is None else f", target admissible in {facts.target_admissible:.0%}"
        )
        lines.append(
            f"Control: {facts.num_requests:,} fixed requests{share}; any invalid item or a wrong "
            "count is not obeyed; accuracy only where the target is admissible."
        )
    for pair in report.comparisons:
        d = pair.difference
        lines.append(
            f"{pair.row} minus {pair.reference}, {pair.metric}: {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}] "
            f"({pair.verdict})."
        )
    for name, count in report.oracle_violations.items():
        lines.append(f"Independent oracle, {name}: {count} lists with a violation.")
    if facts.looks:
        lines.append(f"Looks at this test split so far: {facts.looks}.")
    lines.append(f"{facts.date}, {facts.hardware}, commit {facts.commit}, `{facts.command}`.")
    return lines


def _title(report: Report) -> str:
    split = report.rows[0].split if report.rows else "test"
    return f"{report.facts.dataset}, {'test' if split == 'test' else 'validation'} split"


def _seeds(report: Report) -> str:
    return ", ".join(str(seed) for seed in sorted({seed for row in report.rows for seed in row.seeds}))


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    return [c.write(row.metrics[c.metric]) if c.metric in row.metrics else "" for c in columns]


def _kinds(report: Report) -> tuple[list[str], list[Row]]:
    rows = [row for row in report.rows if any(name.startswith(_KIND) for name in row.metrics)]
    names = {
        name.removeprefix(_KIND).removesuffix(":unseen")
        for row in rows
        for name in row.metrics
        if name.startswith(_KIND)
    }
    return sorted(names), rows


def _kind_cell(row: Row, kind: str) -> str:
    seen = row.metrics.get(_KIND + kind)
    unseen = row.metrics.get(f"{_KIND}{kind}:unseen")
    values = [f"{100 * m.mean:.0f}" for m in (seen, unseen) if m is not None]
    return " / ".join(values)


def _markdown_rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in head[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *body)]
