"""The report: round trip, order of rows, tables, plots, and the counter of looks at a test split."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from steerec.artifacts import read_json
from steerec.evaluate.looks import carry_looks, count_look
from steerec.evaluate.plots import plot_alignment, plot_obedience, plot_training, plot_weights
from steerec.evaluate.published import published_markdown
from steerec.evaluate.report import Comparison, Facts, Metric, Report, Row, in_order
from steerec.evaluate.table import markdown, render


def _metric(mean: float) -> Metric:
    return Metric(mean=mean, low=mean - 0.01, high=mean + 0.01, n=50)


def _row(name: str, ndcg: float, obeys: float | None = None) -> Row:
    metrics = {"ndcg@10": _metric(ndcg), "hr@10": _metric(2 * ndcg)}
    if obeys is not None:
        metrics |= {
            "control_satisfaction@k": _metric(obeys),
            "control_satisfaction@k:unseen": _metric(obeys - 0.1),
            "control_satisfaction@k:kind:include_category": _metric(obeys),
            "control_satisfaction@k:kind:include_category:unseen": _metric(obeys - 0.1),
            "ndcg@10:control": _metric(ndcg),
        }
    return Row(name=name, split="test", seeds=(0,), metrics=metrics)


@pytest.fixture
def report() -> Report:
    facts = Facts(
        dataset="toy", split="leave_last_out", split_hash="0123456789abcdef", history_policy="history masked",
        num_users=50, num_items=20, num_interactions=900, num_points=50, num_requests=8,
        target_admissible=0.75, looks=2, hardware="2 cores", date="2026-11-23", commit="abc",
        command="steerec demo",
    )  # fmt: skip
    rows = in_order([_row("lm-free", 0.1, 0.6), _row("popularity", 0.05), _row("teacher", 0.12, 0.3)])
    pair = Comparison(
        row="lm-free", reference="teacher", metric="ndcg@10",
        difference=Metric(mean=-0.02, low=-0.03, high=-0.01, n=50),
    )  # fmt: skip
    return Report(facts=facts, rows=rows, comparisons=(pair,), oracle_violations={"lm-free": 0})


def test_the_json_has_the_documented_form_and_round_trips(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "report.json")
    raw = read_json(tmp_path / "report.json")
    assert raw["schema"] == 1
    assert raw["rows"][0]["metrics"]["ndcg@10"] == {
        "mean": 0.05,
        "low": 0.04,
        "high": pytest.approx(0.06),
        "n": 50,
    }
    assert [row["name"] for row in raw["rows"]] == ["popularity", "teacher", "lm-free"]
    assert Report.load(tmp_path / "report.json") == report


def test_both_tables_say_the_same(report: Report) -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(report))
    text, marked = console.export_text(), markdown(report)
    for needle in (
        "0.120 [0.110, 0.130]", "60.0 %", "include category", "60 / 50", "history masked", "0123456789ab",
        "Looks at this test split so far: 2",
        "-0.0200 [-0.0300, -0.0100] (lower)", "target admissible in 75%",
        "lm-free: 0 lists with a violation",
    ):  # fmt: skip
        assert needle in text
        assert needle in marked
    assert marked.startswith("**toy, test split**")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_cell_is_cut_at_any_width(report: Report, width: int) -> None:
    rows = in_order(
        [
            *(
                _row(name, 0.1, 0.6)
                for name in ("lm-free", "lm-constrained", "lm-constrained+teacher", "teacher")
            ),
            *(_row(name, 0.1, 0.3) for name in ("teacher+control", "teacher+keyword", "popularity", "floor")),
        ]
    )
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(report.model_copy(update={"rows": rows})))
    text = console.export_text()
    assert "…" not in text
    assert text.count("0.100 [0.090, 0.110]") == 8
    assert text.count("60 / 50") >= 2
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert all(line.rstrip().endswith(("┃", "│")) for line in text.splitlines() if line[:1] in "┃│" and line)
    hidden = "also shows" in text
    assert hidden == (width < 200)


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.1, 0.2, "higher"), (-0.2, -0.1, "lower"),
                                                      (-0.1, 0.1, "no difference shown")])  # fmt: skip
def test_a_verdict_needs_an_interval_without_zero(low: float, high: float, verdict: str) -> None:
    metric = Metric(mean=(low + high) / 2, low=low, high=high, n=9)
    assert Comparison(row="a", reference="b", metric="ndcg@10", difference=metric).verdict == verdict


def test_plots_are_pictures_or_say_that_there_is_nothing(report: Report, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 0, "sft/loss": 2.0}\n{"step": 9, "sft/loss": 1.0, "sft/ndcg@10": 0.1}\n')
    assert plot_obedience(report, tmp_path / "a.png")
    assert plot_training({"sft": log, "absent": tmp_path / "no"}, tmp_path / "b.png")
    assert plot_weights([{"weight": 0.0, "ndcg@10": 0.1, "teacher": 0.12}], tmp_path / "c.png")
    rl = tmp_path / "rl.jsonl"
    rl.write_text('{"step": 0, "rl/free_reward": 2.0, "rl/kl": 0.0}\n{"step": 50, "rl/ndcg@10": 0.1}\n')
    assert plot_alignment({"sft": log, "align": rl, "absent": tmp_path / "no"}, tmp_path / "e.png")
    assert not plot_alignment({"sft": log}, tmp_path / "d.png"), "fine-tuning has no reward"
    for name in "abce":
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert not plot_weights([], tmp_path / "d.png")
    assert not plot_training({}, tmp_path / "d.png")
    assert not (tmp_path / "d.png").exists()


def test_looks_are_counted_per_split(tmp_path: Path) -> None:
    assert [count_look(tmp_path, "h1", "demo"), count_look(tmp_path, "h1", "demo")] == [1, 2]
    assert count_look(tmp_path, "h2", "demo") == 1
    carry_looks(tmp_path, tmp_path / "next")
    assert count_look(tmp_path / "next", "h1", "demo") == 3, "a run that goes on from another counts on"
    carry_looks(tmp_path, tmp_path / "next")
    assert count_look(tmp_path / "next", "h1", "demo") == 4, "its own count stays"
    assert len(read_json(tmp_path / "test_looks.json")["h1"]) == 2


def test_published_names_rename_and_turn_our_values(report: Report) -> None:
    free = _row("lm-free", 0.1).replace(
        metrics={
            "hr@10": _metric(0.2),
            "error_count@k:plain": _metric(0.03),
            "error_catalogue@k:plain": _metric(0.01),
            "share@k:kind:include_category": _metric(0.9),
            "control_satisfaction@k:kind:share_about": _metric(0.5),
        }
    )
    text = published_markdown(report.replace(rows=(free, _row("teacher", 0.12))))
    assert "| row | HR@10 (Recall) | NDCG@10 | CorrectCount | NonExist@K |" in text
    assert "| lm-free | 0.2000 |  | 97.0% | 1.0% |" in text
    assert "| row | +C TCP@K | EP CPA@K |" in text
    assert "| lm-free | 90.0% | 50.0% |" in text
    assert text.count("| teacher |") == 1, "it has no control row"
