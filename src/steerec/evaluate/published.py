"""A report under the names of RecLM-gen (Lu et al. 2024, arXiv 2403.05063), as its public code spells them.

The values are ours: every list and every request counts, titles are not repaired, bounds are what the words
say. Published counts per list divided by the requested length are our shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from steerec.evaluate.report import Metric, Report, Row


class _Name(NamedTuple):
    published: str
    metric: str
    is_percent: bool = True
    is_complement: bool = False


_PLAIN = (
    _Name("HR@10 (Recall)", "hr@10", is_percent=False),
    _Name("NDCG@10", "ndcg@10", is_percent=False),
    _Name("MRR@10", "mrr@10", is_percent=False),
    _Name("CorrectCount", "error_count@k:plain", is_complement=True),
    _Name("NonExist@K", "error_catalogue@k:plain"),
    _Name("Repeat@K", "error_repeat@k:plain"),
    _Name("InHistory@K", "error_history@k:plain"),
)
_CONTROL = (
    _Name("+C TCP@K", "share@k:kind:include_category"),
    _Name("-C TCP@K", "share@k:kind:exclude_category"),
    _Name("LP CPA@K", "control_satisfaction@k:kind:share_at_most"),
    _Name("MP CPA@K", "control_satisfaction@k:kind:share_at_least"),
    _Name("EP CPA@K", "control_satisfaction@k:kind:share_about"),
    _Name("ItemCount 11-15 CorrectCount", "control_satisfaction@k:kind:item_count_unseen"),
)


def published_markdown(report: Report) -> str:
    """Return the report's rows under the published names, as Markdown."""
    facts = report.facts
    lines = [f"**{facts.dataset}, {facts.split}, published names**", ""]
    for names in (_PLAIN, _CONTROL):
        known = [name for name in names if any(name.metric in row.metrics for row in report.rows)]
        if known:
            lines += ["| row | " + " | ".join(name.published for name in known) + " |"]
            lines += ["| --- | " + " | ".join("---:" for _ in known) + " |"]
            lines += [_line(row, known) for row in report.rows if _has_any(row, known)] + [""]
    lines.append(f"{facts.date}, {facts.hardware}, commit {facts.commit}, `{facts.command}`.")
    return "\n".join(lines) + "\n"


def _has_any(row: Row, names: list[_Name]) -> bool:
    return any(name.metric in row.metrics for name in names)


def _line(row: Row, names: list[_Name]) -> str:
    return f"| {row.name} | " + " | ".join(_cell(row.metrics, name) for name in names) + " |"


def _cell(metrics: Mapping[str, Metric], name: _Name) -> str:
    if name.metric not in metrics:
        return ""
    mean = metrics[name.metric].mean
    mean = 1.0 - mean if name.is_complement else mean
    write: Callable[[float], str] = "{:.1%}".format if name.is_percent else "{:.4f}".format
    return write(mean)
