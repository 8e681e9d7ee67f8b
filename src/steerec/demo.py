"""`steerec demo`: one run on MovieLens-100K from nothing to three lists with their certificates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule

from steerec.config import override
from steerec.control.forms import at_least, at_most, only, share_about, without
from steerec.control.request import Request
from steerec.errors import InfeasibleRequest
from steerec.evaluate.table import markdown, render
from steerec.progress import clock
from steerec.recipes.catalogue import load_recipe
from steerec.run import evaluate, run
from steerec.serve.engine import Recommender

HISTORY = ("Toy Story (1995)", "Fargo (1996)", "The Usual Suspects (1995)", "Star Wars (1977)")
REQUESTS = (
    (
        "Ten films, at least five comedies, no horror, nothing seen.",
        Request(count=10, controls=[at_least(5, "Comedy"), without("Horror")]),
    ),
    (
        "Eight films of the nineties, about 30 % science fiction, at most two action films.",
        Request(
            count=8,
            controls=[only(year=(1990, 1999)), share_about(Fraction(3, 10), "Sci-Fi"), at_most(2, "Action")],
        ),
    ),
    ("Give me six thrillers from before 1980, but nothing with war in it.", None),
)
IMPOSSIBLE = Request(count=20, controls=[only("Film-Noir"), only(year=1997), only("Children's")])


def run_demo(folder: Path, settings: Sequence[str], out: Console) -> None:
    """Run the demo: train, evaluate once on test, print the table, three lists, and what to try next.

    Args:
        folder: where the run goes; finished stages in it are reused.
        settings: overrides of the recipe `controllable-tiny`, as `a.b=value`.
        out: where to print.
    """
    start = time.monotonic()
    config = override(load_recipe("controllable-tiny"), settings)
    out.print(Rule("steerec demo: a recommender that does what it is told", align="left"))
    run(config, folder)
    report = evaluate(folder, "test", command=f"steerec demo --out {folder}")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    out.print(Rule("results on the test split", align="left"))
    out.print(render(report))
    _show_requests(Recommender.from_pretrained(folder), out)
    out.print(_next_steps(folder))
    out.print(f"Done in {clock(time.monotonic() - start)}.")


def _show_requests(engine: Recommender, out: Console) -> None:
    out.print(Rule("three requests", align="left"))
    out.print("Seen: " + ", ".join(HISTORY) + "\n")
    for words, request in REQUESTS:
        out.print(f"[bold]{words}[/bold]" + ("" if request else "  [dim](read from the sentence)[/dim]"))
        out.print(engine.recommend(history=HISTORY, request=request or words).render())
        out.print()
    out.print("[bold]Twenty film-noirs of 1997 that are all children's films.[/bold]")
    began = time.perf_counter()
    try:
        engine.recommend(history=HISTORY, request=IMPOSSIBLE)
    except InfeasibleRequest as refusal:
        out.print(f"Refused in {1000 * (time.perf_counter() - began):.0f} ms: {refusal}\n", highlight=False)


def _next_steps(folder: Path) -> Panel:
    lines = (
        f"steerec serve {folder}   a page to steer it, and HTTP for OpenAI's client: docs/page.md",
        f'steerec recommend {folder} --history "Toy Story (1995)" --words "five comedies" --explain',
        f'steerec recommend {folder} --history "Fargo (1996)" --request request.json --json',
        f"open {folder}/obedience.png, {folder}/training.png and {folder}/report.md",
        "steerec list          the catalogue of recipes",
        "steerec data import   your own log and item table",
        "docs/tour.md          one user, followed through the whole pipeline",
    )
    return Panel("\n".join(lines), title="what to try next", title_align="left", expand=False)
