"""Bench reports as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def decode_table(report: dict[str, Any]) -> Table:
    """Return the report of `bench_decode`: a row per model, batch and method."""
    table = Table(header_style="bold", pad_edge=False, caption=_caption(report), caption_justify="left")
    for heading in ("model", "batch", "method"):
        table.add_column(heading)
    # set-up is per request
    for heading in ("lists/s", "speed-up", "decode only", "passes", "set-up", "mask", "outside model", "MiB"):
        table.add_column(heading, justify="right")
    for row in report["rows"]:
        table.add_row(
            row["model"],
            str(row["batch"]),
            row["method"],
            f"{row['lists_per_s']:.2f}",
            f"{row['speedup']:.2f} x",
            f"{row['decode_speedup']:.2f} x",
            str(row["forwards"]),
            f"{1000 * row['setup_seconds'] / row['batch']:.1f} ms",
            f"{100 * row['mask_share']:.1f} %",
            f"{100 * row['own_share']:.1f} %",
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
