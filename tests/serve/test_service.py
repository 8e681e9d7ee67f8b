"""The routes as clients meet them: lists with proofs, histories, feedback, availability, operations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from steerec.control.certificate import Certificate, verify
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.serve.engine import Recommender

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)
describe_columns = pytest.importorskip("steerec.serve.http.browse").describe_columns

COMEDIES = {"count": 4, "controls": [{"where": {"categories": "Comedy"}, "at_least": 2}]}


async def calls(
    engine: Recommender, run_folder: Path, tmp_path: Path, *asked: tuple[str, str, Any], **settings: Any
) -> list[httpx.Response]:
    """Send requests one after the other to one service."""
    service = live.make_service(engine, run_folder, tmp_path, **settings)
    async with live.client_of(service) as client:
        return [await client.request(method, path, json=body) for method, path, body in asked]


@pytest.fixture
def ask(engine: Recommender, run_folder: Path, tmp_path: Path) -> Any:
    def send(*asked: tuple[str, str, Any], **settings: Any) -> list[httpx.Response]:
        return live.run(calls(engine, run_folder, tmp_path, *asked, **settings))

    return send


def refused(answer: httpx.Response, status: int, kind: str, *words: str) -> dict[str, Any]:
    """The answer is an error of the one shape, and says these words."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["type"] == kind
    assert error["request_id"] == answer.headers["x-request-id"]
    assert set(error) >= {"type", "message", "advice", "request_id"}
    for word in words:
        assert word in error["message"], (word, error["message"])
    return error


# Lists ------------------------------------------------------------------------------------------------


def plain(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return listed items without their attributes, as the engine gives them."""
    return [{name: value for name, value in item.items() if name != "attributes"} for item in items]


def test_a_list_comes_with_a_true_proof(ask: Any, engine: Recommender, split: Split) -> None:
    history = [split.catalog.displays[i] for i in split.train[0].tolist()]
    (answer,) = ask(("POST", "/v1/recommend", {"history": history, "request": COMEDIES}))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [item["item_id"] for item in body["items"]] == body["certificate"]["items"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["understood"]["request"]["count"] == 4
    assert (body["history_left_out"], body["unavailable_excluded"]) == (0, 0)
    certificate = Certificate.from_json(json.dumps(body["certificate"]))
    assert certificate.satisfied
    assert verify(certificate, engine.catalog, split.train[0].tolist())
    alone = engine.recommend(history, certificate.request)
    assert [item._asdict() for item in alone.items] == plain(body["items"])


def test_a_stored_user_is_the_whole_history(ask: Any, engine: Recommender, split: Split) -> None:
    whole = [split.catalog.item_ids[i] for i in split.sequences[0].tolist()]
    stored, given, unknown, both, nothing = ask(
        ("POST", "/v1/recommend", {"user_id": split.users[0]}),
        ("POST", "/v1/recommend", {"history": whole}),
        ("POST", "/v1/recommend", {"user_id": "nobody"}),
        ("POST", "/v1/recommend", {"user_id": split.users[0], "history": whole}),
        ("POST", "/v1/recommend", {}),
    )
    assert stored.json()["items"] == given.json()["items"]
    refused(unknown, 404, "unknown_user")
    refused(both, 422, "invalid_request", "user_id and history")
    assert plain(nothing.json()["items"]) == [item._asdict() for item in engine.recommend().items]


def test_shares_are_exact_and_words_are_read(ask: Any) -> None:
    exact = '{"request": {"count": 10, "controls": [{"where": {"categories": "Drama"}, "share_about": 0.3}]}}'
    words, both, share = ask(
        ("POST", "/v1/recommend", {"text": "Three comedies that smell of zibbly."}),
        ("POST", "/v1/recommend", {"text": "three comedies", "request": COMEDIES}),
        ("POST", "/v1/recommend", json.loads(exact)),
    )
    body = words.json()
    assert len(body["items"]) == 3
    assert any("zibbly" in one for one in body["understood"]["unplaced"])
    refused(both, 422, "invalid_request", "request and text")
    assert share.json()["understood"]["request"]["controls"][0]["share_about"] == "3/10"


def test_what_cannot_be_is_refused_with_a_way_out(ask: Any) -> None:
    where = {"categories": "Comedy"}
    impossible = {
        "count": 4,
        "controls": [{"where": where, "at_least": "all"}, {"where": where, "at_most": 1}],
    }
    answer, unknown = ask(
        ("POST", "/v1/recommend", {"request": impossible}),
        (
            "POST",
            "/v1/recommend",
            {"request": {"controls": [{"where": {"categories": "Comdy"}, "at_least": 1}]}},
        ),
    )
    error = refused(answer, 422, "infeasible_request", "cannot both hold")
    assert error["conflict"]["controls"] == [0, 1]
    assert error["relaxation"]["changes"]
    refused(unknown, 422, "invalid_request", 'Did you mean "Comedy"?')


def test_unknown_history_items_are_counted_not_refused(ask: Any, split: Split) -> None:
    known = split.catalog.item_ids[0]
    with_stranger, without = ask(
        ("POST", "/v1/recommend", {"history": [known, "Gone Forever"]}),
        ("POST", "/v1/recommend", {"history": [known]}),
    )
    assert with_stranger.json()["history_left_out"] == 1
    assert with_stranger.json()["items"] == without.json()["items"]


def test_a_spent_budget_is_the_teachers_list(ask: Any) -> None:
    (answer,) = ask(("POST", "/v1/recommend", {"budget_s": 0, "request": COMEDIES}))
    assert answer.status_code == 200, answer.text  # the floor answers: without a language model it is in time


# Histories --------------------------------------------------------------------------------------------


def test_a_history_is_read_set_extended_and_erased(ask: Any, split: Split) -> None:
    second = split.catalog.item_ids[7]
    path = "/v1/users/new%2Fone/history"
    absent, put, post, read, wrong, erased, gone, again = ask(
        ("GET", path, None),
        ("PUT", path, {"history": [split.catalog.displays[0]]}),
        ("POST", path, {"history": [second]}),
        ("GET", path, None),
        ("PUT", path, {"history": ["Gone Forever"]}),
        ("DELETE", path, None),
        ("GET", path, None),
        ("DELETE", path, None),
    )
    refused(absent, 404, "unknown_user")
    first = split.catalog.item_ids[
        split.catalog.resolve(split.catalog.displays[0])
    ]  # of twins, the known one
    assert put.json()["history"] == [{"item_id": first, "title": split.catalog.displays[0]}]
    assert [item["item_id"] for item in post.json()["history"]] == [first, second]
    assert read.json() == {**post.json(), "user_id": "new/one"}
    refused(wrong, 422, "invalid_request", 'nothing called "Gone Forever"')
    assert erased.status_code == 204
    refused(gone, 404, "unknown_user")
    refused(again, 404, "unknown_user")


def test_an_erased_user_leaves_no_trace_and_stays_away(
    engine: Recommender, run_folder: Path, split: Split, tmp_path: Path
) -> None:
    user = split.users[0]

    async def story() -> list[int]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            body = (await client.post("/v1/recommend", json={"user_id": user})).json()
            thumbs = {body["items"][0]["item_id"]: "up"}
            sent = await client.post(
                "/v1/feedback", json={"request_id": body["request_id"], "thumbs": thumbs}
            )
            assert sent.status_code == 200, sent.text
            assert f'"{user}"' in (tmp_path / "serve.feedback.jsonl").read_text()
            erased = await client.delete(f"/v1/users/{user}/history")
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            read = await client.get(f"/v1/users/{user}/history")  # the run's log still names the user
        return [erased.status_code, read.status_code]

    assert live.run(story()) == [204, 404]
    for name in ("serve.feedback.jsonl", "serve.preferences.jsonl", "serve.lists.jsonl"):
        assert f'"{user}"' not in (tmp_path / name).read_text()


def test_users_come_in_pages(ask: Any, split: Split) -> None:
    (first,) = ask(("GET", "/v1/users?limit=7", None))
    page = first.json()
    assert page["users"] == sorted(split.users)[:7]
    (rest,) = ask(("GET", f"/v1/users?after={page['next']}&limit=500", None))
    assert rest.json() == {"users": sorted(split.users)[7:], "next": None}


# Catalogue and availability ---------------------------------------------------------------------------


def test_items_are_found_and_described(ask: Any, engine: Recommender) -> None:
    title = engine.catalog.displays[3]
    found, page, schema = ask(
        ("GET", f"/v1/items?query={title.upper()}", None),
        ("GET", "/v1/items?offset=40&limit=5", None),
        ("GET", "/v1/items/schema", None),
    )
    assert title in [item["title"] for item in found.json()["items"]]
    assert page.json()["total"] == len(engine.catalog)
    assert [item["item_id"] for item in page.json()["items"]] == list(engine.catalog.item_ids[40:45])
    columns = {column["name"]: column for column in schema.json()["columns"]}
    assert list(columns) == list(engine.catalog.columns)
    assert sorted(columns["categories"]["values"]) == engine.catalog.values("categories")
    assert columns["year"]["least"] == engine.catalog.frame["year"].min()


def test_what_is_out_of_stock_is_never_listed(ask: Any) -> None:
    (before,) = ask(("POST", "/v1/recommend", {}))
    best = before.json()["items"][0]["item_id"]
    out = {"items": [{"item_id": best, "available": False}]}
    fed, during, item = ask(
        ("PUT", "/v1/availability", out), ("POST", "/v1/recommend", {}), ("GET", "/v1/items?limit=500", None)
    )
    assert fed.json()["unavailable"] == 1
    assert fed.json()["catalogue_version"] != before.json()["catalogue_version"]
    shown = during.json()
    assert best not in [one["item_id"] for one in shown["items"]]
    assert (shown["unavailable_excluded"], shown["catalogue_version"]) == (1, fed.json()["catalogue_version"])
    assert [one["item_id"] for one in item.json()["items"] if not one["available"]] == [best]
    after_restart, back, again = ask(
        ("POST", "/v1/recommend", {}),
        ("PUT", "/v1/availability", {"items": [{"item_id": best, "available": True}]}),
        ("POST", "/v1/recommend", {}),
    )
    assert after_restart.json()["items"] == shown["items"]
    assert back.json()["catalogue_version"] == before.json()["catalogue_version"]
    assert again.json()["items"] == before.json()["items"]


def test_a_changed_attribute_rules_the_next_list(ask: Any, engine: Recommender) -> None:
    item = engine.catalog.item_ids[5]
    news = {"items": [{"item_id": item, "attributes": {"year": 2035}}]}
    wanted = {"count": 1, "controls": [{"where": {"year": {"ge": 2030}}, "at_least": 1}]}
    before, fed, after = ask(
        ("POST", "/v1/recommend", {"request": wanted}),
        ("PUT", "/v1/availability", news),
        ("POST", "/v1/recommend", {"request": wanted}),
    )
    refused(before, 422, "infeasible_request")
    assert fed.status_code == 200, fed.text
    assert [one["item_id"] for one in after.json()["items"]] == [item]
    assert after.json()["certificate"]["catalogue_sha256"] != engine.catalog.sha256


def test_a_whole_number_may_be_written_with_a_point(ask: Any, engine: Recommender) -> None:
    item = engine.catalog.item_ids[5]
    fed, found = ask(
        ("PUT", "/v1/availability", {"items": [{"item_id": item, "attributes": {"year": 1994.0}}]}),
        ("GET", f"/v1/items?item_id={item}", None),
    )
    assert fed.status_code == 200, fed.text
    assert found.json()["items"][0]["attributes"]["year"] == 1994


@pytest.mark.parametrize("name", ["count", "value"])
def test_a_column_may_have_any_name(name: str) -> None:
    frame = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["A", "B", "C"], name: ["x", "y", "y"]})
    (column,) = describe_columns(Catalog.from_frame(frame, types={name: "category"}))
    assert (column.name, column.values, column.num_values) == (name, ["y", "x"], 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"item_id": "no such"}, "no item id"),
        ({"item_id": "0", "attributes": {"yaer": 1}}, 'Did you mean "year"?'),
        ({"item_id": "0", "attributes": {"year": "soon"}}, "type number"),
        ({"item_id": "0", "attributes": {"categories": "Drama"}}, "type categories"),
        ({"item_id": "0", "attributes": {"year": 1e300}}, "cannot hold"),
        ({"item_id": "0", "attributes": {"year": 10**400}}, "cannot hold"),
    ],
)
def test_a_wrong_feed_changes_nothing(
    ask: Any, engine: Recommender, change: dict[str, Any], words: str
) -> None:
    if change["item_id"] == "0":
        change = {**change, "item_id": engine.catalog.item_ids[0]}
    good = {"item_id": engine.catalog.item_ids[1], "available": False}
    before, fed, after = ask(
        ("GET", "/v1/items/schema", None),
        ("PUT", "/v1/availability", {"items": [good, change]}),
        ("GET", "/v1/items/schema", None),
    )
    refused(fed, 422, "invalid_request", words)
    assert after.json() == before.json()


# Operations -------------------------------------------------------------------------------------------


def test_operations_and_the_list_log(ask: Any, tmp_path: Path) -> None:
    health, ready, answer, models, metrics, spec, nowhere = ask(
        ("GET", "/healthz", None),
        ("GET", "/readyz", None),
        ("POST", "/v1/recommend", {"text": "three comedies"}),
        ("GET", "/v1/models", None),
        ("GET", "/metrics", None),
        ("GET", "/openapi.json", None),
        ("GET", "/nowhere", None),
    )
    assert (health.status_code, ready.json()["status"]) == (200, "ready")
    assert models.json()["data"][0]["id"] == answer.json()["model"]
    assert 'steerec_lists_total{fallback="false"} 1.0' in metrics.text
    assert "/v1/chat/completions" in spec.json()["paths"]
    refused(nowhere, 404, "not_found")
    (line,) = (tmp_path / "serve.lists.jsonl").read_text().splitlines()
    logged, body = json.loads(line), answer.json()
    assert logged["items"] == [[item["item_id"], item["score"]] for item in body["items"]]
    assert set(logged) == {"time", "request_id", "model", "catalogue_version", "fallback", "items"}


def test_request_ids_are_taken_when_harmless(engine: Recommender, run_folder: Path, tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            sent = ["order-17", "a b", "x" * 200, '"};drop']
            answers = [await client.get("/healthz", headers={"X-Request-ID": one}) for one in sent]
            return [answer.headers["x-request-id"] for answer in answers]

    kept, *made = live.run(story())
    assert kept == "order-17"
    assert all(len(one) == 32 and one.isalnum() for one in made)
