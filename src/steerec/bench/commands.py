"""`steerec bench ...`: every bench is a thin shell around a Python call and imports what it needs itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(help="Measure speed, as ratios in one run.", no_args_is_help=True)
out = Console()

Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change a setting; repeatable.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
ReportFile = Annotated[Path | None, typer.Option("--out", help="Write the report as JSON.")]


@app.command("decode")
def bench_decode(settings: Setting = None, report_file: ReportFile = None) -> None:
    """Our decoders against transformers' generate: lists per second, passes, shares of time, memory."""
    from steerec.bench.decode import DecodeBenchConfig
    from steerec.bench.decode import bench_decode as run_bench
    from steerec.bench.tables import decode_table
    from steerec.config import override

    report = run_bench(override(DecodeBenchConfig(), settings or []))
    _report(report, report_file)
    out.print(decode_table(report))


@app.command("align")
def bench_align(settings: Setting = None, report_file: ReportFile = None) -> None:
    """Our training against TRL's: tokens per second of fine-tuning, rollouts and updates per second of RL."""
    from steerec.bench.align import AlignBenchConfig, render
    from steerec.bench.align import bench_align as run_bench
    from steerec.config import override

    report = run_bench(override(AlignBenchConfig(), settings or []))
    _report(report, report_file)
    out.print(render(report))


@app.command("parity")
def bench_parity(
    settings: Setting = None,
    report_file: ReportFile = None,
    test: Annotated[
        bool, typer.Option("--test", help="Look at the test points too; looks are counted.")
    ] = False,
) -> None:
    """Our metrics against RecTools' and ranx'; our sequence model against RecTools' SASRec, in one run."""
    from steerec.bench.parity import ParityConfig, render
    from steerec.bench.parity import bench_parity as run_bench
    from steerec.config import override

    report = run_bench(override(ParityConfig(), settings or []), test=test)
    _report(report, report_file)
    out.print(render(report))
    if not report["metrics"]["agrees"]:
        raise typer.Exit(1)


@app.command("search")
def bench_search(run_folder: RunFolder, report_file: ReportFile = None) -> None:
    """Free, token by token, item beam: NDCG@10 of one run's model on validation, with paired intervals."""
    from steerec.bench.search import bench_search as run_bench
    from steerec.bench.tables import search_table

    report = run_bench(run_folder)
    _report(report, report_file)
    out.print(search_table(report))


@app.command("serve")
def bench_serve(run_folder: RunFolder, settings: Setting = None, report_file: ReportFile = None) -> None:
    """The service under load, micro-batching on against off: answer times, lists per second, violations."""
    from steerec.bench.serve import ServeBenchConfig, render
    from steerec.bench.serve import bench_serve as run_bench
    from steerec.config import override

    report = run_bench(run_folder, override(ServeBenchConfig(), settings or []))
    _report(report, report_file)
    out.print(render(report))


@app.command("train")
def bench_train(
    settings: Setting = None,
    report_file: ReportFile = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the cost of attention as PNG.")] = None,
) -> None:
    """Targets per second, ours against RecTools and RecBole; attention by length; many candidates at once."""
    from steerec.bench.attention import plot_attention
    from steerec.bench.training import TrainBenchConfig, render
    from steerec.bench.training import bench_train as run_bench
    from steerec.config import override

    report = run_bench(override(TrainBenchConfig(), settings or []))
    _report(report, report_file)
    if plot is not None and report["attention"]:
        plot_attention(report, plot)
    out.print(render(report))


@app.command("trie")
def bench_trie(
    largest: Annotated[int, typer.Option(help="Largest number of items; from 1,000 in powers of ten.")] = 10
    ** 6,
    report_file: ReportFile = None,
) -> None:
    """Tries and the moving mask: build, memory, request set-up and step cost against the number of items."""
    from steerec.bench.trie import bench_trie as run_bench
    from steerec.bench.trie import render

    sizes = [10**power for power in range(3, 9) if 10**power <= largest]
    report = run_bench(sizes)
    _report(report, report_file)
    out.print(render(report))


@app.command("understand")
def bench_understand(
    run_folder: RunFolder,
    sentences: Annotated[
        list[Path], typer.Option(help="JSON lines with sentence, request and perhaps kinds; repeatable.")
    ],
    reader: Annotated[
        Path | None, typer.Option(help="Folder of a trained reader; default: the run's own.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="Another item table that the sentences are about.")
    ] = None,
    report_file: ReportFile = None,
) -> None:
    """Floor, model and both together: sentences understood exactly, time, what is taken for what."""
    from steerec.bench.understand import bench_understand as run_bench
    from steerec.bench.understand import render

    report = run_bench(run_folder, sentences, reader, catalog)
    _report(report, report_file)
    out.print(render(report))


def _report(report: dict[str, Any], path: Path | None) -> None:
    from steerec.artifacts import write_json

    if path is not None:
        write_json(path, report)
