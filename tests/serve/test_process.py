"""The service under trouble: killed, stopped, overrun, kept waiting by slow and vanished clients."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_world import write_run

from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.recommend.floor import Floor
from steerec.serve.engine import Recommender
from steerec.serve.http import service as service_module
from steerec.serve.http.answering import answer_batch
from steerec.serve.http.feedback import preferences
from steerec.serve.http.journal import JsonFormatter, JsonLines
from steerec.serve.http.service import Service
from steerec.serve.http.settings import ServeConfig

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)


class Held:
    """Stands in for the decoder: holds batches until it is let go."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.entered, self.free = threading.Event(), threading.Event()

    def __call__(self, jobs: Sequence[Any]) -> list[Any]:
        self.sizes.append(len(jobs))
        self.entered.set()
        assert self.free.wait(30)
        return answer_batch(jobs)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    decoder = Held()
    monkeypatch.setattr(service_module, "answer_batch", decoder)
    return decoder


async def until(condition: Any) -> None:
    """Wait until a condition holds; the test's own limit ends it."""
    while not condition():
        await asyncio.sleep(0.005)


def test_when_the_queue_is_full_the_answer_is_429(
    engine: Recommender, run_folder: Path, tmp_path: Path, held: Held
) -> None:
    async def story() -> tuple[httpx.Response, list[int]]:
        service = live.make_service(engine, run_folder, tmp_path, batching={"max_waiting": 3})
        async with live.client_of(service) as client:
            tasks = [asyncio.create_task(client.post("/v1/recommend", json={})) for _ in range(3)]
            await until(lambda: service.admission.waiting == 3)
            turned_away = await client.post("/v1/recommend", json={})
            alive = await client.get("/healthz")
            held.free.set()
            codes = [(await task).status_code for task in tasks]
            again = await client.post("/v1/recommend", json={})
        return turned_away, [alive.status_code, *codes, again.status_code]

    turned_away, codes = live.run(story())
    assert turned_away.status_code == 429
    assert int(turned_away.headers["retry-after"]) >= 1
    assert turned_away.json()["error"]["type"] == "busy"
    assert codes == [200] * 5


def test_a_request_that_waits_too_long_is_504_and_is_not_decoded(
    engine: Recommender, run_folder: Path, tmp_path: Path, held: Held
) -> None:
    async def story() -> list[int]:
        service = live.make_service(engine, run_folder, tmp_path, request_timeout_s=0.2)
        async with live.client_of(service) as client:
            decoding = asyncio.create_task(client.post("/v1/recommend", json={}))
            await until(held.entered.is_set)
            waiting = await client.post("/v1/recommend", json={"text": "two dramas"})
            codes = [waiting.status_code, (await decoding).status_code, service.admission.waiting]
            held.free.set()
            return [*codes, (await client.post("/v1/recommend", json={})).status_code]

    assert live.run(story()) == [504, 504, 0, 200]
    assert held.sizes == [1, 1]  # the one that waited was not among them


def test_slow_and_vanished_clients_block_nobody(
    engine: Recommender, run_folder: Path, tmp_path: Path, held: Held
) -> None:
    service = live.make_service(engine, run_folder, tmp_path, body_timeout_s=1.0)
    head = b"POST /v1/recommend HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with live.served_over_loopback(service) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as busy:
            busy.sendall(head + b"Content-Length: 2\r\n\r\n{}")
            assert held.entered.wait(30)  # the decoder has it
            for _ in range(4):  # these wait behind it, and go
                with socket.create_connection(("127.0.0.1", port)) as gone:
                    gone.sendall(head + b"Content-Length: 2\r\n\r\n{}")
                    asyncio.run(asyncio.wait_for(until(lambda: service.admission.waiting == 2), 20))
                asyncio.run(asyncio.wait_for(until(lambda: service.admission.waiting == 1), 20))
            slow = socket.create_connection(("127.0.0.1", port))
            slow.sendall(head + b"Content-Length: 500\r\n\r\n{")
            held.free.set()
            assert httpx.post(f"{url}/v1/recommend", json={}).status_code == 200
            assert busy.recv(100).startswith(b"HTTP/1.1 200")
        with slow:
            slow.settimeout(20)
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        metrics = httpx.get(f"{url}/metrics").text
    assert held.sizes == [1, 1]  # who had gone was not decoded
    assert 'steerec_requests_total{method="POST",route="/v1/recommend",status="499"} 4.0' in metrics


def test_bodies_are_bounded_however_they_come(engine: Recommender, run_folder: Path, tmp_path: Path) -> None:
    async def pieces() -> Any:
        for _ in range(40):
            yield b" " * 100

    async def story() -> list[httpx.Response]:
        service = live.make_service(engine, run_folder, tmp_path, limits={"max_body_bytes": 1000})
        async with live.client_of(service) as client:
            as_json = {"Content-Type": "application/json"}
            return [
                await client.post("/v1/recommend", content=b" " * 1001, headers=as_json),
                await client.post("/v1/recommend", content=pieces(), headers=as_json),
                await client.post("/v1/recommend", content=b"{" + b" " * 900 + b"}", headers=as_json),
            ]

    declared, streamed, fine = live.run(story())
    for answer in (declared, streamed):
        assert answer.status_code == 413, answer.text
        assert answer.json()["error"]["type"] == "too_large"
        assert "1,000 bytes" in answer.json()["error"]["message"]
    assert fine.status_code == 200, fine.text


def test_confirmed_feedback_survives_a_kill(run_folder: Path, tmp_path: Path) -> None:
    with live.serve_process(run_folder, tmp_path) as (process, url):
        with httpx.Client(base_url=url) as client:
            answer = client.post("/v1/recommend", json={"text": "five films"}).json()
            items = [item["item_id"] for item in answer["items"]]
            sent = client.post(
                "/v1/feedback",
                json={"request_id": answer["request_id"], "thumbs": {items[1]: "up", items[3]: "down"}},
            )
            assert sent.status_code == 200, sent.text
            process.send_signal(signal.SIGKILL)
        process.wait()
    with (tmp_path / "serve.feedback.jsonl").open("a") as file:
        file.write('{"feedback_id": "cut o')  # what a crash in the middle of a write leaves
    with live.serve_process(run_folder, tmp_path) as (_, url):
        gone = httpx.post(
            f"{url}/v1/feedback", json={"request_id": answer["request_id"], "thumbs": {items[0]: "up"}}
        )
        assert gone.status_code == 404  # said, not lost in silence
        assert gone.json()["error"]["type"] == "unknown_answer"
    (line,) = (tmp_path / "serve.feedback.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["feedback_id"] == sent.json()["feedback_id"]
    assert record["thumbs"] == {items[1]: "up", items[3]: "down"}
    pairs = [json.loads(line) for line in (tmp_path / "serve.preferences.jsonl").read_text().splitlines()]
    assert len(pairs) == sent.json()["pairs"]
    titles = {item["item_id"]: item["title"] for item in answer["items"]}
    assert (pairs[0]["prompt"], pairs[0]["chosen"], pairs[0]["rejected"]) == (
        "five films",
        titles[items[1]],
        titles[items[3]],
    )


def test_told_to_stop_it_finishes_what_runs(run_folder: Path, tmp_path: Path, split: Split) -> None:
    # company is waited for so long that the stop comes first: without a graceful end there is no answer
    with live.serve_process(run_folder, tmp_path, "batching.max_wait_ms=600000") as (process, url):
        answers: list[httpx.Response] = []
        body = {"user_id": split.users[0]}
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/v1/recommend", json=body, timeout=60))
        )
        asking.start()
        while "steerec_waiting 1.0" not in httpx.get(f"{url}/metrics").text:
            pass
        process.send_signal(signal.SIGTERM)
        asking.join(60)
        assert process.wait(60) == 0
    assert [answer.status_code for answer in answers] == [200]
    log = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    (line,) = [one for one in lines if one.get("route") == "/v1/recommend"]
    assert (line["status"], line["request_id"]) == (200, answers[0].headers["x-request-id"])
    assert f'"{split.users[0]}"' not in log


def test_two_services_do_not_share_a_folder(engine: Recommender, run_folder: Path, tmp_path: Path) -> None:
    async def story() -> None:
        first = live.make_service(engine, run_folder, tmp_path)
        second = live.make_service(engine, run_folder, tmp_path)
        async with first.running(), second.running():
            pass

    with pytest.raises(ValueError, match="Another service already runs in"):
        live.run(story())


# Writing down -----------------------------------------------------------------------------------------


def test_pairs_say_what_thumbs_say() -> None:
    order = ["a", "b", "c", "d"]
    assert preferences(order, {"c": "up"}) == [("c", "a"), ("c", "b")]
    assert preferences(order, {"a": "up"}) == [("a", "b")]
    assert preferences(order, {"b": "down"}) == [("c", "b")]
    assert preferences(order, {"d": "down"}) == [("c", "d")]
    assert preferences(order, {"a": "up", "b": "down"}) == [("a", "b"), ("a", "c"), ("c", "b")]
    assert preferences(order, dict.fromkeys(order, "up")) == []  # type: ignore[arg-type]


def test_a_changed_thumb_takes_its_pairs_back(engine: Recommender, run_folder: Path, tmp_path: Path) -> None:
    def written() -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for line in (tmp_path / "serve.preferences.jsonl").read_text().splitlines():
            row = json.loads(line)
            found.setdefault(row["request_id"], []).append((row["chosen_id"], row["rejected_id"]))
        return {request_id: sorted(pairs) for request_id, pairs in found.items()}

    async def story() -> None:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            lists = [
                (await client.post("/v1/recommend", json={"request": {"count": 3}})).json() for _ in "12"
            ]
            order = [item["item_id"] for item in lists[0]["items"]]
            a, b, c = order
            told = [(1, {b: "up"}), *((0, {b: thumb}) for thumb in ("up", "down", "up")), (0, {c: "up"})]
            thumbs: list[dict[str, Any]] = [{}, {}]
            for place, given in [*told, (0, {a: "up"}), (0, {a: "down"})]:
                body = {"request_id": lists[place]["request_id"], "thumbs": given}
                assert (await client.post("/v1/feedback", json=body)).status_code == 200
                thumbs[place].update(given)
                expected = {
                    answer["request_id"]: sorted(pairs)
                    for answer, said in zip(lists, thumbs, strict=True)
                    if (pairs := preferences(order, said))
                }
                assert written() == expected, given
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)):
            assert written() == expected  # made anew from the feedback

    live.run(story())


def test_a_log_line_holds_no_message_of_an_exception() -> None:
    try:
        raise ValueError("the history of ann: Heat (1995)")
    except ValueError:
        import sys

        record = logging.LogRecord(
            "steerec", logging.ERROR, __file__, 1, "request failed", (), sys.exc_info()
        )
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["exception"]) == ("request failed", "ValueError")
    assert "ann" not in json.dumps(line)
    assert line["places"]


def test_lines_are_kept_or_dropped_whole(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "x.jsonl", durable=True)
    file.append({"user": "ann", "n": 1}, {"user": "bob", "n": 2})
    assert file.keep(lambda record: record["user"] != "ann") == 1
    file.append({"user": "bob", "n": 3})
    file.close()
    assert [json.loads(line)["n"] for line in (tmp_path / "x.jsonl").read_text().splitlines()] == [2, 3]
    (tmp_path / "x.jsonl").write_text("half a line")
    JsonLines(tmp_path / "x.jsonl", durable=True).close()
    assert (tmp_path / "x.jsonl").read_text() == ""


def test_a_new_run_is_swapped_in_and_requests_under_way_keep_the_old_one(
    engine: Recommender, run_folder: Path, tmp_path: Path, held: Held
) -> None:
    grown = make_split(make_world(num_users=40, num_items=60, seed=2))
    newer = Recommender(grown.catalog, Floor().fit(grown), None)
    new_item = next(one for one in grown.catalog.item_ids if one not in engine.catalog.item_ids)
    gone = engine.catalog.item_ids[3]
    only_new = {"request": {"count": 1, "candidates": [new_item]}}

    async def story() -> list[httpx.Response]:
        service = live.make_service(engine, run_folder, tmp_path)
        async with live.client_of(service) as client:
            feed = {"items": [{"item_id": gone, "available": False}]}
            assert (await client.put("/v1/availability", json=feed)).status_code == 200
            unknown = await client.post("/v1/recommend", json=only_new)
            waiting = asyncio.create_task(client.post("/v1/recommend", json={}))
            await until(held.entered.is_set)
            await asyncio.to_thread(service.live.swap, newer)
            held.free.set()
            found = await client.post("/v1/recommend", json=only_new)
            items = await client.get("/v1/items", params={"limit": 500})
            return [unknown, await waiting, found, items]

    unknown, before, after, items = live.run(story())
    assert (unknown.status_code, before.status_code, after.status_code) == (422, 200, 200)
    assert before.json()["catalogue_version"] != after.json()["catalogue_version"]
    assert [item["item_id"] for item in after.json()["items"]] == [new_item]
    available = {item["item_id"]: item["available"] for item in items.json()["items"]}
    assert len(available) == 60
    assert [item for item, is_available in available.items() if not is_available] == [gone]


def test_sighup_loads_the_run_again_and_a_broken_one_changes_nothing(tmp_path: Path, split: Split) -> None:
    run, state = tmp_path / "toy", tmp_path / "state"
    state.mkdir()
    write_run(run, split, Floor().fit(split))
    grown = make_split(make_world(num_users=40, num_items=60, seed=2))
    with live.serve_process(run, state) as (process, address):
        size = lambda: httpx.get(f"{address}/v1/items/schema").json()["num_items"]  # noqa: E731
        reloads = lambda: "steerec_reloads_total 1.0" in httpx.get(f"{address}/metrics").text  # noqa: E731
        assert size() == 48
        (run / "serving.json").write_text("{")
        process.send_signal(signal.SIGHUP)
        _until(lambda: "the run was not loaded again" in (state / "log").read_text())
        assert size() == 48
        write_run(run, grown, Floor().fit(grown))
        process.send_signal(signal.SIGHUP)
        _until(reloads)
        assert size() == 60
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize("how", ["link", "folder"])
def test_a_replaced_run_without_a_state_folder_is_refused_and_loses_nothing(
    tmp_path: Path, split: Split, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    floor, user = Floor().fit(split), split.users[0]
    old, new, served = write_run(tmp_path / "old", split, floor), tmp_path / "new", tmp_path / "served"
    write_run(new, split, floor)
    served.symlink_to(old) if how == "link" else old.rename(served)
    held = old if how == "link" else tmp_path / "away"

    async def story() -> list[int]:
        service = Service(Recommender(split.catalog, floor, None), ServeConfig(), folder=served)
        async with live.client_of(service) as client:
            served.unlink() if how == "link" else served.rename(held)
            served.symlink_to(new) if how == "link" else new.rename(served)
            await asyncio.to_thread(service.reload)
            answers = [await client.get("/v1/items/schema")]
            if how == "link":
                answers.append(await client.delete(f"/v1/users/{user}/history"))
            return [answer.status_code for answer in answers]

    assert live.run(story()) == ([200, 204] if how == "link" else [200])
    assert "its folder is another one now" in caplog.text
    assert "--set state_folder=FOLDER" in caplog.text
    assert (held / "serve.feedback.jsonl").is_file()
    assert not list(served.glob("serve.*"))


def _until(condition: Any) -> None:
    """Wait until a condition holds; the test's own limit ends it."""
    while not condition():
        time.sleep(0.02)
