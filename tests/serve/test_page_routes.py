"""What the page asks for beside lists: the page itself, comparisons, reasons, the run's own report."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from steerec.artifacts import write_json
from steerec.control.certificate import Certificate, verify
from steerec.control.request import Request
from steerec.data.split import Split
from steerec.llm.tiny import build_tiny
from steerec.recommend.floor import Floor
from steerec.serve.engine import Recommender
from steerec.serve.http.keys import hash_key
from tiny_shelf import PHRASINGS, tiny_shape

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)
ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "src" / "steerec" / "serve" / "http" / "page"
Ask = Callable[..., Any]
HALF = {"count": 6, "controls": [{"where": {"categories": "Drama"}, "at_least": 3}]}
IMPOSSIBLE = {
    "count": 5,
    "controls": [
        {"where": {"categories": "Drama"}, "at_least": "all"},
        {"where": {"categories": "Drama"}, "at_most": 2},
    ],
}


@pytest.fixture
def talk(engine: Recommender, run_folder: Path, tmp_path: Path) -> Ask:
    """Run a coroutine function with a client of one service, and return what it returns."""

    def run(speak: Any, folder: Path = run_folder, **settings: Any) -> Any:
        async def whole() -> Any:
            service = live.make_service(engine, folder, tmp_path / "state", **settings)
            async with live.client_of(service) as client:
                return await speak(client)

        return live.run(whole())

    return run


@pytest.fixture
def ask(talk: Ask) -> Ask:
    """Send requests to one service, in order: (method, path, body) or (method, path)."""

    def send(*sent: tuple[Any, ...], folder: Path | None = None) -> Any:
        async def speak(client: Any) -> list[httpx.Response]:
            return [await client.request(*one[:2], json=(*one, None)[2]) for one in sent]

        return talk(speak) if folder is None else talk(speak, folder)

    return send


def test_the_page_is_built_whole_and_sent_under_a_strict_policy(ask: Ask) -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'(?:src|href)="(/assets/[^"]+)"', index)
    assert len(names) >= 3
    page, *assets = ask(("GET", "/"), *(("GET", name) for name in names))
    assert page.text == index
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for name, asset in zip(names, assets, strict=True):
        assert asset.status_code == 200
        assert asset.headers["content-type"].startswith(kinds[Path(name).suffix])
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=.(?:https?:)?//", index)
    for style in PAGE.glob("assets/*.css"):
        assert not re.search(r"@import|url\(.?(?:https?:)?//", style.read_text(encoding="utf-8"))


def test_an_unchanged_page_is_not_sent_again_and_nothing_else_is_sent(talk: Ask) -> None:
    async def speak(client: Any) -> Any:
        first = await client.get("/")
        again = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
        return again, [await client.get(f"/assets/{name}") for name in ("none.js", "..%2findex.html")]

    again, strangers = talk(speak)
    assert (again.status_code, again.content) == (304, b"")
    assert [one.status_code for one in strangers] == [404, 404]
    assert strangers[0].json()["error"]["advice"].startswith("Open /")


def test_the_page_needs_no_key_and_the_data_does(talk: Ask, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(hash_key("secret"))

    async def speak(client: Any) -> Any:
        paths = ("/", "/v1/run", "/v1/items/schema", "/assets", "/assets/../v1/users")
        bare = [(await client.get(path)).status_code for path in paths]
        known = await client.get("/v1/items/schema", headers={"Authorization": "Bearer secret"})
        return bare, known.status_code

    bare, known = talk(speak, keys_file=tmp_path / "keys")
    assert bare[0] == known == 200
    assert set(bare[1:]) <= {401, 404}
    assert bare[1:3] == [401, 401]


def test_a_comparison_has_the_same_request_for_everybody(ask: Ask, engine: Recommender, split: Split) -> None:
    user = split.users[0]
    (answer,) = ask(("POST", "/v1/compare", {"user_id": user, "request": HALF}))
    assert answer.status_code == 200, answer.text
    popular, teacher = answer.json()["columns"]
    assert (popular["kind"], teacher["kind"]) == ("popularity", "teacher")
    past = split.sequences[0].tolist()
    for column in (popular, teacher):
        certificate = Certificate.from_json(json.dumps(column["certificate"]))
        assert verify(certificate, engine.catalog, past)
        assert list(certificate.items) == [item["item_id"] for item in column["items"]]
        assert len(certificate.items) == 6
        assert not certificate.seen_items
    assert all(result["satisfied"] for result in teacher["certificate"]["controls"])
    alone = engine.recommend(
        [engine.catalog.item_ids[i] for i in past],
        Certificate.from_json(json.dumps(teacher["certificate"])).request,
    )
    assert [item.item_id for item in alone.items] == [item["item_id"] for item in teacher["items"]]
    counts = [
        int(engine.catalog.popularity[engine.catalog.index(one["item_id"])]) for one in popular["items"]
    ]
    unseen = set(range(len(engine.catalog))) - set(past)
    assert counts == sorted((int(engine.catalog.popularity[i]) for i in unseen), reverse=True)[:6]


def test_a_comparison_refuses_what_no_list_satisfies(ask: Ask) -> None:
    (answer,) = ask(("POST", "/v1/compare", {"request": IMPOSSIBLE}))
    assert answer.status_code == 422
    assert answer.json()["error"]["relaxation"]["changes"]


def test_an_aligned_run_shows_the_model_as_it_was_before(
    split: Split, teacher: Floor, run_folder: Path, tmp_path: Path
) -> None:
    before, after = (
        build_tiny(split.catalog, PHRASINGS, tiny_shape(context_length=512, seed=seed)) for seed in (1, 2)
    )
    run = tmp_path / "aligned"
    before.save_pretrained(run / "sft" / "model")
    write_json(run / "serving.json", {"language_model": "align/model"})

    async def speak() -> Any:
        service = live.make_service(Recommender(split.catalog, teacher, after), run, tmp_path / "state")
        async with live.client_of(service) as client:
            body = {"history": [split.catalog.item_ids[0]], "request": HALF}
            compared = await client.post("/v1/compare", json=body)
            return compared.json(), (await client.post("/v1/recommend", json=body)).json()

    compared, served = live.run(speak())
    columns = {one["kind"]: [item["item_id"] for item in one["items"]] for one in compared["columns"]}
    assert list(columns) == ["popularity", "teacher", "before", "served"]
    assert columns["served"] == [item["item_id"] for item in served["items"]]
    alone = Recommender(split.catalog, teacher, before)
    again = alone.recommend([split.catalog.item_ids[0]], Request.from_json(json.dumps(HALF)))
    assert columns["before"] == [item.item_id for item in again.items]
    assert columns["before"] != columns["served"]
    assert not (tmp_path / "state" / "serve.lists.jsonl").read_text().count("\n") > 1


def test_reasons_of_a_list_are_those_it_would_have_come_with(talk: Ask, split: Split) -> None:
    async def speak(client: Any) -> Any:
        body = {"user_id": split.users[1], "request": HALF}
        first = (await client.post("/v1/recommend", json={**body, "explain": True})).json()
        later = await client.get(f"/v1/answers/{first['request_id']}/reasons")
        return first, later, await client.get("/v1/answers/never/reasons")

    first, later, unknown = talk(speak)
    assert later.json()["reasons"] == first["reasons"]
    assert unknown.status_code == 404
    assert unknown.json()["error"]["type"] == "unknown_answer"


def test_a_steered_conversation_may_repeat_until_more_is_asked(talk: Ask, split: Split) -> None:
    async def speak(client: Any) -> Any:
        async def turn(text: str, state: Any) -> Any:
            body = {"user_id": split.users[0], "text": text, "conversation": state, "repeat": True}
            return (await client.post("/v1/conversation", json=body)).json()

        first = await turn("six films", {})
        same = await turn("make it four", first["conversation"])
        return first, same, await turn("more", same["conversation"])

    first, same, more = talk(speak)
    ids = [[item["item_id"] for item in one["items"]] for one in (first, same, more)]
    assert ids[1] == ids[0][:4]
    assert not set(ids[2]) & set(ids[0])


def test_a_turn_that_no_list_follows_says_what_it_led_to(ask: Ask) -> None:
    no_dramas = {"where": {"not": {"categories": "Drama"}}, "at_least": "all"}
    state = {"standing": {"count": 5, "controls": [no_dramas]}}
    (answer,) = ask(("POST", "/v1/conversation", {"text": "at least two dramas", "conversation": state}))
    assert answer.status_code == 422
    error = answer.json()["error"]
    standing = error["conversation"]["standing"]
    assert [control["where"] for control in standing["controls"]] == [
        {"not": {"categories": "Drama"}},
        {"categories": "Drama"},
    ]
    assert error["relaxation"]["changes"][0]["control"] in (0, 1)


def test_items_are_found_by_their_ids(ask: Ask, split: Split) -> None:
    wanted = [split.catalog.item_ids[i] for i in (7, 3)]
    (answer,) = ask(("GET", f"/v1/items?item_id={wanted[0]}&item_id={wanted[1]}&item_id=none"))
    assert {item["item_id"] for item in answer.json()["items"]} == set(wanted)


def test_a_run_that_was_not_evaluated_says_so(ask: Ask) -> None:
    run, failures = ask(("GET", "/v1/run"), ("GET", "/v1/run/failures?row=lm-free"))
    assert run.json() == {"name": "toy", "facts": None, "rows": [], "comparisons": [], "curves": []}
    assert failures.json() == {"row": "lm-free", "kinds": [], "requests": []}


def test_a_run_shows_its_report_its_curves_and_its_failures(
    ask: Ask, run_folder: Path, split: Split, tmp_path: Path
) -> None:
    folder = evaluated_run(run_folder, split, tmp_path / "evaluated")
    run, failures, compared = ask(
        ("GET", "/v1/run"),
        ("GET", "/v1/run/failures?row=floor"),
        ("POST", "/v1/compare", {"request": {"count": 3}}),
        folder=folder,
    )
    record = run.json()
    assert record["facts"]["dataset"] == "toy"
    assert record["rows"][0]["metrics"]["ndcg@10"]["mean"] == 0.25
    assert record["rows"][0]["metrics"]["hr@10"]["mean"] is None
    curves = {(one["stage"], one["metric"]): one["points"] for one in record["curves"]}
    assert curves["sft", "loss"] == [[0, 3.0], [10, 2.0]]
    assert len(curves["recommend/sasrec-0", "loss"]) == 400
    assert failures.json()["kinds"] == [
        {"kind": "at_least", "asked": 2, "failed": 1},
        {"kind": "exactly", "asked": 1, "failed": 0},
    ]
    (failed,) = failures.json()["requests"]
    assert failed == {
        "request_id": "one",
        "kind": "at_least",
        "sentence": "Three dramas.",
        "request": {"count": 3},
        "user_id": split.users[2],
    }
    assert compared.json()["columns"][0]["metrics"] == {"ndcg@10": 0.25, "control_satisfaction@k": 0.5}


def evaluated_run(run_folder: Path, split: Split, folder: Path) -> Path:
    """Lay out what an evaluation leaves in a run: report, values, requests, training curves."""
    split.save(folder / "data")
    (folder / "serving.json").write_text((run_folder / "serving.json").read_text())
    number = {"low": 0.2, "high": 0.3, "n": 40}
    nothing = {"mean": math.nan, "low": math.nan, "high": math.nan, "n": 0}
    metrics = {"ndcg@10": {"mean": 0.25, **number}, "control_satisfaction@k": {"mean": 0.5, **number}}
    metrics["hr@10"] = nothing  # how a report says that there was nothing to take a mean of
    facts = {
        "dataset": "toy",
        "split": "leave_last_out",
        "split_hash": split.hash,
        "history_policy": "all",
        "num_users": 40,
        "num_items": 48,
        "num_interactions": 1000,
        "num_points": 40,
    }
    rows = [
        {"name": name, "split": "test", "seeds": [0], "metrics": metrics} for name in ("popularity", "floor")
    ]
    write_json(folder / "report.json", {"schema": 1, "facts": facts, "rows": rows})
    (folder / "sft").mkdir()
    lines = [
        '{"step": 0, "sft/loss": 3.0}',
        '{"step": 10, "sft/loss": 2.0, "sft/bad": NaN}',
        '{"step": 20, "sft',
    ]
    (folder / "sft" / "metrics.jsonl").write_text("\n".join(lines))
    (folder / "recommend" / "sasrec-0" / "training").mkdir(parents=True)
    many = "\n".join(json.dumps({"step": step, "sasrec/loss": 1.0}) for step in range(1000))
    (folder / "recommend" / "sasrec-0" / "training" / "metrics.jsonl").write_text(many)
    (folder / "evaluate-test").mkdir()
    (folder / "requests").mkdir()
    keys, kinds = ["one", "two", "three"], ["at_least", "at_least", "exactly"]
    pl.DataFrame(
        {
            "row": ["floor"] * 3,
            "metric": ["control_satisfaction@k"] * 3,
            "user": [2, 3, 4],
            "key": keys,
            "group": kinds,
            "value": [0.0, 1.0, 1.0],
        }
    ).write_parquet(folder / "evaluate-test" / "values.parquet")
    pl.DataFrame(
        {
            "request_id": keys,
            "kind": kinds,
            "request": ['{"count": 3}'] * 3,
            "sentence_seen": ["Three dramas.", "Two.", "One."],
        }
    ).write_parquet(folder / "requests" / "test.parquet")
    return folder
