"""Path and text columns in a browser: a tree and a field, two more views of the one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from page_state import settled

SHELVES = (["Home", "Kitchen", "Tea"], ["Home", "Garden"], ["Travel", "Maps"])
NOTES = ("A quiet story", "Jazz and rain", "The QUIET sea", None)


@pytest.fixture
def shelved(tmp_path: Path) -> tuple[Any, Any, Path]:
    """Return (split, teacher, run folder) of the synthetic world whose items have a shelf and notes.

    Item n lies on shelf n mod 3 and has note n mod 4, so 32 of 48 lie under Home and 24 are quiet.
    """
    pytest.importorskip("live_service", reason='the service is not installed: pip install "steerec[serve]"')
    from served_world import write_run

    from steerec.data.catalog import Catalog
    from steerec.data.split import make_split
    from steerec.data.synthetic import make_world
    from steerec.recommend.floor import Floor

    world = make_world(num_users=40, num_items=48, seed=2)
    n = len(world.catalog)
    frame = world.catalog.frame.with_columns(
        pl.Series("shelf", [SHELVES[i % 3] for i in range(n)], dtype=pl.List(pl.String)),
        pl.Series("notes", [NOTES[i % 4] for i in range(n)], dtype=pl.String),
    )
    types = {**world.catalog.columns, "shelf": "path", "notes": "text"}
    catalog = Catalog.from_frame(frame, types=types, noun="films").with_popularity(world.catalog.popularity)
    split = make_split(replace(world, catalog=catalog))
    teacher = Floor().fit(split)
    return split, teacher, write_run(tmp_path / "shelved", split, teacher)


@pytest.fixture
def page(shelved: Any, open_page: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import live_service

    from steerec.serve.engine import Recommender

    monkeypatch.setattr("steerec.understand.hybrid.installed_embedder", lambda: None)
    split, teacher, folder = shelved
    service = live_service.make_service(Recommender(split.catalog, teacher, None), folder, tmp_path / "state")
    with live_service.served_over_loopback(service) as url:
        found = open_page(url)
        found.locator(".row").first.wait_for()
        yield found


def listed(page: Any, shelved: Any) -> list[dict[str, Any]]:
    """Return the rows of the catalogue that are shown."""
    catalog = shelved[0].catalog
    names = page.locator(".list .row-name").all_inner_texts()
    return [catalog.frame.row(catalog.resolve(name), named=True) for name in names]


def chips(page: Any) -> list[str]:
    found: list[str] = page.locator(".chip-text").all_inner_texts()
    return found


def test_a_branch_is_opened_asked_for_ruled_out_and_let_go(page: Any, shelved: Any) -> None:
    tree = page.get_by_role("group", name="shelf", exact=True)
    assert tree.locator(".value-chip").all_inner_texts() == ["Home", "Travel"]
    tree.get_by_role("button", name="What is in Home").click()
    assert tree.locator(".is-inner .value-chip").all_inner_texts() == ["Garden", "Kitchen"]
    tree.get_by_role("button", name="What is in Kitchen").click()
    tree.get_by_role("button", name="Tea: not ruled. Press to ask for it").click()
    settled(page)
    assert "at least 5 Home › Kitchen › Tea" in chips(page)
    assert sum(row["shelf"] == SHELVES[0] for row in listed(page, shelved)) >= 5
    tree.get_by_role("button", name="Tea: at least 5. Press to rule it out").click()
    settled(page)
    assert not any(row["shelf"] == SHELVES[0] for row in listed(page, shelved))
    tree.get_by_role("button", name="Tea: no. Press to let go").click()
    settled(page)
    assert not any("Tea" in chip for chip in chips(page))
    tree.get_by_role("button", name="Travel: not ruled. Press to ask for it").click()
    settled(page)
    tree.get_by_role("button", name="Travel: at least 5. Press to rule it out").click()
    settled(page)
    assert {row["shelf"][0] for row in listed(page, shelved)} == {"Home"}


def test_a_piece_of_text_rules_every_item(page: Any, shelved: Any) -> None:
    field = page.get_by_label("notes contains")
    field.fill("quiet")
    settled(page)
    assert "only notes with “quiet”" in chips(page)
    assert len(listed(page, shelved)) == 10
    assert all("quiet" in row["notes"].lower() for row in listed(page, shelved))
    assert page.locator(".quota").count() == 0  # it has its own field
    field.fill("")
    settled(page)
    assert not any("notes" in chip for chip in chips(page))


def test_words_and_fields_show_one_request(page: Any) -> None:
    page.locator("#say").fill(
        "six films whose notes contain 'jazz', at least two under 'Home > Garden' in the shelf"
    )
    page.keyboard.press("Enter")
    page.locator(".line-said").first.wait_for()
    settled(page)
    assert page.get_by_label("notes contains").input_value() == "jazz"
    tree = page.get_by_role("group", name="shelf", exact=True)
    tree.get_by_role("button", name="What is in Home").click()
    assert tree.get_by_role("button", name="Garden: at least 2. Press to rule it out").count() == 1


def test_the_tree_has_names_for_who_cannot_see_it(page: Any) -> None:
    axe = Path(__file__).parent.parent.parent / "page" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: npm ci in page/")
    page.get_by_role("button", name="What is in Home").click()
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations.map(one => one.id))")
    assert found == []
