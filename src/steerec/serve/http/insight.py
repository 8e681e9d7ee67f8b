"""What a run says of itself: its report, its training curves, the requests that a row did not obey."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from steerec.data.split import Split
from steerec.evaluate.report import Comparison, Facts, Report, Row
from steerec.serve.http.schema import Answer

_MOST_POINTS = 400
_CURVES = ("*/metrics.jsonl", "align/*/metrics.jsonl", "recommend/*/training/metrics.jsonl")
_OBEYS = "control_satisfaction@k"
_MEANS = ("ndcg@10", "hr@10", _OBEYS)


class Curve(Answer):
    """One metric of one training."""

    stage: str
    metric: str
    points: list[tuple[float, float]]
    """(step, value), thinned."""


class RunAnswer(Answer):
    """What a run says of itself."""

    name: str
    facts: Facts | None
    """None where it was not evaluated."""
    rows: list[Row]
    comparisons: list[Comparison]
    curves: list[Curve]


class FailureShare(Answer):
    """How often a row did not obey one kind of request."""

    kind: str
    asked: int
    failed: int


class FailedRequest(Answer):
    """A request of the evaluation that a row did not obey."""

    request_id: str
    kind: str
    sentence: str
    request: dict[str, Any]
    user_id: str


class FailuresAnswer(Answer):
    """Where a row did not obey."""

    row: str
    kinds: list[FailureShare]
    """The most failures first."""
    requests: list[FailedRequest]


def describe_run(folder: Path) -> RunAnswer:
    """Return the report and the training curves of a run, as far as it has them.

    Args:
        folder: of the run.
    """
    report = _report(folder)
    curves = [curve for path in _metric_files(folder) for curve in read_curves(path, folder)]
    if report is None:
        return RunAnswer(name=folder.name, facts=None, rows=[], comparisons=[], curves=curves)
    return RunAnswer(
        name=folder.name,
        facts=report.facts,
        rows=list(report.rows),
        comparisons=list(report.comparisons),
        curves=curves,
    )


def read_means(folder: Path) -> dict[str, dict[str, float]]:
    """Return what the report says of accuracy and obedience: means by row, by metric."""
    report = _report(folder)
    rows = report.rows if report else ()
    means = {
        row.name: {name: row.metrics[name].mean for name in _MEANS if name in row.metrics} for row in rows
    }
    return {
        row: {name: mean for name, mean in of.items() if math.isfinite(mean)} for row, of in means.items()
    }


def read_curves(path: Path, folder: Path) -> list[Curve]:
    """Return the curves of one file of metrics, at most a few hundred points of each.

    Args:
        path: JSON lines such as `{"step": 10, "sft/loss": 10.8}`; a line cut short by a kill is left out.
        folder: of the run; the stage is named by its place in it.
    """
    stage = path.parent.relative_to(folder).as_posix().removesuffix("/training")
    series: dict[str, list[tuple[float, float]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for name, step, value in _values(line):
            series.setdefault(name, []).append((step, value))
    return [Curve(stage=stage, metric=name, points=_thinned(points)) for name, points in series.items()]


def _values(line: str) -> Iterator[tuple[str, float, float]]:
    try:
        record = json.loads(line)
    except ValueError:
        return
    if not isinstance(record, dict) or not isinstance(record.get("step"), int | float):
        return
    for name, value in record.items():
        if name != "step" and isinstance(value, int | float) and math.isfinite(value):
            yield name.partition("/")[2] or name, record["step"], value


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= _MOST_POINTS:
        return points
    places = [round(i * (len(points) - 1) / (_MOST_POINTS - 1)) for i in range(_MOST_POINTS)]
    return [points[place] for place in places]


def _metric_files(folder: Path) -> list[Path]:
    return sorted(path for pattern in _CURVES for path in folder.glob(pattern))


def _report(folder: Path) -> Report | None:
    path = folder / "report.json"
    return Report.load(path) if path.is_file() else None


def find_failures(folder: Path, row: str, limit: int) -> FailuresAnswer:
    """Return the control requests of the last evaluation that a row did not obey.

    Args:
        folder: of the run.
        row: name of a row of the report.
        limit: most requests to return; the shares count all of them.
    """
    report = _report(folder)
    part = next((one.split for one in report.rows if one.name == row), None) if report else None
    values, requests = folder / f"evaluate-{part}" / "values.parquet", folder / "requests" / f"{part}.parquet"
    if part is None or not (values.is_file() and requests.is_file()):
        return FailuresAnswer(row=row, kinds=[], requests=[])
    asked = pl.read_parquet(requests)
    judged = (
        pl.read_parquet(values)
        .filter((pl.col("row") == row) & (pl.col("metric") == _OBEYS))
        .join(asked, left_on="key", right_on="request_id", how="inner", maintain_order="left")
    )
    shares = judged.group_by("kind").agg(asked=pl.len(), failed=(pl.col("value") < 1).sum())
    shares = shares.sort(["failed", "kind"], descending=[True, False])
    failed = judged.filter(pl.col("value") < 1).head(limit).to_dicts()
    users = Split.load(folder / "data").users if failed else ()
    return FailuresAnswer(
        row=row,
        kinds=[FailureShare(**share) for share in shares.to_dicts()],
        requests=[_failed(one, users[one["user"]]) for one in failed],
    )


def _failed(record: dict[str, Any], user_id: str) -> FailedRequest:
    return FailedRequest(
        request_id=record["key"],
        kind=record["kind"],
        sentence=record["sentence_seen"],
        request=json.loads(record["request"]),
        user_id=user_id,
    )
