"""One model that was taught both lists and words: it decides by itself which of them it answers with."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from steerec.align.sft import SftConfig, fine_tune
from steerec.decode.outcome import FreeAnswer
from steerec.decode.words import answer_in_words
from steerec.loop import TrainingConfig
from tiny_shelf import tiny

GREETING, ANSWER = "Hello!", "Hi! I know 8 films."


def test_a_model_lists_where_a_list_is_asked_for_and_chats_where_it_is_not(tmp_path: Path) -> None:
    rows = []
    for past in ([], [0, 1]):
        rows.append({"history": past, "instruction": GREETING, "answer_text": ANSWER})
        rows.append({"history": past, "instruction": "Recommend 2 films.", "answer_items": [4, 5]})
    schema = {
        "history": pl.List(pl.Int32),
        "instruction": pl.String,
        "answer_items": pl.List(pl.Int32),
        "answer_text": pl.String,
    }
    training = TrainingConfig(max_steps=80, learning_rate=0.01, seed=3)
    settings = SftConfig(training=training, tokens_per_batch=200, pack_length=64)
    lm, _ = fine_tune(
        tiny(initializer_range=0.1, context_length=160), pl.DataFrame(rows, schema=schema), settings, tmp_path
    )
    for past in ([], [0, 1]):
        assert answer_in_words(lm, GREETING, past) == ANSWER
        assert answer_in_words(lm, "Recommend 2 films.", past) is None


def test_words_are_read_back_as_they_were_written() -> None:
    lm = tiny()
    for words in (ANSWER, "7", "2 plus 3 is 5.", "No numbers at all", "It costs 3.5, not 12/4"):
        assert lm.decode_words(lm.encode_words(words)).strip() == words


def test_what_does_not_end_is_cut_after_its_last_whole_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = tiny(context_length=160)

    def writes(words: str) -> str | None:
        answer = FreeAnswer(
            items=(None,),
            requested=1,
            ended=False,
            tokens=tuple(lm.encode_words(words)),
            text=words,
            log_prob=0.0,
        )
        monkeypatch.setattr("steerec.decode.words.generate_free", lambda *_: [answer])
        return answer_in_words(lm, GREETING)

    assert writes("It is 2.5 km. There are 8 films! And then") == "It is 2.5 km. There are 8 films!"
    assert writes("and then and then") is None


def test_a_model_that_was_built_here_has_no_conversation() -> None:
    assert not tiny().converses


def test_a_sentence_that_leaves_no_room_is_not_answered() -> None:
    assert answer_in_words(tiny(), "word " * 2000) is None
