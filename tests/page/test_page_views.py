"""The other views of the page, its key, its keyboard, its width, and what axe-core says of all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from page_state import settled, titles

AXE = Path(__file__).parent.parent.parent / "page" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = ("recommend", "compare", "people", "run")


def view(url: str, name: str, user: str = "u14") -> str:
    """Return the address of a view."""
    return f"{url}/#view={name}&user={user}"


READY = {
    "recommend": ".reason:not(.pending)",
    "compare": ".column-row",
    "people": ".history-row",
    "run": ".failure",
}


@pytest.fixture
def evaluated(world: Any, tmp_path: Path) -> Path:
    """Return a run with a report, curves and failures."""
    from test_page_routes import evaluated_run

    split, teacher, folder = world
    run = evaluated_run(folder, split, tmp_path / "evaluated")
    teacher.save_pretrained(run / "recommend" / "floor")
    return run


def test_popularity_and_the_teacher_answer_side_by_side(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(view(serve(), "compare"))
    page.locator(".column-row").first.wait_for()
    assert page.locator(".column h2").all_inner_texts() == ["Popular", "Teacher"]
    page.get_by_role("button", name="10 films", exact=True).click()
    page.get_by_label("Number of films").fill("3")
    page.keyboard.press("Escape")
    page.locator(".column").first.locator(".column-row").nth(3).wait_for(state="detached")
    assert page.locator(".column-row").count() == 6
    row = page.locator(".column").last.locator(".column-row").first
    row.focus()
    assert "is-traced" in row.get_attribute("class")


def test_popularity_shows_which_controls_it_breaks(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    wanted = {"count": 3, "controls": [{"where": {"categories": "Western"}, "at_least": "all"}]}
    page = open_page(f"{view(serve(), 'compare')}&request={quote(json.dumps(wanted))}")
    page.locator(".column-row").first.wait_for()
    seals = page.locator(".column .seal").all_inner_texts()
    assert seals[0] == "breaks 1 of 1"
    assert seals[1].endswith("obey")
    assert "only Western: has" in page.locator(".column-broken").inner_text()


def test_an_edited_history_moves_the_list_and_is_stored_only_when_asked(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    url = serve()
    stored = httpx.get(f"{url}/v1/users/u14/history").json()["history"]
    page = open_page(view(url, "people"))
    page.locator(".row").first.wait_for()
    newest = page.locator(".history-row").first
    assert newest.locator(".history-title").inner_text() == stored[-1]["title"]
    before = titles(page)

    newest.get_by_role("button", name=re.compile("^Drop")).click()
    settled(page)
    page.get_by_role("combobox").fill(before[0])
    page.get_by_role("option", name=before[0], exact=True).first.wait_for()
    page.keyboard.press("Enter")
    settled(page)
    assert before[0] not in titles(page)
    page.locator(".history-row").first.get_by_role("button", name=re.compile("^Older")).click()
    settled(page)
    assert page.locator(".history-title").nth(1).inner_text() == before[0]
    assert httpx.get(f"{url}/v1/users/u14/history").json()["history"] == stored

    shared = open_page(page.url)
    shared.locator(".save-state").wait_for()
    shared.locator(".history-title.muted").first.wait_for(state="detached")
    assert (
        shared.locator(".history-title").all_inner_texts() == page.locator(".history-title").all_inner_texts()
    )

    page.get_by_role("button", name="Store").click()
    page.locator(".save-state").wait_for(state="detached")
    now = httpx.get(f"{url}/v1/users/u14/history").json()["history"]
    assert [item["title"] for item in now][::-1] == page.locator(".history-title").all_inner_texts()


def test_a_new_person_begins_with_nothing_and_can_be_stored(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    url = serve()
    page = open_page(f"{url}/#view=people")
    page.locator(".row").first.wait_for()
    title = titles(page)[2]
    page.get_by_role("combobox").fill(title)
    page.get_by_role("option", name=title, exact=True).first.click()
    page.get_by_label("Store under this user id").fill("new person")
    page.get_by_role("button", name="Store").click()
    page.locator(".save-state").wait_for(state="detached")
    (item,) = httpx.get(f"{url}/v1/users/new person/history").json()["history"]
    assert item["title"] == title


def test_the_dashboard_shows_report_curves_and_failures(
    serve: Callable[..., str], open_page: Callable[..., Any], evaluated: Path
) -> None:
    page = open_page(view(serve(evaluated), "run"))
    page.locator(".failure").first.wait_for()
    rows = page.locator("section[aria-label=Results] tbody tr").all_inner_texts()
    assert [row.split()[1] for row in rows] == ["popularity", "floor"]
    assert "0.250" in rows[0]
    assert "–" in rows[0]
    assert page.get_by_role("img", name="loss: from 3.00 to 2.00 in 2 points").is_visible()
    assert page.locator(".frontier .dot").count() == 2
    assert "1 of 3 requests not obeyed" in page.locator(".failures-note").inner_text()
    page.get_by_role("button", name="Try it: Three dramas.").click()
    # the list of before stands there until the new one comes
    page.locator(".list-panel h2", has_text="3 films").wait_for()
    assert len(titles(page)) == 3
    assert "user=" in page.url


def test_a_key_is_asked_for_and_kept_in_the_tab_only(
    serve: Callable[..., str], open_page: Callable[..., Any], tmp_path: Path
) -> None:
    from steerec.serve.http.keys import hash_key

    (tmp_path / "keys").write_text(hash_key("open sesame"))
    page = open_page(serve(keys_file=tmp_path / "keys"))
    field = page.get_by_label("API key")
    field.fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("This key is not valid.").wait_for()
    field.fill("open sesame")
    page.get_by_role("button", name="Continue").click()
    page.locator(".row").first.wait_for()
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    assert page.evaluate("document.cookie") == ""
    assert "sesame" not in page.url
    page.get_by_role("button", name="Copy as").click()
    snippet = page.locator("dialog pre").inner_text()
    assert "$STEEREC_KEY" in snippet
    assert "sesame" not in snippet
    page.reload()
    page.locator(".row").first.wait_for()
    page.evaluate("sessionStorage.setItem('steerec.key', 'withdrawn')")
    page.get_by_role("button", name=re.compile("^Drama: not ruled")).click()
    page.get_by_label("API key").wait_for()


def test_everything_is_done_by_keys(page: Any, tmp_path: Path) -> None:
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "say"
    page.keyboard.type("four films")
    page.keyboard.press("Enter")
    page.locator(".row").nth(4).wait_for(state="detached")
    settled(page)
    page.locator(".list-panel h2").click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert titles(page)[1] in page.evaluate("document.activeElement.innerText")
    page.keyboard.press("d")
    page.get_by_role("button", name=f"Bad: {titles(page)[1]}", pressed=True).wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.locator(".column-row").first.wait_for()
    page.keyboard.press("1")
    page.locator(".row").first.wait_for()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_focus_goes_back_to_what_opened_an_editor(page: Any) -> None:
    chip = page.get_by_role("button", name="10 films", exact=True)
    chip.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Edit: 10 films").wait_for()
    assert page.evaluate("document.activeElement.type") == "number"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.innerText") == "10 films"


@pytest.mark.parametrize("name", VIEWS)
def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    serve: Callable[..., str], open_page: Callable[..., Any], evaluated: Path, name: str
) -> None:
    page = open_page(view(serve(evaluated), name), width=390, height=844)
    page.locator(READY[name]).first.wait_for()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if name == "recommend":
        assert not page.get_by_label("How many films").is_visible()
        page.locator(".right summary").click()
        assert page.get_by_label("How many films").is_visible()
        page.get_by_role("button", name="10 films", exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def violations(page: Any) -> list[str]:
    """Return what axe-core finds wrong, a line a rule."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]} {one['nodes'][0]['failureSummary']}" for one in found
    ]


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: cd page && npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_axe_finds_nothing(
    serve: Callable[..., str], open_page: Callable[..., Any], evaluated: Path, name: str, scheme: str
) -> None:
    page = open_page(view(serve(evaluated), name), scheme=scheme)
    page.locator(READY[name]).first.wait_for()
    settled(page)
    if name == "recommend":
        for text in (
            "six films, at least two dramas, no horror, starring Zorblax",
            "only comedies",
            "only dramas",
        ):
            page.locator("#say").fill(text)
            page.keyboard.press("Enter")
            settled(page)
        page.locator(".certificate summary").click()
        page.get_by_role("button", name=re.compile("^6 films$")).click()
    if name == "run":
        page.locator(".failure").first.wait_for()
    page.wait_for_timeout(250)  # colours change over a moment
    assert violations(page) == []


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: cd page && npm ci")
def test_axe_finds_nothing_in_the_dialogs(page: Any) -> None:
    page.get_by_role("button", name="Copy as").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    assert violations(page) == []


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: cd page && npm ci")
def test_axe_finds_nothing_at_the_door(
    serve: Callable[..., str], open_page: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("0" * 64)
    page = open_page(serve(keys_file=tmp_path / "keys"))
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("This key is not valid.").wait_for()
    assert violations(page) == []
