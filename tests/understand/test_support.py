"""Values that nothing in a sentence can mean are not believed: their words stay unplaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_reader import TinyEncoder, shelf, small_config

from steerec.understand import model_reader
from steerec.understand.lines.line_form import END, Token, read_tokens
from steerec.understand.model.batches import TextVectors
from steerec.understand.model.form_search import Form
from steerec.understand.model.support import LEAST, Support, telling_pieces
from steerec.understand.model.training import build_network
from steerec.understand.model_reader import ModelReader

WIDTH = 32
KNOWN = {"horror": 0, "scary": 0, "drama": 1, "comedy": 2, "eerie": 0}
"""Words and where they point; all others point nowhere."""


def embed(texts: Sequence[str]) -> Any:
    vectors = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            if word in KNOWN:
                vectors[row, KNOWN[word]] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@pytest.mark.parametrize(
    ("sentence", "pieces"),
    [
        ("something quantum please", ["quantum"]),
        ("no gangster sagas", ["gangster", "gangster sagas", "sagas"]),
        ("ten films, 5 of them new", []),
    ],
)
def test_plain_words_of_asking_tell_nothing(sentence: str, pieces: list[str]) -> None:
    assert [piece.text for piece in telling_pieces(sentence)] == pieces
    assert all(sentence[piece.start : piece.end] == piece.text for piece in telling_pieces(sentence))


def test_a_value_has_support_by_a_name_of_it_or_by_what_is_near() -> None:
    support = Support(TextVectors(embed))
    # the phrasebook calls Horror "scary"; "eerie" is near to its name; "zxcvb" is near to nothing
    assert support.unsupported(["Horror"], "something scary") == set()
    assert support.unsupported(["War"], "anything on battlefields") == set()
    assert support.unsupported(["Horror"], "eerie ones please") == set()
    assert support.unsupported(["Horror", "Drama"], "five eerie zxcvb movies") == {"Drama"}
    assert support.unsupported(["Horror"], "something plain") == {"Horror"}
    assert 0 < LEAST < 1


def test_words_that_mean_none_of_the_values_are_returned_as_written() -> None:
    support = Support(TextVectors(embed))
    assert support.unmeant(["Horror"], "eerie Zxcvb and blorpy", []) == ["Zxcvb", "blorpy"]
    assert support.unmeant([], "eerie Zxcvb and blorpy", [(6, 11)]) == ["eerie", "blorpy"]


LINES = [
    ("something zxcvb please", 'only categories="Horror"', 10, 0, ["zxcvb"]),
    ("something scary please", 'only categories="Horror"', 10, 1, []),
    (
        "five zxcvb films, three dramas",
        'count 5 only categories="War" at_least 3 categories="Drama"',
        5,
        1,
        ["zxcvb"],
    ),
    # the count that added up what is not believed is still what was said
    ("five zxcvb films", 'count sum exactly 5 categories="War"', 5, 0, ["zxcvb"]),
    ("scary or zxcvb", 'only categories="Horror" or categories="War"', 10, 0, ["scary", "zxcvb"]),
]


@pytest.mark.parametrize(("sentence", "lines", "count", "controls", "unplaced"), LINES)
def test_a_line_about_nothing_is_not_believed(
    sentence: str,
    lines: str,
    count: int,
    controls: int,
    unplaced: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = TinyEncoder(tmp_path / "encoder")
    network = build_network(encoder.folder, small_config(1).network)
    reader = ModelReader(network, encoder.folder / "tokenizer.json", shelf(), embed)
    tokens: tuple[Token, ...] = (*read_tokens(lines), END)
    monkeypatch.setattr(model_reader, "write_form", lambda *args, **options: Form(tokens, 0.0, 1.0))
    reading = reader.reading(sentence)
    assert reading.request.count == count
    assert len(reading.request.controls) == controls
    assert reading.unplaced == unplaced
