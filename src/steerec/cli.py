"""The command line: every verb is a thin shell around a Python call and imports what it needs itself."""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from steerec.bench.commands import RunFolder, Setting
from steerec.bench.commands import app as bench_app
from steerec.errors import ConfigError, DataError, InfeasibleRequest, RequestError, SteerecError
from steerec.processes import join_processes, leave_processes

app = typer.Typer(
    help="steerec: recommenders that do what they are told.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
data_app = typer.Typer(help="Bring data in and look at it.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(bench_app, name="bench")
_INTERRUPTED = 130  # what typer exits with after Ctrl-C
out = Console()
err = Console(stderr=True)

OutFolder = Annotated[Path | None, typer.Option("--out", help="Folder of the run; default runs/RECIPE.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line; errors that a user can mend end in one message and exit status 1."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_path=False, show_level=False, log_time_format="%H:%M:%S")],
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    warnings.showwarning = _show_warning
    join_processes()
    try:
        app()
    except InfeasibleRequest as refusal:
        _say("[bold]This request cannot be satisfied.[/bold]", refusal)
        sys.exit(2)
    except SteerecError as error:
        _say("[bold red]error:[/bold red]", error)
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            _say("Stopped.", "Finished stages are kept; run the same command again to go on.")
        raise
    finally:
        leave_processes()


def _say(heading: str, message: object) -> None:
    # Messages quote titles, lists and paths: their brackets are no markup, and a pipe gets them in one line.
    err.print(f"{heading} {escape(str(message))}", highlight=False, soft_wrap=True)


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    del where, more  # the line of our own source that warned tells a user nothing
    _say("[yellow]warning:[/yellow]", message)


@app.command()
def demo(out_folder: OutFolder = Path("runs/demo"), settings: Setting = None) -> None:
    """Train, evaluate and show a controllable recommender on MovieLens-100K."""
    from steerec.demo import run_demo

    assert out_folder is not None
    run_demo(out_folder, settings or [], out)


@app.command()
def doctor() -> None:
    """Say what is installed, what the machine offers, what is missing and how to get it."""
    from rich.table import Table

    from steerec.doctor import examine

    table = Table(header_style="bold", pad_edge=False)
    for heading in ("", "what", "found", "advice"):
        table.add_column(heading)
    findings = examine()
    for finding in findings:
        table.add_row("ok" if finding.good else "!!", finding.name, finding.value, finding.advice)
    out.print(table)
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command("list")
def list_recipes(as_json: AsJson = False) -> None:
    """List the recipes."""
    from rich.table import Table

    from steerec.recipes.catalogue import SUITES, describe

    records = describe()
    if as_json:
        print(json.dumps(records, indent=2, ensure_ascii=False))
        return
    table = Table(header_style="bold", pad_edge=False)
    for heading in ("recipe", "system", "state", "reported", "ours"):
        table.add_column(heading)
    for record in records:
        values = (record["name"], ", ".join(record["system"]), record["state"])
        table.add_row(*values, record["reported"], record["ours"])
    out.print(table)
    out.print(f"Suites, several recipes in one table: {', '.join(SUITES)}.")


@app.command()
def show(recipe: str, settings: Setting = None) -> None:
    """Print the resolved configuration of a recipe and stop."""
    from steerec.config import override
    from steerec.recipes.catalogue import load_any

    config = load_any(recipe)
    out.print_json(override(config, settings or []).model_dump_json())


@app.command()
def run(
    recipe: str,
    out_folder: OutFolder = None,
    settings: Setting = None,
    base: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Reuse the finished stages of another run that fit."),
    ] = None,
) -> None:
    """Run a recipe, a suite or a study; shows validation numbers only (see `eval --test`)."""
    from steerec.launch import launch

    out.print(launch(recipe, settings or [], out_folder or Path("runs") / recipe, base))


@app.command("eval")
def evaluate(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs; several are compared.")
    ],
    test: Annotated[bool, typer.Option("--test", help="Look at the test split; counted.")] = False,
    verify: Annotated[
        Path | None, typer.Option(help="Check a certificate, or a file with a list of them, anew.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a finished run, compare several, or re-check certificates against a run's catalogue."""
    run_folder = run_folders[0]
    if len(run_folders) > 1:
        if verify is not None or as_json:
            raise ConfigError("--verify and --json go with one run: give one folder, or leave them out.")
        _compare(run_folders, "test" if test else "valid")
        return
    if verify is not None:
        if test or as_json:
            raise ConfigError("--verify re-checks a file and evaluates nothing: leave --test and --json out.")
        _verify(run_folder, verify)
        return
    from steerec.evaluate.table import render
    from steerec.run import evaluate as evaluate_run
    from steerec.suite import FILE as SUITE
    from steerec.suite import evaluate_suite

    evaluate_folder = evaluate_suite if (run_folder / SUITE).is_file() else evaluate_run
    report = evaluate_folder(run_folder, "test" if test else "valid")
    if as_json:
        print(report.model_dump_json(by_alias=True, indent=2))
    else:
        out.print(render(report))


def _compare(run_folders: list[Path], part: Literal["valid", "test"]) -> None:
    from steerec.evaluate.contest import contest_tables
    from steerec.run import contest

    runs = contest(run_folders, part)
    for table in contest_tables(runs, list(runs.seeds)[:2]):
        out.print(table)


def _verify(run_folder: Path, file: Path) -> None:
    from steerec.evaluate.verification import verify_file

    problems = verify_file(run_folder, file)
    for problem in problems:
        _say("[red]does not hold:[/red]", problem)
    if problems:
        raise typer.Exit(1)
    out.print("Every certificate holds: control and independent oracle agree.")


@app.command()
def recommend(
    run_folder: RunFolder,
    history: Annotated[
        list[str] | None,
        typer.Option(help="An item the user has seen: title or id; repeatable, oldest first."),
    ] = None,
    request: Annotated[Path | None, typer.Option(help="A request as a JSON file.")] = None,
    words: Annotated[str | None, typer.Option(help="The request in words.")] = None,
    users: Annotated[
        Path | None, typer.Option(help="Parquet or CSV with user_id: a list for each, from stored histories.")
    ] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Where the lists of --users go.")] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="SECONDS", help="Decoding time after which the teacher fills the rest."
        ),
    ] = None,
    why: Annotated[bool, typer.Option("--explain", help="Say why each item is in the list.")] = False,
    as_json: AsJson = False,
) -> None:
    """Recommend for one history, or off-line for a file of users."""
    from steerec.control.request import Request
    from steerec.serve.engine import Recommender
    from steerec.serve.explain import summary

    if request is not None and words is not None:
        raise RequestError("--request and --words are two ways to say the same thing: give one of them.")
    if users is not None and (history or as_json or why or budget_s is not None):
        raise ConfigError("--users takes stored histories and writes a file, in its own time: leave "
                          "--history, --json, --explain and --budget out.")  # fmt: skip
    if out_file is not None and users is None:
        raise ConfigError("--out is where the lists of --users go: give --users, or leave --out out.")
    asked: Any = words
    if request is not None:
        asked = Request.from_json(_read(request))
    engine = Recommender.from_pretrained(run_folder)
    if users is not None:
        from steerec.serve.batch import recommend_users

        written = recommend_users(engine, users, asked, out_file or Path("lists.parquet"))
        out.print(escape(f"{written:,} lists written to {out_file or 'lists.parquet'}."), soft_wrap=True)
        return
    answer = engine.recommend(history=history or [], request=asked, budget_s=budget_s)
    reasons = engine.explain(answer) if why else []
    if as_json:
        print(answer.to_json(reasons or None))
        return
    out.print(answer.render())
    for reason in reasons:
        out.print(escape(reason["sentence"]), highlight=False)
    if reasons:
        out.print(summary(reasons), highlight=False)


@app.command()
def understand(
    run_folder: RunFolder,
    sentence: Annotated[str | None, typer.Argument(help="A request in words.")] = None,
    file: Annotated[Path | None, typer.Option(help="One sentence a line.")] = None,
    reader_folder: Annotated[
        Path | None, typer.Option("--reader", help="Folder of a trained reader; default: the run's own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is understood of a sentence: the request, what was not placed, what cannot be."""
    from steerec.data.catalog import Catalog
    from steerec.progress import progress
    from steerec.serve.engine import find_reader
    from steerec.understand.hybrid import open_reader
    from steerec.understand.record import understood

    if (sentence is None) == (file is None):
        raise RequestError("Give one sentence, or --file with one sentence a line.")
    catalog = Catalog.load(run_folder / "data")
    reader = open_reader(catalog, find_reader(run_folder, reader_folder))
    lines = [sentence] if sentence is not None else _read(file or Path()).strip("\n").split("\n")
    with progress("understanding", total=len(lines), unit="sentences") as bar:
        for line in lines:
            record = understood(reader, line, catalog)
            if as_json or file is not None:
                print(json.dumps(record, ensure_ascii=False))
            else:
                out.print_json(json.dumps(record, ensure_ascii=False))
            bar.advance()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise RequestError(f"The file {path} cannot be read: {reason}.") from None


@app.command()
def serve(
    run_folder: RunFolder,
    host: Annotated[str | None, typer.Option(help="Address to bind; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; default 8000, 0 takes a free one.")] = None,
    settings: Setting = None,
) -> None:
    """Answer requests over HTTP: lists with certificates, OpenAI-compatible chat, feedback."""
    from steerec.config import override
    from steerec.serve.http.settings import ServeConfig

    try:
        from steerec.serve.http.server import serve as run_server
    except ModuleNotFoundError as error:
        raise ConfigError(f'Serving needs {error.name}: pip install "steerec[serve]".') from None
    given = {"host": host, "port": port}
    named = [f"{name}={json.dumps(value)}" for name, value in given.items() if value is not None]
    run_server(run_folder, override(ServeConfig(), [*named, *(settings or [])]), announce=_announce)


def _announce(address: str) -> None:
    print(f"Serving at {address} (stop with Ctrl-C)", flush=True)


@data_app.command("import")
def import_data(
    interactions: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet, JSONL or RecBole .inter.")],
    items: Annotated[Path, typer.Argument(help="The item table: CSV, TSV, Parquet, JSONL or RecBole .item.")],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the canonical Parquet files.")],
    options: Setting = None,
) -> None:
    """Bring a log and an item table into canonical Parquet; says what was detected."""
    from steerec.config import parse_setting
    from steerec.data.import_report import ImportOptions, import_options
    from steerec.data.importing import import_dataset
    from steerec.data.report import render_report

    chosen = dict(parse_setting(option) for option in options or [])
    try:
        import_options(chosen)
        report = import_dataset(interactions, items, out_folder, **chosen)
    except DataError as error:
        raise DataError(_as_settings(str(error), ImportOptions.model_fields)) from None
    out.print(render_report(report))


@data_app.command("report")
def data_report(
    source: Annotated[str, typer.Argument(help="A source such as ml-100k, or a folder of Parquet.")],
    options: Setting = None,
) -> None:
    """Print the integrity report of a data set."""
    from steerec.config import parse_setting
    from steerec.data.import_report import ImportOptions
    from steerec.data.integrity import check_integrity
    from steerec.data.report import render_integrity
    from steerec.data.source import SOURCES, load_source

    chosen = dict(parse_setting(option) for option in options or [])
    if source not in SOURCES and Path(source).is_dir():
        source, chosen = "folder", {"path": source, **chosen}
    try:
        dataset = load_source(source, **chosen)
    except DataError as error:
        raise DataError(_as_settings(str(error), ["path", *ImportOptions.model_fields])) from None
    out.print(render_integrity(check_integrity(dataset)))


def _as_settings(message: str, options: Iterable[str]) -> str:
    """Say as --set what a message of the data folder says as a Python option: `drop_invalid=True`."""

    def setting(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if value in ("True", "False"):
            value = value.lower()
        return (
            f"--set {name}='{value}'" if value[:1] in ("{", "[", '"') else f"--set {name}={value or 'VALUE'}"
        )

    names = "|".join(sorted(options, key=len, reverse=True))
    value = r"""\{[^{}]*\}|\[[^\[\]]*\]|"[^"]*"|\w*"""
    return re.sub(rf"(?<![\w.-])(?P<name>{names})=(?P<value>{value})", setting, message)
