"""The page in a browser: words, chips and sliders are views of one request, and the list obeys it."""

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


def say(page: Any, text: str) -> None:
    """Type a sentence and wait for what comes of it."""
    before = page.locator(".line-said").count()
    page.locator("#say").fill(text)
    page.keyboard.press("Enter")
    page.locator(".line-said").nth(before).wait_for()
    settled(page)


def chips(page: Any) -> list[str]:
    """Return what was understood."""
    found: list[str] = page.locator(".chip-text").all_inner_texts()
    return found


def address(url: str, request: dict[str, Any], **fields: str) -> str:
    """Return the address of a page that holds a request."""
    more = "".join(f"&{name}={quote(value)}" for name, value in fields.items())
    return f"{url}/#request={quote(json.dumps(request))}{more}"


def push(page: Any, label: str, key: str, times: int = 1) -> None:
    """Move a slider by the keyboard."""
    page.get_by_label(label, exact=True).first.focus()
    for _ in range(times):
        page.keyboard.press(key)
    settled(page)


def test_a_typed_request_becomes_chips_and_a_list_that_obeys(page: Any) -> None:
    say(page, "six films, at least four dramas, no horror")
    assert chips(page)[:3] == ["6 films", "at least 4 Drama", "no Horror"]
    assert len(titles(page)) == 6
    badges = page.locator(".list .badges").all_inner_texts()
    assert sum("Drama" in badge for badge in badges) >= 4
    assert not any("Horror" in badge for badge in badges)
    assert page.locator(".list-panel .card-head .seal").inner_text() == "6 of 6 obey"
    page.locator(".certificate summary").click()
    rows = page.locator(".certificate tbody tr").all_inner_texts()
    assert re.match(r"at least 4 Drama\s+4–6\s+[4-6]", rows[0])
    assert "serves at least 4 Drama" in page.locator(".reason").all_inner_texts()[0] + "".join(
        page.locator(".reason").all_inner_texts()
    )


def test_the_controls_show_what_the_words_said(page: Any) -> None:
    say(page, "eight films, at least three comedies")
    assert page.get_by_label("How many films").input_value() == "8"
    assert page.get_by_label("Comedy: at least", exact=True).first.input_value() == "3"
    assert page.get_by_role("button", name="Comedy: at least 3. Press to rule it out").is_visible()


def test_a_chip_is_edited_and_removed(page: Any) -> None:
    say(page, "at least two dramas")
    page.get_by_role("button", name="at least 2 Drama", exact=True).click()
    editor = page.get_by_role("dialog", name="Edit: at least 2 Drama")
    editor.get_by_label("At least", exact=True).fill("5")
    settled(page)
    page.keyboard.press("Escape")
    assert "at least 5 Drama" in chips(page)
    assert sum("Drama" in one for one in page.locator(".list .badges").all_inner_texts()) >= 5
    page.get_by_role("button", name="Remove: at least 5 Drama").click()
    settled(page)
    assert not any("Drama" in chip for chip in chips(page))


def test_the_count_and_the_seen_are_chips_too(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{serve()}/#user=u14")
    page.locator(".row").first.wait_for()
    page.get_by_role("button", name="10 films", exact=True).click()
    page.get_by_label("Number of films").fill("4")
    settled(page)
    assert len(titles(page)) == 4
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Let seen ones come again").click()
    settled(page)
    assert "seen ones may come again" in chips(page)
    assert not page.get_by_role("switch", name="Leave out what was seen").is_checked()


def test_sliders_move_the_request(page: Any) -> None:
    push(page, "How many films", "ArrowLeft", 3)
    assert len(titles(page)) == 7
    push(page, "year: from", "ArrowRight", 30)
    assert page.locator(".chip-text", has_text="year from 1991").count() == 1
    years = [int(found) for title in titles(page) for found in re.findall(r"\((\d{4})\)", title)]
    assert years
    assert min(years) >= 1991
    push(page, "Most of one director", "Home")
    assert "at most 1 of one director" in chips(page)


def test_a_value_is_asked_for_ruled_out_and_let_go(page: Any) -> None:
    page.get_by_role("button", name=re.compile("^Horror: not ruled")).click()
    settled(page)
    assert "at least 5 Horror" in chips(page)
    page.get_by_role("button", name=re.compile("^Horror: at least 5")).click()
    settled(page)
    assert "no Horror" in chips(page)
    page.get_by_role("button", name=re.compile("^Horror: no")).click()
    settled(page)
    assert not any("Horror" in chip for chip in chips(page))


def test_a_wish_leans_and_promises_nothing(page: Any) -> None:
    page.get_by_label("Add a wish").select_option(label="Western")
    settled(page)
    push(page, "How much Western", "End")
    assert "more Western" in chips(page)
    assert all("Western" in one for one in page.locator(".list .badges").all_inner_texts()[:5])


def test_words_without_a_place_are_shown(page: Any) -> None:
    say(page, "five dramas starring Zorblax Quimby")
    shown = page.locator(".chip-unplaced").all_inner_texts()
    assert any("zorblax" in one.lower() for one in shown), shown


def test_the_list_says_how_it_moved(page: Any) -> None:
    before = titles(page)
    assert page.locator(".move").count() == 0
    first = page.locator(".row").first
    first.get_by_role("button", name=f"Leave out {before[0]}").click()
    page.locator(".row-name", has_text=before[0]).wait_for(state="detached")
    settled(page)
    assert titles(page)[:9] == before[1:]
    moves = page.locator(".list .move").all_inner_texts()
    assert all("1 up" in move for move in moves[:9])
    assert moves[9] == "new"
    assert f"without {before[0]}" in chips(page)


def test_an_impossible_request_offers_what_would_work(page: Any) -> None:
    say(page, "only dramas")
    say(page, "at least three comedies")
    problem = page.locator(".problem")
    problem.wait_for()
    assert page.locator(".chip-conflict").count() == 2
    assert 'You asked for "only dramas" and "at least three comedies", which' in problem.inner_text()
    page.get_by_role("button", name="at least 3 Comedy", exact=True).click()
    assert page.locator(".chip-said").inner_text() == "You said at least three comedies"
    page.keyboard.press("Escape")
    problem.get_by_role("button", name=re.compile("^Take: ")).click()
    problem.wait_for(state="detached")
    settled(page)
    assert page.locator(".seal.is-broken").count() == 0
    assert len(titles(page)) == 10


def test_a_problem_can_be_taken_back(page: Any) -> None:
    say(page, "only dramas")
    kept = titles(page)
    say(page, "at least three comedies")
    page.get_by_role("button", name="Back to the last list").click()
    page.locator(".problem").wait_for(state="detached")
    settled(page)
    assert titles(page) == kept
    assert not any("Comedy" in chip for chip in chips(page))


def test_a_running_request_is_cancelled(page: Any) -> None:
    held: list[Any] = []
    page.route("**/v1/recommend", lambda route: held.append(route))
    page.get_by_role("button", name=re.compile("^Drama: not ruled")).click()
    page.locator(".list-panel").get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled: the list below is still that of the request before.").wait_for()
    assert len(held) == 1
    page.unroute("**/v1/recommend")
    page.get_by_role("button", name="Ask again").click()
    page.locator(".problem").wait_for(state="detached")
    settled(page)
    assert sum("Drama" in one for one in page.locator(".list .badges").all_inner_texts()) >= 5


CUT_REASONS = """
const real = window.fetch;
window.fetch = async (path, init) => {
  if (!String(path).endsWith("/reasons")) return real(path, init);
  document.documentElement.dataset.reasons = "asked";
  const body = new ReadableStream({
    start: (stream) => init.signal.addEventListener("abort", () => stream.error(init.signal.reason)),
  });
  return new Response(body, { status: 200, headers: { "Content-Type": "application/json" } });
};
"""
"""Reasons whose answer has begun and never ends, until nobody wants it any more."""


def test_an_answer_cut_in_its_middle_does_not_end_the_next_question(page: Any) -> None:
    page.add_init_script(CUT_REASONS)
    page.reload()
    page.locator("html[data-reasons]").wait_for()
    page.route("**/v1/recommend", lambda route: None)
    page.get_by_role("button", name=re.compile("^Drama: not ruled")).click()
    page.locator(".list-panel").get_by_role("button", name="Cancel").wait_for()
    page.wait_for_timeout(200)  # what was cut would be reported by now
    assert page.locator(".problem").count() == 0
    assert page.locator(".list-panel").get_by_role("button", name="Cancel").is_visible()


def test_thumbs_are_on_the_disk(page: Any, tmp_path: Path) -> None:
    second = titles(page)[1]
    button = page.get_by_role("button", name=f"Good: {second}")
    button.click()
    page.locator('button[aria-pressed="true"]', has=page.locator(".icon")).first.wait_for()
    (record,) = [json.loads(line) for line in (tmp_path / "state" / "serve.feedback.jsonl").open()]
    (liked,) = record["thumbs"]
    assert record["thumbs"][liked] == "up"
    assert record["titles"][liked] == second


def test_the_address_holds_the_request_and_the_user(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    url = serve()
    first = open_page(f"{url}/#user=u17")
    first.locator(".row").first.wait_for()
    say(first, "six films, at least four dramas")
    other = open_page(first.url)
    other.locator(".row").first.wait_for()
    settled(other)
    assert chips(other) == chips(first)
    assert titles(other) == titles(first)
    assert "u17" in other.locator(".person-button").inner_text()


def test_another_address_in_the_same_tab_is_followed_and_left_again(page: Any) -> None:
    first = titles(page)
    wanted = {"count": 4, "controls": [{"where": {"categories": "Comedy"}, "at_least": "all"}]}
    page.evaluate("hash => { location.hash = hash }", f"user=u18&request={quote(json.dumps(wanted))}")
    page.locator(".chip-text", has_text="only Comedy").wait_for()
    settled(page)
    assert len(titles(page)) == 4
    assert "u18" in page.locator(".person-button").inner_text()
    page.go_back()
    page.locator(".chip-text", has_text="only Comedy").wait_for(state="detached")
    settled(page)
    assert titles(page) == first


def test_bounds_on_the_page_are_those_of_the_service(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    from steerec.control.control import Control

    forms: list[dict[str, Any]] = [
        {"share_at_least": "1/3"},
        {"share_at_most": 0.35},
        {"share_more_than": "3/10"},
        {"share_less_than": 0.7},
        {"share_about": "3/10"},
        {"exactly": 2},
        {"at_least": 1, "at_most": 3},
        {"at_least": 1, "within": [1, 4]},
    ]
    url = serve()
    for count in (1, 7, 10, 19):
        fitting = [form for form in forms if form.get("within", [1, 1])[1] <= count]
        controls = [{"where": {"categories": "Drama"}, **form} for form in fitting]
        page = open_page(address(url, {"count": count, "controls": controls}))
        page.locator(".quota").nth(len(controls) - 1).wait_for()
        for place, record in enumerate(controls):
            ends = page.locator(".quota").nth(place).locator("input")
            shown = int(ends.nth(0).input_value()), int(ends.nth(1).input_value())
            lower, upper = Control(**record).bounds(count)
            length = 4 if "within" in record else count
            low = min(lower, length)
            assert shown == (low, max(low, upper)), (count, record)


def test_the_same_question_elsewhere(page: Any) -> None:
    say(page, "five films, at least two dramas")
    shown = titles(page)
    page.get_by_role("button", name="Copy as").click()
    dialog = page.locator("dialog")
    command = dialog.locator("pre").inner_text()
    found = re.search(r"curl -s (\S+).*-d '(.*)'", command, re.DOTALL)
    assert found
    answer = httpx.post(found[1], json=json.loads(found[2])).json()
    assert [item["title"] for item in answer["items"]] == shown
    for name in ("Python", "OpenAI client"):
        dialog.get_by_role("button", name=name).click()
        compile(dialog.locator("pre").inner_text(), name, "exec")
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_system_until_one_chooses(
    serve: Callable[..., str], open_page: Callable[..., Any], scheme: str
) -> None:
    page = open_page(serve(), scheme=scheme)
    page.locator(".row").first.wait_for()

    def ground() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert (ground() > 600) == (scheme == "light")
    page.get_by_role("button", name="Colours: system. Change to dark").click()
    assert ground() < 100
    page.get_by_role("button", name="Colours: dark. Change to light").click()
    assert ground() > 600
    page.reload()
    page.locator(".row").first.wait_for()
    assert ground() > 600
