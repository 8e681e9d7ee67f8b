"""The model reader: valid without training, the same twice and after saving; training resumes exactly."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_reader import TinyEncoder, embed, shelf, small_config

from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.data.synthetic import make_world
from steerec.errors import DataError, RequestError
from steerec.seeding import numpy_rng
from steerec.understand.hybrid import HybridReader
from steerec.understand.keyword import KeywordReader
from steerec.understand.lines.choices import KEYWORDS
from steerec.understand.lines.form import left_out
from steerec.understand.lines.line_form import END
from steerec.understand.lines.schema import Schema
from steerec.understand.model import training
from steerec.understand.model.batches import TextVectors, places_of
from steerec.understand.model.drawing import write_example
from steerec.understand.model.form_search import LEFT_OUT, write_form
from steerec.understand.model.misspelling import misspell, slip
from steerec.understand.model.phrasebook import LANGUAGES, lexicon, load, templates
from steerec.understand.model.training import build_network, load_network, save_reader, train_reader
from steerec.understand.model.worlds import make_worlds, world_of
from steerec.understand.model_reader import ModelReader
from steerec.understand.reading import Reading

SHELF = shelf()
SENTENCES = (
    "ten comedies from the 90s, no horror, like 'Fargo', with subtitles",
    "half dramas and 3 films by Orion",
    "",
    "quatre comédies",
    "?!",
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TinyEncoder:
    return TinyEncoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def untrained(encoder: TinyEncoder) -> ModelReader:
    torch.manual_seed(1)
    network = build_network(encoder.folder, small_config(1).network)
    return ModelReader(network, encoder.folder / "tokenizer.json", SHELF, embed)


def reading_of(reader: ModelReader, text: str) -> Reading | None:
    with contextlib.suppress(RequestError):
        return reader.reading(text, count=4)
    return None


@given(text=st.one_of(st.sampled_from(SENTENCES), st.text(max_size=60)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_even_an_untrained_reader_returns_a_valid_request(untrained: ModelReader, text: str) -> None:
    reading = reading_of(untrained, text)
    if reading is None:  # a count out of range that the text itself writes
        return
    compile_request(reading.request, SHELF)
    assert Request.from_json(reading.request.to_json()) == reading.request
    assert untrained.reading(text, count=4) == reading


def test_nothing_that_is_spelled_gets_lost(untrained: ModelReader) -> None:
    reading = untrained.reading("blorp 1994 and 'Heat'")
    said = reading.request.to_json() + json.dumps(reading.unplaced)
    assert "1994" in said
    assert "Heat" in said


def test_a_wider_beam_finds_forms_that_are_at_least_as_likely(untrained: ModelReader) -> None:
    offer = untrained._offer("ten comedies, no horror")
    parts = (untrained._network, untrained._batcher, untrained.schema, offer)
    greedy = write_form(*parts, beam=1)
    assert write_form(*parts, beam=1) == greedy
    wide = write_form(*parts, beam=8)
    missing = [LEFT_OUT * len(left_out(form.tokens, offer)) for form in (greedy, wide)]
    assert wide.log_probability - missing[1] >= greedy.log_probability - missing[0]
    assert 0 < greedy.least <= 1


def test_a_long_text_is_refused_and_what_is_not_read_stays_unplaced(untrained: ModelReader) -> None:
    with pytest.raises(RequestError, match="20,000"):
        untrained.reading("x" * 20_001)
    reading = untrained.reading("dramas " * 59 + "and the tail")
    assert any("tail" in words for words in reading.unplaced)


def test_values_are_offered_by_nearness_where_there_are_many(encoder: TinyEncoder) -> None:
    wide = pl.Series("categories", [[f"Kind {12 * j + i}" for j in range(5)] for i in range(12)])
    catalog = Catalog.from_frame(SHELF.frame.with_columns(wide), noun="films")
    network = build_network(encoder.folder, small_config(1).network)
    reader = ModelReader(network, encoder.folder / "tokenizer.json", catalog, embed)
    offered = [c.token.value for c in reader._offer("blorp").choices if c.token.kind == "value"]
    assert len(offered) == 20
    named = [c.token.value for c in reader._offer("kind 37").choices if c.token.kind == "value"]
    assert ("categories", "Kind 37") in named


def test_saved_and_loaded_it_reads_the_same(
    encoder: TinyEncoder, untrained: ModelReader, tmp_path: Path
) -> None:
    save_reader(untrained._network, encoder.folder / "tokenizer.json", tmp_path / "model")
    network, tokenizer = load_network(tmp_path / "model")
    again = ModelReader(network, tokenizer, SHELF, embed)
    for text in SENTENCES:
        assert again.scored(text) == untrained.scored(text)
    assert not list(tmp_path.rglob("*.pt")) + list(tmp_path.rglob("*.bin"))
    with pytest.raises(DataError, match=r"holds no reader.*steerec run reader"):
        load_network(tmp_path)


class StoppedError(Exception):
    """The process was killed."""


def test_a_training_that_was_stopped_goes_on_exactly(
    encoder: TinyEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_reader(small_config(4), [SHELF], tmp_path / "whole", encoder=encoder)  # type: ignore[arg-type]
    config = small_config(4, save_steps=2)
    plain = training._Drawer.batch

    def until_third(self: training._Drawer, step: int, micro: int) -> object:
        if step == 3:
            raise StoppedError
        return plain(self, step, micro)

    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(training._Drawer, "batch", until_third)
        train_reader(config, [SHELF], tmp_path / "parts", encoder=encoder)  # type: ignore[arg-type]
    parts = train_reader(config, [SHELF], tmp_path / "parts", encoder=encoder)  # type: ignore[arg-type]
    assert (whole.steps, parts.steps) == (4, 4)
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss(encoder: TinyEncoder, tmp_path: Path) -> None:
    config = small_config(30)
    config = config.replace(training=config.training.replace(learning_rate=3e-3))
    losses = [line["reader/loss"] for line in train_reader(config, [SHELF], tmp_path, encoder=encoder).history  # type: ignore[arg-type]
              if "reader/loss" in line]  # fmt: skip
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])


def test_examples_are_right_by_construction_and_repeat() -> None:
    vectors = TextVectors(embed)
    catalog = make_world(20, 60).catalog
    worlds = [*make_worlds(vectors, 0, 1), world_of(Schema.of(catalog), catalog.displays, vectors, 5.0)]
    for number in range(120):
        world, written = write_example(worlds, 3, number)
        tokens = [*KEYWORDS, *(choice.token for choice in written.offer.choices)]
        assert tokens[written.places[-1]] == END
        again = write_example(worlds, 3, number)[1]
        assert (again.offer.sentence, again.places) == (written.offer.sentence, written.places)
        assert places_of([tokens[place] for place in written.places], written.offer) == written.places
        assert len(written.offer.choices) < 150
        assert world.schema.values


def test_the_phrasebook_is_whole() -> None:
    english = templates("en")
    for language in LANGUAGES[1:]:
        kinds = set(templates(language)) - {"decade", "since", "before", "after", "between"}
        assert kinds <= set(english), kinds - set(english)
        assert {"and", "or", "noun", "words", "shares"} <= set(load(language))
    assert sum(map(len, english.values())) > 1000
    assert len(lexicon()) > 150


def test_slips_keep_words_recognisable() -> None:
    rng = numpy_rng(0, "slips")
    for _ in range(50):
        assert abs(len(slip("comedies", rng)) - 8) <= 1
        assert "\ue800" in misspell("ten \ue800with subtitles\ue801", rng)


PLAIN = Reading(Request(count=3), [], True)
OTHER = Reading(Request(count=4), [], True)


class _Fixed:
    def __init__(self, reading: Reading | None, least: float = 0.0) -> None:
        self._reading, self._least = reading, least

    def reading(self, sentence: str, *, count: int = 10) -> Reading:
        if self._reading is None:
            raise RequestError("asks for 0")
        return self._reading

    def scored(self, sentence: str, *, count: int = 10) -> SimpleNamespace:
        return SimpleNamespace(
            reading=self.reading(sentence, count=count), form=SimpleNamespace(least=self._least)
        )


@pytest.mark.parametrize(
    ("plain", "least", "chosen"),
    [
        (PLAIN, 0.9, OTHER),
        (PLAIN, 0.1, PLAIN),
        (PLAIN._replace(unplaced=["blorp"]), 0.1, OTHER),
        (Reading(Request(), [], False), 0.1, OTHER),
        (None, 0.1, OTHER),
    ],
)
def test_the_floor_is_believed_where_the_model_doubts(
    plain: Reading | None, least: float, chosen: Reading
) -> None:
    hybrid = HybridReader(_Fixed(plain), _Fixed(OTHER, least), doubt=0.5)  # type: ignore[arg-type]
    assert hybrid.reading("ten films") == chosen
    assert hybrid.read("ten films") == (chosen.request, chosen.unplaced)


def test_both_readers_may_refuse_but_one_alone_may_not() -> None:
    with pytest.raises(RequestError):
        HybridReader(_Fixed(None), _Fixed(None)).reading("0 films")  # type: ignore[arg-type]
    assert HybridReader(_Fixed(PLAIN), _Fixed(None)).reading("3 films") == PLAIN  # type: ignore[arg-type]


def test_the_hybrid_reads_with_real_readers(untrained: ModelReader) -> None:
    hybrid = HybridReader(KeywordReader(SHELF), untrained, doubt=1.0)
    assert hybrid.reading("three dramas").request.count == 3


def test_in_a_conversation_the_floor_is_believed_where_it_knows_all_words() -> None:
    known, nothing = Reading(Request(), [], False), Reading(Request(), ["qwertz"], False)
    for sure in (0.2, 1.0):
        turns = HybridReader(_Fixed(known), _Fixed(OTHER, sure), doubt=0.5).for_turns  # type: ignore[arg-type]
        assert turns.reading("hello there") == known
    alone = HybridReader(_Fixed(nothing), _Fixed(OTHER, 0.9)).for_turns  # type: ignore[arg-type]
    assert alone.reading("qwertz") == OTHER


def test_what_neither_reader_can_place_is_not_dropped() -> None:
    plain, silent = Reading(Request(), ["qwertz", "zuiop"], False), Reading(Request(), ["zuiop"], False)
    hybrid = HybridReader(_Fixed(plain), _Fixed(silent, 0.9))  # type: ignore[arg-type]
    assert hybrid.reading("zuiop qwertz").unplaced == ["zuiop", "qwertz"]
