"""Sentences, conversations and reasons over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steerec.control.request import Request
from steerec.data.split import Split
from steerec.errors import InfeasibleRequest
from steerec.serve.engine import Recommender
from steerec.understand.keyword import KeywordReader
from steerec.understand.reading import Reading
from steerec.understand.record import understood

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)


def talk_through(
    engine: Recommender, run_folder: Path, state: Path, said: list[str], conversation: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Say one turn after the other to one service, handing the state back each time."""

    async def turns() -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        async with live.client_of(live.make_service(engine, run_folder, state)) as client:
            held = conversation
            for text in said:
                body = {"text": text} | ({} if held is None else {"conversation": held})
                answer = await client.post("/v1/conversation", json=body)
                assert answer.status_code == 200, answer.text
                answers.append(answer.json())
                held = answers[-1]["conversation"]
        return answers

    return live.run(turns())  # type: ignore[no-any-return]


def test_a_conversation_survives_a_restart_and_repeats_nothing(
    engine: Recommender, run_folder: Path, tmp_path: Path
) -> None:
    before = talk_through(
        engine, run_folder, tmp_path / "a", ["four films, at least one comedy", "not that one"], None
    )
    after = talk_through(
        engine, run_folder, tmp_path / "b", ["make it three", "more"], before[-1]["conversation"]
    )
    answers = before + after
    assert [len(answer["items"]) for answer in answers] == [4, 4, 3, 3]
    listed = [item["item_id"] for answer in answers for item in answer["items"]]
    assert len(set(listed)) == len(listed)
    conversation = answers[-1]["conversation"]
    assert conversation["shown"] == listed
    assert conversation["standing"]["count"] == 3
    assert conversation["standing"]["exclude"] == [answers[0]["items"][0]["item_id"]]
    assert [turn["did"] for turn in conversation["turns"]] == ["asked", "excluded", "asked", "went on"]
    assert all(answer["certificate"]["controls"][0]["satisfied"] for answer in answers)


def test_understanding_is_the_same_as_from_python(
    engine: Recommender, run_folder: Path, tmp_path: Path, split: Split
) -> None:
    left = len(split.catalog) - len(split.sequences[0])
    texts = ["three comedies, no quantum films", "0 films", f"{left + 1} films"]

    async def ask() -> list[Any]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            user = split.users[0]
            sent = [await client.post("/v1/understand", json={"text": text}) for text in texts]
            return [*sent, await client.post("/v1/understand", json={"text": texts[2], "user_id": user})]

    plain, none, all_of_them, seen = live.run(ask())
    for answer, text in ((plain, texts[0]), (none, texts[1]), (all_of_them, texts[2])):
        assert answer.status_code == 200, answer.text
        expected = understood(engine.reader, text, engine.catalog)
        body = answer.json()
        if expected["request"] is not None:
            body["request"] = Request(**body["request"])
            expected["request"] = Request(**expected["request"])
        assert body["request"] == expected["request"]
        assert body["unplaced"] == expected["unplaced"]
        assert (body["conflict"] is None) == (expected["conflict"] is None)
    assert seen.json()["conflict"] is not None


def test_reasons_come_where_they_are_asked_for(
    engine: Recommender, run_folder: Path, tmp_path: Path, split: Split
) -> None:
    history = [split.catalog.item_ids[i] for i in split.train[0].tolist()]
    body = {"history": history, "request": {"count": 3}}

    async def ask() -> list[Any]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            return [
                await client.post("/v1/recommend", json=body),
                await client.post("/v1/recommend", json=body | {"explain": True}),
            ]

    silent, reasoned = live.run(ask())
    assert silent.json()["reasons"] is None
    answer = engine.recommend(history, Request(count=3))
    assert reasoned.json()["reasons"] == engine.explain(answer)


def test_a_greeting_is_answered_in_words_and_the_list_machinery_stays_out(
    engine: Recommender, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recommender, "converses", True)
    monkeypatch.setattr(Recommender, "chat", lambda self, said, past=(): "Hello!" if said == "Hi" else None)

    async def ask() -> list[Any]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            talk = (await client.post("/v1/conversation", json={"text": "three comedies"})).json()
            body = {"text": "Hi", "conversation": talk["conversation"]}
            greeted = (await client.post("/v1/conversation", json=body)).json()
            model = (await client.get("/v1/models")).json()["data"][0]["id"]
            said = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
            listed = {**said, "recommend": {"text": "Hi"}}
            chats = [(await client.post("/v1/chat/completions", json=one)).json() for one in (said, listed)]
            return [talk, greeted, *chats]

    talk, greeted, chatted, listed = live.run(ask())
    assert greeted["reply"] == "Hello!"
    assert (greeted["items"], greeted["certificate"]) == ([], None)
    assert greeted["conversation"]["standing"] == talk["conversation"]["standing"]
    assert greeted["conversation"]["shown"] == talk["conversation"]["shown"]
    assert (chatted["choices"][0]["message"]["content"], chatted["recommend"]) == ("Hello!", None)
    assert len(listed["recommend"]["items"]) == 10


def test_what_cannot_be_is_refused_in_the_words_that_were_said(
    engine: Recommender, run_folder: Path, tmp_path: Path
) -> None:
    text = "Five comedies, but no more than three comedies, please!"
    quotes = ["Five comedies", "no more than three comedies"]
    message = f'You asked for "{quotes[0]}" and "{quotes[1]}", which cannot both hold in a list of 5 films.'

    async def ask() -> list[Any]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            model = (await client.get("/v1/models")).json()["data"][0]["id"]
            chat = {"model": model, "messages": [{"role": "user", "content": text}]}
            listed = await client.post("/v1/recommend", json={"text": text})
            chatted = await client.post("/v1/chat/completions", json=chat)
            first = await client.post("/v1/conversation", json={"text": "five comedies"})
            body = {
                "text": "at most three dramas, no comedies at all",
                "conversation": first.json()["conversation"],
            }
            turned = await client.post("/v1/conversation", json=body)
            understood_ = await client.post("/v1/understand", json={"text": text})
            return [listed, chatted, turned, understood_]

    listed, chatted, turned, said = live.run(ask())
    for answer in (listed, chatted):
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert error["message"].startswith(message)
        assert error["conflict"] == {"controls": [0, 1], "names": [], "slack": 2, "quotes": quotes}
    assert said.json()["conflict"] == {
        "message": listed.json()["error"]["message"],
        **listed.json()["error"]["conflict"],
        "relaxation": listed.json()["error"]["relaxation"],
    }
    with pytest.raises(InfeasibleRequest) as refusal:
        engine.recommend(request=text)
    assert refusal.value.conflict.quotes == tuple(quotes)
    assert str(refusal.value) == listed.json()["error"]["message"]
    assert turned.status_code == 200, turned.text  # no comedies takes the place of only comedies


def test_a_conversation_names_the_turns_that_contradict_each_other(
    engine: Recommender, run_folder: Path, tmp_path: Path
) -> None:
    async def ask() -> Any:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            held: dict[str, Any] = {}
            for text in ("four films", "at least three comedies", "at least two films that are not comedies"):
                body = {"text": text} | ({"conversation": held} if held else {})
                answer = await client.post("/v1/conversation", json=body)
                if answer.status_code == 200:
                    held = answer.json()["conversation"]
            return answer

    answer = live.run(ask())
    error = answer.json()["error"]
    assert error["message"].startswith(
        'You asked for "at least three comedies" and "at least two films that are not comedies", which '
        "cannot both hold in a list of 4 films."
    )
    turns = error["conversation"]["turns"]
    assert [quote["words"] for turn in turns for quote in turn["quotes"]] == error["conflict"]["quotes"]


def test_a_chat_message_is_read_once(
    engine: Recommender, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recommender, "converses", True)
    monkeypatch.setattr(Recommender, "chat", lambda self, said, past=(): None)
    read: list[str] = []
    reading = KeywordReader.reading

    def counted(self: KeywordReader, sentence: str, *, count: int = 10) -> Reading:
        read.append(sentence)
        return reading(self, sentence, count=count)

    async def ask() -> list[Any]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            model = (await client.get("/v1/models")).json()["data"][0]["id"]
            monkeypatch.setattr(KeywordReader, "reading", counted)
            texts = ("three comedies, no quantum films", "Hello")
            bodies = [{"model": model, "messages": [{"role": "user", "content": text}]} for text in texts]
            return [(await client.post("/v1/chat/completions", json=body)).json() for body in bodies]

    listed, greeted = live.run(ask())
    assert read == ["three comedies, no quantum films", "Hello"]
    assert listed["recommend"]["understood"]["request"]["count"] == 3
    assert listed["recommend"]["understood"]["unplaced"] == ["quantum"]
    assert len(greeted["recommend"]["items"]) == 10
