"""A small service and a browser that shows its page; skipped where either is missing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "serve"))

EXPECTED = ("Failed to load resource",)
"""Chromium logs every refused request as an error of the console; the page shows them to the user."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return (split, teacher, run folder) of the synthetic world."""
    pytest.importorskip("live_service", reason='the service is not installed: pip install "steerec[serve]"')
    from served_world import served_split, write_run

    from steerec.recommend.floor import Floor

    split = served_split()
    teacher = Floor().fit(split)
    return split, teacher, write_run(tmp_path_factory.mktemp("runs") / "toy", split, teacher)


@pytest.fixture
def serve(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Start services of the world; each ends with the test."""
    from contextlib import ExitStack

    import live_service

    from steerec.serve.engine import Recommender

    monkeypatch.setattr("steerec.understand.hybrid.installed_embedder", lambda: None)
    split, teacher, folder = world
    with ExitStack() as stack:

        def start(run: Path = folder, **settings: Any) -> str:
            engine = Recommender(split.catalog, teacher, None)
            service = live_service.make_service(engine, run, tmp_path / "state", **settings)
            url: str = stack.enter_context(live_service.served_over_loopback(service))
            return url

        yield start


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield Chromium under Playwright, whose event loop tests of other files must not meet."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; at the end of the test none of them may have logged an error."""
    contexts, errors = [], []

    def note(message: Any) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            errors.append(message.text)

    def open_one(url: str, width: int = 1280, height: int = 860, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(serve: Callable[..., str], open_page: Callable[..., Any]) -> Any:
    """Return the page of a fresh service with its first list and its reasons: nothing is on its way."""
    found = open_page(serve())
    found.locator(".reason:not(.pending)").first.wait_for()
    return found
