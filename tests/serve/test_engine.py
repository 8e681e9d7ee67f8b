"""The facade of a run: every list with a proof, impossible requests refused, proofs that can be checked."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from steerec.artifacts import write_json
from steerec.control.certificate import certify
from steerec.control.forms import at_least, cap, only, pin, prefer, without
from steerec.control.request import Request
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError, InfeasibleRequest, RequestError, SteerecError
from steerec.evaluate.verification import verify_file
from steerec.llm.tiny import build_tiny
from steerec.recommend.floor import Floor
from steerec.recommend.popularity import Popularity
from steerec.serve.batch import recommend_users
from steerec.serve.card import certificate_card
from steerec.serve.engine import SERVING, Item, Recommendation, Recommender
from tiny_shelf import PHRASINGS, tiny_shape

REQUEST = Request(count=6, controls=[at_least(3, "Comedy"), without("Horror"), cap("director", 2)])


def history(split: Split, user: int = 0) -> list[str]:
    return [split.catalog.displays[i] for i in split.train[user].tolist()]


def labels(engine: Recommender, answer: Recommendation) -> list[list[str]]:
    rows = {row["item_id"]: row["categories"] for row in engine.catalog.frame.to_dicts()}
    return [rows[item.item_id] for item in answer.items]


def text(renderable: object, width: int = 160) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


# Answers ----------------------------------------------------------------------------------------------


def test_a_request_is_obeyed_and_proven(engine: Recommender, split: Split) -> None:
    answer = engine.recommend(history(split), REQUEST)
    genres = labels(engine, answer)
    assert len(answer.items) == 6
    assert sum("Comedy" in one for one in genres) >= 3
    assert not any("Horror" in one for one in genres)
    seen = set(split.train[0].tolist())
    assert not seen & {engine.catalog.index(item.item_id) for item in answer.items}
    assert answer.certificate.satisfied
    assert answer.certificate.items == tuple(item.item_id for item in answer.items)
    assert [control.satisfied for control in answer.certificate.controls] == [True, True, True]
    assert [item.title for item in answer.items] == [
        engine.catalog.displays[engine.catalog.index(item.item_id)] for item in answer.items
    ]


def test_nothing_asked_is_the_teachers_ten_best(engine: Recommender, split: Split, teacher: Floor) -> None:
    answer = engine.recommend(history(split))
    best = teacher.recommend(split.train[0], Request(count=10))
    assert [item.item_id for item in answer.items] == [engine.catalog.item_ids[i] for i in best]
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert answer.words is None


def test_words_are_read_and_what_is_not_understood_is_said(engine: Recommender, split: Split) -> None:
    answer = engine.recommend(history(split), "Seven films, at least four comedies, no horror.")
    genres = labels(engine, answer)
    assert len(genres) == 7
    assert sum("Comedy" in one for one in genres) >= 4
    assert not any("Horror" in one for one in genres)
    assert answer.words == "Seven films, at least four comedies, no horror."
    vague = engine.recommend(history(split), "Five westerns that smell of zibbly.")
    assert len(vague.items) == 5
    assert any("zibbly" in words for words in vague.certificate.unplaced)
    assert "not understood:" in text(vague.render())


def test_an_empty_history_and_a_batch(engine: Recommender, split: Split) -> None:
    assert engine.recommend().certificate.satisfied
    answers = engine.recommend_batch(
        [history(split, 0), [], history(split, 1)], [REQUEST, None, "three dramas"]
    )
    assert [len(answer.items) for answer in answers] == [6, 10, 3]
    assert answers[0] == engine.recommend(history(split, 0), REQUEST)  # batching changes nothing
    assert engine.recommend_batch([], []) == []
    with pytest.raises(RequestError, match="1 histories and 0 requests: give one of each"):
        engine.recommend_batch([[]], [])


def test_wishes_move_the_list_but_are_no_promise(engine: Recommender, split: Split) -> None:
    plain = engine.recommend(history(split), Request(count=5))
    wished = engine.recommend(history(split), Request(count=5, prefer=[prefer("Western", weight=50.0)]))
    assert sum("Western" in one for one in labels(engine, wished)) == 5
    assert sum("Western" in one for one in labels(engine, plain)) < 5
    assert wished.certificate.controls == ()


def test_unknown_history_warns_and_goes_on(engine: Recommender, split: Split) -> None:
    known = history(split)
    with pytest.warns(UserWarning, match="1 of .* history items are left out.*nothing called"):
        answer = engine.recommend([*known, "A film that is gone"], REQUEST)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine.recommend(known, REQUEST).items == answer.items


def test_what_cannot_be_meant_is_said(engine: Recommender) -> None:
    title = engine.catalog.displays[0]
    with pytest.raises(RequestError, match=r"candidates: .*nothing called .* Did you mean") as caught:
        engine.recommend([], Request(count=1, candidates=[title[:-2]]))
    assert title in str(caught.value)
    with pytest.raises(RequestError, match="exclude: .*nothing called"):
        engine.recommend([], Request(exclude=["zzz"]))
    with pytest.raises(RequestError, match='controls.0.: "Comdy" is no value .* Did you mean "Comedy"'):
        engine.recommend([], Request(controls=[only("Comdy")]))
    with pytest.raises(RequestError, match="A history is a list of titles or ids, and got the text"):
        engine.recommend(title)
    with pytest.raises(RequestError, match="Request, a sentence or None.*Request.from_json"):
        engine.recommend([], {"count": 3})  # type: ignore[arg-type]


def test_an_impossible_request_is_refused_with_a_way_out(engine: Recommender, split: Split) -> None:
    request = Request(count=5, controls=[at_least(4, "Comedy"), at_least(1, "Drama"), without("Comedy")])
    with pytest.raises(InfeasibleRequest, match="cannot both hold.*nearest request") as caught:
        engine.recommend(history(split), request)
    assert caught.value.conflict.controls == (0, 2)
    assert caught.value.relaxation.total_slack == 4
    change = caught.value.relaxation.changes[0]
    controls = list(request.controls)
    # The relaxation is a promise: what it names works.
    assert (change.control, change.old, change.new) in ((0, 4, 0), (2, 0, 4))
    del controls[change.control]
    assert engine.recommend(history(split), request.replace(controls=tuple(controls))).certificate.satisfied
    with pytest.raises(InfeasibleRequest, match="largest count that works is"):
        engine.recommend([], Request(count=900))


def test_one_impossible_request_in_a_batch_is_not_hidden(engine: Recommender) -> None:
    with pytest.raises(InfeasibleRequest):
        engine.recommend_batch([[], []], [Request(count=3), Request(count=900)])


def test_another_teacher(split: Split) -> None:
    engine = Recommender(split.catalog, Popularity().fit(split))
    answer = engine.recommend(history(split), REQUEST)
    assert answer.certificate.satisfied
    counts = [split.catalog.popularity[split.catalog.index(item.item_id)] for item in answer.items]
    free = engine.recommend([], Request(count=3))
    most = sorted(split.catalog.popularity.tolist(), reverse=True)
    assert split.catalog.popularity[split.catalog.index(free.items[0].item_id)] == most[0]
    assert max(counts) <= most[0]


# What an answer can be turned into --------------------------------------------------------------------


def test_frames_and_json(engine: Recommender, split: Split) -> None:
    answer = engine.recommend(history(split), REQUEST)
    frame = answer.to_polars()
    assert frame.columns == ["rank", "item_id", "title", "score"]
    assert frame["rank"].to_list() == [1, 2, 3, 4, 5, 6]
    assert frame["title"].to_list() == [item.title for item in answer.items]
    record = json.loads(answer.to_json())
    assert [item["item_id"] for item in record["items"]] == frame["item_id"].to_list()
    assert record["history"] == [engine.catalog.item_ids[i] for i in split.train[0].tolist()]
    assert record["certificate"]["schema"] == 1
    assert Request(**record["certificate"]["request"]) == REQUEST


def test_the_card_shows_titles_bounds_and_outcome(engine: Recommender, split: Split) -> None:
    answer = engine.recommend(history(split), REQUEST)
    card = text(answer.render())
    for item in answer.items:
        assert item.title in card
    for words in (
        "3 to 6",
        "0 to 0",
        "0 to 2",
        "per director",
        "certificate: satisfied",
        "nothing seen before",
    ):
        assert words in card
    assert card.count("holds") == 3
    assert text(answer.render(), width=40)  # narrow terminals too


def test_the_card_takes_brackets_for_what_they_are() -> None:
    frame = pl.DataFrame(
        {
            "item_id": ["1", "2", "3"],
            "title": ["[rec]", "Hello [/bold] World", "[red]alert[/red]"],
            "tags": [["x"], ["y"], ["x"]],
        }
    )
    catalog = Catalog.from_frame(frame)
    request = Request(count=3, controls=[at_least(1, tags=["x", "y"])])
    certificate = certify(request, catalog, [0, 1, 2])
    items = [(item_id, title, 0.0) for item_id, title in zip(catalog.item_ids, catalog.titles, strict=True)]
    answer = Recommendation(
        items=tuple(Item(*item) for item in items), certificate=certificate, history=(), words=None
    )
    card = text(answer.render())
    for title in catalog.titles:
        assert title in card
    assert "[x, y]" in card


def test_the_card_of_a_list_that_does_not_obey_says_so(engine: Recommender) -> None:
    request = Request(count=3, controls=[only("Comedy")])
    wrong = certify(request, engine.catalog, [0, 0, 1])
    card = text(certificate_card(wrong))
    assert "certificate: NOT satisfied" in card
    assert "broken: repeat" in card
    assert "no repeats" not in card
    assert "3 to 3" in card


# Proofs, checked anew ---------------------------------------------------------------------------------


@pytest.fixture
def record(engine: Recommender, split: Split) -> dict[str, Any]:
    return json.loads(engine.recommend(history(split), REQUEST).to_json())


def checked(run_folder: Path, tmp_path: Path, content: Any) -> str:
    file = tmp_path / "answer.json"
    write_json(file, content)
    return "\n".join(verify_file(run_folder, file))


def test_true_certificates_pass(
    run_folder: Path, tmp_path: Path, engine: Recommender, split: Split, record: dict[str, Any]
) -> None:
    assert checked(run_folder, tmp_path, record) == ""
    assert checked(run_folder, tmp_path, record["certificate"]) == ""  # without its history
    assert checked(run_folder, tmp_path, [record, record["certificate"]]) == ""
    displays = engine.catalog.displays
    by_title = Request(
        count=3,
        controls=[pin(displays[7], 1)],
        candidates=[displays[i] for i in range(3, 12)],
        exclude=[displays[4]],
        allow_seen=True,
    )
    answer = engine.recommend(history(split), by_title)
    assert answer.items[0].title == displays[7]
    assert checked(run_folder, tmp_path, json.loads(answer.to_json())) == ""


def test_a_tampered_certificate_is_caught(run_folder: Path, tmp_path: Path, record: dict[str, Any]) -> None:
    record["certificate"]["controls"][0]["matched"] += 1
    assert "what it says is not true" in checked(run_folder, tmp_path, record)


def test_a_tampered_request_is_caught(run_folder: Path, tmp_path: Path, record: dict[str, Any]) -> None:
    record["certificate"]["request"]["controls"][1]["where"] = {"categories": "Comedy"}  # none of these
    found = checked(run_folder, tmp_path, record)
    assert "what it says is not true" in found
    assert "oracle: control 1" in found


def test_tampered_items_are_caught(
    run_folder: Path, tmp_path: Path, engine: Recommender, record: dict[str, Any]
) -> None:
    shown = {item["item_id"] for item in record["items"]} | set(record["history"])
    other = next(item_id for item_id in engine.catalog.item_ids if item_id not in shown)
    record["items"][0]["item_id"] = other  # what people see, not what was certified
    assert "items shown are not the ones" in checked(run_folder, tmp_path, record)


def test_an_invented_and_a_repeated_item_are_caught(
    run_folder: Path, tmp_path: Path, record: dict[str, Any]
) -> None:
    for item_id, words in (
        ("nope", "oracle: not in the catalogue"),
        (record["items"][1]["item_id"], "repeated"),
    ):
        record["items"][0]["item_id"] = item_id
        record["certificate"]["items"][0] = item_id
        found = checked(run_folder, tmp_path, record)
        assert "what it says is not true" in found
        assert words in found


def test_a_seen_item_is_caught_through_the_history(
    run_folder: Path, tmp_path: Path, record: dict[str, Any]
) -> None:
    record["history"].append(record["items"][2]["item_id"])
    found = checked(run_folder, tmp_path, record)
    assert "what it says is not true" in found
    assert f"oracle: seen: {record['items'][2]['item_id']}" in found


def test_a_true_certificate_of_failure_does_not_pass(
    run_folder: Path, tmp_path: Path, engine: Recommender
) -> None:
    wrong = certify(Request(count=2, controls=[at_least(2, "Horror")]), engine.catalog, [0, 1])
    assert "says itself that the list does not obey" in checked(
        run_folder, tmp_path, wrong.model_dump(mode="json")
    )


def test_another_catalogue_is_named(run_folder: Path, tmp_path: Path, record: dict[str, Any]) -> None:
    record["certificate"]["catalogue_sha256"] = "0" * 64
    assert "it is about another catalogue: 000000000000" in checked(run_folder, tmp_path, record)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no certificate"),
        ("3", "holds no certificate"),
        ('{"items": []}', "holds no certificate: catalogue_sha256"),
        ('{"history": "abc", "certificate": {}}', "holds no certificate"),
    ],
)
def test_files_that_hold_no_certificate(run_folder: Path, tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(SteerecError, match=message):
        verify_file(run_folder, file)


def test_a_history_that_is_no_list(run_folder: Path, tmp_path: Path, record: dict[str, Any]) -> None:
    with pytest.raises(SteerecError, match="history is a list of item ids"):
        checked(run_folder, tmp_path, {**record, "history": "i1"})
    assert checked(run_folder, tmp_path, {**record, "history": None}) == ""


# Runs and batches -------------------------------------------------------------------------------------


def test_a_run_folder_answers_as_the_engine_it_was_made_from(
    run_folder: Path, engine: Recommender, split: Split
) -> None:
    loaded = Recommender.from_pretrained(run_folder)
    assert loaded.recommend(history(split), REQUEST) == engine.recommend(history(split), REQUEST)
    assert loaded.folder == run_folder


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteerecError, match=f"is not a finished run: it has no {SERVING}. Make one with"):
        Recommender.from_pretrained(tmp_path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_lists_for_a_file_of_users(run_folder: Path, split: Split, tmp_path: Path, suffix: str) -> None:
    users = pl.DataFrame({"name": ["x", "y", "z"], "user_id": ["u3", "u1", "u3"]})
    file = tmp_path / f"users{suffix}"
    users.write_parquet(file) if suffix == ".parquet" else users.write_csv(file)
    out = tmp_path / "deep" / "lists.parquet"
    engine = Recommender.from_pretrained(run_folder)
    assert recommend_users(engine, file, REQUEST, out) == 2
    lists = pl.read_parquet(out)
    assert lists.columns == ["user_id", "rank", "item_id", "title", "score", "certificate"]
    assert lists["user_id"].to_list() == ["u3"] * 6 + ["u1"] * 6
    # From the whole stored history, the last item too, and as one by one.
    whole = split.sequences[split.users.index("u1")].tolist()
    alone = engine.answer([whole], [REQUEST])[0]
    assert lists.filter(user_id="u1")["item_id"].to_list() == [item.item_id for item in alone.items]
    proof = json.loads(lists["certificate"][0])
    assert checked(run_folder, tmp_path, proof) == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("users.csv", "user_id\nu1\nu99x\n", 'names the user "u99x", who is not in the log'),
        ("users.csv", "user_id\n", "has columns .user_id. but no rows"),
        ("users.csv", "", "is empty"),
        ("users.csv", "customer\nu1\n", "has the columns customer; it needs user_id"),
        ("users.csv", "user_id,x\nnull,1\n", "names no user"),
        ("users.parquet", "PAR1 and no more", "no readable Parquet file; it may be truncated"),
        ("users.xlsx", "u1", 'extension ".xlsx", which is not known'),
    ],
)
def test_bad_user_files_write_nothing(
    run_folder: Path, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        recommend_users(
            Recommender.from_pretrained(run_folder), tmp_path / name, None, tmp_path / "out" / "lists.parquet"
        )
    assert [path.name for path in tmp_path.rglob("*")] == [name]


def test_a_batch_that_cannot_be_written_or_satisfied(run_folder: Path, tmp_path: Path) -> None:
    engine = Recommender.from_pretrained(run_folder)
    with pytest.raises(DataError, match=r"There is no file .*absent.csv. Give a Parquet or CSV file"):
        recommend_users(engine, tmp_path / "absent.csv", None, tmp_path / "lists.parquet")
    users = tmp_path / "users.csv"
    users.write_text("user_id\nu1\nu2\n")
    with pytest.raises(DataError, match="path that ends in .parquet, not .*lists.csv"):
        recommend_users(engine, users, None, tmp_path / "lists.csv")
    with pytest.raises(InfeasibleRequest, match='For the user "u1": ') as caught:
        recommend_users(engine, users, Request(count=40), tmp_path / "lists.parquet")
    assert caught.value.relaxation.largest_count is not None
    assert [path.name for path in tmp_path.iterdir()] == ["users.csv"]


# With a language model --------------------------------------------------------------------------------


def test_a_language_model_obeys_too(split: Split, teacher: Floor) -> None:
    lm = build_tiny(split.catalog, PHRASINGS, tiny_shape(context_length=256))
    engine = Recommender(split.catalog, teacher, lm, weight=0.0, beam=4)
    answers = engine.recommend_batch([history(split, 0), []], [REQUEST, "three dramas"])
    assert [len(answer.items) for answer in answers] == [6, 3]
    assert all(answer.certificate.satisfied for answer in answers)
    # Untrained, it knows nothing; a large weight gives the teacher's list under the request.
    heavy = Recommender(split.catalog, teacher, lm, weight=1000.0, beam=48)
    request = Request(count=4, controls=[only("Comedy")])
    alone = Recommender(split.catalog, teacher).recommend(history(split), request)
    together = heavy.recommend(history(split), request)
    assert [item.item_id for item in together.items] == [item.item_id for item in alone.items]
    assert answers[0].certificate.items != alone.certificate.items


def test_when_time_is_up_the_teacher_fills_the_list_and_the_certificate_says_so(
    split: Split, teacher: Floor
) -> None:
    lm = build_tiny(split.catalog, PHRASINGS, tiny_shape(context_length=256))
    engine = Recommender(split.catalog, teacher, lm, beam=4)
    late = engine.recommend(history(split), REQUEST, budget_s=0.0)
    assert late.certificate.satisfied
    assert late.certificate.fallback_from == "language model, from position 1: its time was up"
    alone = Recommender(split.catalog, teacher).recommend(history(split), REQUEST)
    assert [item.item_id for item in late.items] == [item.item_id for item in alone.items]
    console = Console(width=160, file=io.StringIO())
    console.print(late.render())
    assert "its time was up" in console.file.getvalue()  # type: ignore[attr-defined]
    in_time = engine.recommend(history(split), REQUEST, budget_s=1000.0)
    assert in_time.certificate.fallback_from is None
