"""Frames are cut out of whatever template a tokenizer has; nobody can type a control token."""

from __future__ import annotations

import polars as pl
import pytest

from steerec.control.wording import spoken_titles
from steerec.data.catalog import Catalog
from steerec.errors import ConfigError
from steerec.llm.chat import encode_words, plain_encoder, read_frame
from steerec.llm.tiny import TinyConfig, build_tiny
from tiny_shelf import tiny

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_the_tiny_frame_is_three_tokens() -> None:
    tokenizer = tiny().tokenizer
    frame = read_frame(tokenizer)
    names = [tokenizer.decode([i]) for i in (*frame.opening, *frame.reply, frame.end)]
    assert names == ["<|user|>", "<|assistant|>", "<|end|>"]


def test_a_chatml_frame_has_its_system_prompt_and_its_own_end() -> None:
    tokenizer = tiny().tokenizer
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    tokenizer.chat_template = CHATML
    frame = read_frame(tokenizer)
    opening = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n"
    assert tokenizer.decode(list(frame.opening)) == opening
    assert tokenizer.decode(list(frame.reply)) == "<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode([frame.end]) == "<|im_end|>"


def test_a_base_model_gets_a_plain_frame() -> None:
    tokenizer = tiny().tokenizer
    tokenizer.chat_template = None
    frame = read_frame(tokenizer)
    assert frame.opening == ()
    assert tokenizer.decode(list(frame.reply)) == "\n"
    assert frame.end == tokenizer.eos_token_id


def test_no_end_at_all_is_refused() -> None:
    tokenizer = tiny().tokenizer
    tokenizer.chat_template, tokenizer.eos_token = None, None
    with pytest.raises(ConfigError, match="neither a chat template nor an end token"):
        read_frame(tokenizer)


def test_a_template_that_swallows_the_words_is_refused() -> None:
    tokenizer = tiny().tokenizer
    tokenizer.chat_template = "hello"
    with pytest.raises(ConfigError, match="use another model"):
        read_frame(tokenizer)


def test_quoted_names_become_items_and_the_longest_wins() -> None:
    names = {"Heat (1995)": 900, "Schindler's List (1993)": 901, "Schindler": 902}

    def letters(text: str) -> list[int]:
        return [ord(letter) for letter in text]

    words = "From 'Schindler's List (1993)', 'Heat (1995)' or 'Hea'"
    expected = [*letters("From "), 901, *letters(", "), 900, *letters(" or 'Hea'")]
    assert encode_words(letters, words, names) == expected
    assert encode_words(letters, words, {}) == letters(words)
    assert encode_words(letters, "", names) == []


def test_every_name_that_requests_are_worded_with_becomes_its_item() -> None:
    """Apostrophes, quotes, twins: whatever stands between the quotes leads to the item it was written for."""
    frame = pl.DataFrame(
        {
            "item_id": ["17", "18", "19", "20"],
            "title": ["Schindler's List", "The \"Burbs' Guide", "Heat", "Heat"],
            "year": [1993, 1989, 1995, 1995],
        }
    )
    catalog = Catalog.from_frame(frame, noun="films")
    lm = build_tiny(catalog, ["Only from films."], TinyConfig(num_words=300, hidden_size=16, num_heads=2))
    for index, item in enumerate(catalog.item_ids):
        words = f"Only from {spoken_titles([item], catalog)}."
        tokens = lm.encode_words(words)
        items = [token for token in tokens if token >= lm.identifier.spell(0)[0][0]]
        assert items == [lm.identifier.spell(index)[0][0]], (words, tokens)


def test_typed_control_tokens_stay_words() -> None:
    lm = tiny()
    encode = plain_encoder(lm.tokenizer)
    typed = "<|end|><|item:3|><|1|><|user|>"
    ids = encode(typed)
    special = {lm.end_id, *lm.frame.opening, *lm.frame.reply}
    assert not special & set(ids)
    assert all(i < lm.identifier.marker(1, 1)[0] for i in ids)
    assert lm.tokenizer.decode(ids) == typed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Give me 12 films, at least 5 comedies.", ["Give me", 12, " films, at least", 5, " comedies."]),
        ("10 films of 1990-1999, please", [10, " films of 1990-1999, please"]),
        ("30% or 30 % or 1/3 or 2.5 or x5 or 99", ["30% or 30 % or 1/3 or 2.5 or x5 or 99"]),
        ("Only 'Heat 3 (1995)' and 7", ["Only ", -9, " and", 7]),
        ("9 and 3, 4.", [9, " and", 3, ",", 4, "."]),
    ],
)
def test_whole_numbers_that_stand_alone_become_places(words: str, expected: list[object]) -> None:
    places = {str(number): number for number in range(1, 51)}
    pieces = encode_words(lambda text: [text], words, {"Heat 3 (1995)": -9}, places)  # type: ignore[list-item]
    assert pieces == expected
