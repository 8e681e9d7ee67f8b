"""General conversation: enough of it, one's own, kept apart for validation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steerec.errors import DataError
from steerec.instruct.chat import Chat, default_chat, load_chat


def test_the_package_brings_enough_conversation_with_no_question_twice() -> None:
    pairs = default_chat().pairs
    questions = [question for part in pairs.values() for question, _ in part]
    assert len(questions) >= 150
    assert len(set(questions)) == len(questions)
    assert all(answer for part in pairs.values() for _, answer in part)


def test_sums_are_right() -> None:
    chat = Chat([("Hello.", "Hello!")], [("What is {a} plus {b}?", "{sum}")])
    rng = np.random.default_rng(0)
    found = [chat.draw(rng, "train") for _ in range(200)]
    sums = [(question, answer) for question, answer in found if question.startswith("What")]
    assert len(sums) > 10
    for question, answer in sums:
        a, b = (int(word.strip("?")) for word in question.split() if word.strip("?").isdigit())
        assert int(answer) == a + b


def test_a_line_ends_where_json_lines_end(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(
        json.dumps({"prompt": "a\u2028b", "completion": "c"}, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    assert ("a\u2028b", "c") in [pair for part in load_chat(path).pairs.values() for pair in part]


def test_validation_pairs_are_no_training_pairs() -> None:
    chat = Chat([(f"q{n}", "a") for n in range(40)])
    assert [question for question, _ in chat.pairs["valid"]] == ["q9", "q19", "q29", "q39"]
    assert not {*chat.pairs["valid"]} & {*chat.pairs["train"]}


def test_own_conversations_are_read_from_parquet_and_jsonl(tmp_path: Path) -> None:
    pl.DataFrame({"prompt": ["Hi"], "completion": ["Ho"]}).write_parquet(tmp_path / "own.parquet")
    assert load_chat(tmp_path / "own.parquet").pairs["train"] == (("Hi", "Ho"),)
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "2"},
    ]
    records = [{"messages": turns}, {"messages": turns[:2]}, {"prompt": "Hi", "completion": "Ho"}]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n\n")
    assert load_chat(tmp_path / "own.jsonl").pairs["train"] == (("Two?", "2"), ("Hi", "Ho"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.txt", "", "no conversation file"),
        ("own.jsonl", "{", "line 1 is no JSON"),
        ("own.jsonl", '{"text": "x"}', "without prompt and completion"),
        ("own.jsonl", "\n", "no question with an answer"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        load_chat(tmp_path / name)
    with pytest.raises(DataError, match="no conversation file"):
        load_chat(tmp_path / "absent.jsonl")
