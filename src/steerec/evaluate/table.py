"""The report as people read it: a terminal table and the same in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
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
    Column("NDCG@10 unmasked", "ndcg@10:unmasked", _three),
    Column("HR@10 unmasked", "hr@10:unmasked", _three),
    Column("recall@10 of the next 10", "recall@10:next10", _score),
)
CONTROL = (
    Column("obeys", "control_satisfaction@k", _percent),
    Column("obeys, unseen words", "control_satisfaction@k:unseen", _percent),
    Column("NDCG@10 under control", "ndcg@10:control", _three),
    Column("invalid items", "error_invalid@k", _percent),
    Column("wrong count", "error_count@k", _percent),
)
_KIND = "control_satisfaction@k:kind:"


_PRIORITY = ("lm-free", "lm-constrained", "teacher+keyword", "teacher+control", "teacher")
"""Rows whose obedience is shown where a terminal is too narrow for all of them, most telling first."""


def render(report: Report) -> RenderableType:
    """Return everything a person wants to see of a report, laid out for the terminal it meets."""
    return _Layout(report)


class _Layout:
    """A renderable that learns the width only when it is printed."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield one table where it fits, else one of accuracy and one of obedience; then the notes."""
        report = self.report
        whole = _metric_table(report, (*PLAIN, *CONTROL), _title(report))
        if fits(whole, console, options):
            yield whole
        else:
            yield _metric_table(report, PLAIN, _title(report))
            if any(column.metric in row.metrics for column in CONTROL for row in report.rows):
                yield _metric_table(report, CONTROL, "")
        for line in footnotes(report):
            yield Text(line, style="dim")
        kinds, rows = _kinds(report)
        if kinds:
            yield Text("")
            yield from _kind_tables(kinds, rows, console, options)


def _metric_table(report: Report, columns: Sequence[Column], title: str) -> Table:
    columns = [c for c in columns if any(c.metric in row.metrics for row in report.rows)]
    rows = [row for row in report.rows if any(_cells(row, columns))]
    texts = {c.heading: [_cells(row, [c])[0] for row in rows] for c in columns}
    return headed_table(title, "row", [row.name for row in rows], texts)


def _kind_tables(
    kinds: Sequence[str], rows: Sequence[Row], console: Console, options: ConsoleOptions
) -> RenderResult:
    """Satisfaction per kind of control for as many rows as fit, in their order."""
    telling = sorted(
        rows, key=lambda row: _PRIORITY.index(row.name) if row.name in _PRIORITY else len(_PRIORITY)
    )
    title = "Requests obeyed, % (trained words / unseen words)"
    labels = [kind.replace("_", " ") for kind in kinds]
    for size in range(len(rows), 0, -1):
        shown = [row for row in rows if row in telling[:size]]
        texts = {row.name: [_kind_cell(row, kind) for kind in kinds] for row in shown}
        table = headed_table(title, "kind of request", labels, texts)
        if size == 1 or fits(table, console, options):
            yield table
            break
    if size < len(rows):
        hidden = ", ".join(row.name for row in rows if row not in shown)
        yield Text(f"A wider terminal, or report.md, also shows {hidden}.", style="dim")


def headed_table(
    title: str, first: str, labels: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> Table:
    """Return a table whose headings may be wrapped between words, and whose cells may not."""
    table = Table(title=title or None, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True, min_width=max(map(len, labels), default=0))
    for heading, cells in columns.items():
        width = max(map(len, [*heading.split(), *cells]))
        # Rich narrows the widest column that may be wrapped, whatever it needs: spare those that cannot gain.
        table.add_column(heading, justify="right", min_width=width, no_wrap=len(heading) <= width)
    for label, *cells in zip(labels, *columns.values(), strict=True):
        table.add_row(label, *cells)
    return table


def fits(table: Table, console: Console, options: ConsoleOptions) -> bool:
    """Whether a table is printed without a cell that is cut."""
    return Measurement.get(console, options.update(max_width=10_000), table).minimum <= options.max_width


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
