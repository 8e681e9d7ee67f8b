"""Bench reports as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

_SHORT = {
    "generate + prefix_allowed_tokens_fn": "generate + prefix fn",
    "generate + ControlLogits": "ControlLogits",
    "generate, no constraint": "generate, free",
}
"""Names of methods for a table of 80 columns; the JSON spells them out."""


def decode_table(report: dict[str, Any]) -> Table:
    """Return the report of `bench_decode`: a part per model and batch, a row per method; 80 columns wide."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        header_style="bold",
        pad_edge=False,
        caption=_caption(report),
        caption_justify="left",
    )
    table.add_column("method", no_wrap=True)
    rates = ("lists/s", "speed-\nup x", "decode\nonly x", "passes")
    for heading in (*rates, "set-up\nms", "mask\n%", "outside\nmodel %", "MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    part = None
    for row in report["rows"]:
        if (row["model"], row["batch"]) != part:
            part = (row["model"], row["batch"])
            table.add_section()
            table.add_row(f"[bold]{row['model']}, batch {row['batch']}")
        table.add_row(
            _SHORT.get(row["method"], row["method"].replace("steerec, ", "ours, ")),
            f"{row['lists_per_s']:.2f}",
            f"{row['speedup']:.2f}",
            f"{row['decode_speedup']:.2f}",
            str(row["forwards"]),
            f"{1000 * row['setup_seconds'] / row['batch']:.1f}",  # per request
            f"{100 * row['mask_share']:.1f}",
            f"{100 * row['own_share']:.1f}",
            f"{row['rss_mib']:,.0f}",
        )
    return table


def search_table(report: dict[str, Any]) -> Table:
    """Return the report of `bench_search`: a row per way, then the differences."""
    table = Table(
        header_style="bold", pad_edge=False, caption=f"{report['run']}, validation, {report['date']}"
    )
    table.add_column("way")
    table.add_column("NDCG@10 [95 %]", justify="right")
    table.add_column("seconds", justify="right")
    for name, way in report["ways"].items():
        table.add_row(name, _interval(way["ndcg@10"]), f"{way['seconds']:.1f}")
    table.add_section()
    for pair in report["differences"]:
        table.add_row(f"{pair['way']} minus {pair['reference']}", _interval(pair["ndcg@10"], signed=True), "")
    return table


def _interval(values: dict[str, float], *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{values['mean']:{sign}.4f} [{values['low']:{sign}.4f}, {values['high']:{sign}.4f}]"


def _caption(report: dict[str, Any]) -> str:
    return f"{report['machine']}; {report['date']}, commit {report['commit']}; ratios against the rival's run"
