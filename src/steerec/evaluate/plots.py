"""Pictures of a run: accuracy against obedience, training curves, the weight of the teacher term."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steerec.artifacts import atomic_path, read_json
from steerec.evaluate.report import Report

_SIZE = (7.2, 4.6)


def draw_run(folder: Path, report: Report) -> None:
    """Draw the plots of a run into its folder: obedience, weights, the teacher's calibration, training."""
    plot_obedience(report, folder / "obedience.png")
    plot_weights(report.weight_curve, folder / "weights.png")
    panel = folder / "recommend" / "panel.json"
    if panel.is_file():
        plot_reliability(read_json(panel).get("reliability", ()), folder / "calibration.png")
    logs = {path.parts[-3]: path for path in sorted(folder.glob("recommend/*/training/metrics.jsonl"))}
    logs |= {stage: folder / stage / "metrics.jsonl" for stage in ("sft", "align")}
    logs |= {f"align, {path.parts[-2]}": path for path in sorted(folder.glob("align/*/metrics.jsonl"))}
    plot_training(logs, folder / "training.png")
    plot_alignment(logs, folder / "alignment.png")


def plot_obedience(report: Report, path: Path) -> bool:
    """Draw NDCG under control against the share of obeyed requests, a point with 95 % bars per row.

    Returns:
        Whether there was anything to draw.
    """
    accuracy, obedience = "ndcg@10:control", "control_satisfaction@k:unseen"
    rows = [row for row in report.rows if accuracy in row.metrics and obedience in row.metrics]
    if not rows:
        return False
    figure, axes = _figure("requests obeyed (unseen words), %", "NDCG@10 under control (target admissible)")
    for row in rows:
        x, y = row.metrics[obedience], row.metrics[accuracy]
        bars = {
            "xerr": [[100 * (x.mean - x.low)], [100 * (x.high - x.mean)]],
            "yerr": [[y.mean - y.low], [y.high - y.mean]],
        }
        axes.errorbar([100 * x.mean], [y.mean], fmt="o", capsize=2, label=row.name, **bars)
    axes.set_xlim(-3, 103)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("Accuracy against obedience", loc="left", fontsize=10)
    _save(figure, path)
    return True


def plot_reliability(bins: Sequence[Mapping[str, float]], path: Path) -> bool:
    """Draw how often items came next against the probability that the teacher gave them.

    Args:
        bins: `{"predicted", "observed", "number"}` each, see `recommend.calibration.reliability`.
        path: the PNG to write.

    Returns:
        Whether there was anything to draw.
    """
    shown = [one for one in bins if one["observed"] > 0]
    if not shown:
        return False
    figure, axes = _figure("the teacher's probability of an item", "share of those items that came next")
    ends = [min(one["predicted"] for one in shown), 1.0]
    axes.plot(ends, ends, color="0.7", linewidth=1, label="calibrated")
    predicted, observed = ([one[key] for one in shown] for key in ("predicted", "observed"))
    axes.plot(predicted, observed, marker="o", label="teacher, validation")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("Can the teacher's probabilities be believed?", loc="left", fontsize=10)
    _save(figure, path)
    return True


def plot_training(logs: Mapping[str, Path], path: Path) -> bool:
    """Draw the loss and the validation metric of each stage's `metrics.jsonl`, a pair of axes per stage.

    Args:
        logs: stage name -> its metrics.jsonl.
        path: the PNG to write.

    Returns:
        Whether there was anything to draw.
    """
    stages = {name: _read(log) for name, log in logs.items() if log.is_file()}
    if not stages:
        return False
    figure, grid = _grid(len(stages), 2)
    for (name, lines), (left, right) in zip(stages.items(), grid, strict=True):
        _curve(left, lines, lambda key: key.endswith("/loss"), f"{name}: training loss")
        _curve(right, lines, lambda key: key.endswith("/ndcg@10"), f"{name}: validation NDCG@10")
    _save(figure, path)
    return True


def plot_alignment(logs: Mapping[str, Path], path: Path) -> bool:
    """Draw what tells whether reinforcement learning is well, four axes per stage that did it.

    Args:
        logs: stage name -> its metrics.jsonl.
        path: the PNG to write.

    Returns:
        Whether there was anything to draw.
    """
    read = {name: _read(log) for name, log in logs.items() if log.is_file()}
    stages = {name: lines for name, lines in read.items() if any(_SHOWN & line.keys() for line in lines)}
    if not stages:
        return False
    figure, grid = _grid(len(stages), len(_HEALTH))
    for (name, lines), row in zip(stages.items(), grid, strict=True):
        for axes, (title, keys) in zip(row, _HEALTH.items(), strict=True):
            for key in keys:
                _curve(axes, lines, f"rl/{key}".__eq__, f"{name}: {title}", label=key.replace("_", " "))
            if axes.lines:
                axes.legend(frameon=False, fontsize=7)
            if title == _SHARES:
                axes.set_ylim(-0.02, 1.02)
    _save(figure, path)
    return True


_SHARES = "shares"
_HEALTH = {
    "reward of a list": ("free_reward", "constrained_reward"),
    "nats from the reference": ("kl", "kl_tail"),
    _SHARES: ("zero_advantage_groups", "free_invalid", "clip_fraction", "allowed_mass"),
    "entropy of a choice, nats": ("entropy",),
}
_SHOWN = {f"rl/{key}" for keys in _HEALTH.values() for key in keys}


def plot_weights(curve: Sequence[Mapping[str, float]], path: Path) -> bool:
    """Draw validation NDCG@10 against the weight of the teacher term; returns whether there was a curve."""
    if not curve:
        return False
    figure, axes = _figure("weight of the teacher term, w", "validation NDCG@10")
    points = sorted(curve, key=lambda point: point["weight"])
    axes.plot(
        [p["weight"] for p in points], [p["ndcg@10"] for p in points], "o-", label="language model + teacher"
    )
    if "teacher" in points[0]:
        axes.axhline(points[0]["teacher"], linestyle="--", color="tab:gray", label="teacher alone")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)
    return True


def _grid(rows: int, columns: int) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (4.5 if columns < 3 else 3.6) * columns, 2.8 * rows
    figure, grid = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    return figure, grid


def _figure(x_label: str, y_label: str) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=_SIZE, layout="constrained")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def _curve(
    axes: Any, lines: Iterable[Mapping[str, float]], wanted: Any, title: str, *, label: str | None = None
) -> None:
    points = [(line["step"], value) for line in lines for key, value in line.items() if wanted(key)]
    if points:
        axes.plot(*zip(*points, strict=True), label=label)
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel("step")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _read(log: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    pyplot.close(figure)
