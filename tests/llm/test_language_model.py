"""Prompts: what stands in them, what is left out, what is refused; folders give back the same model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from steerec.errors import RequestError, SourceError
from steerec.llm.language_model import LanguageModel
from tiny_shelf import tiny

WORDS = "Recommend 3 films."


def test_an_atomic_prompt_is_frame_history_words_frame() -> None:
    lm = tiny()
    prompt = lm.encode_prompt([4, 1], WORDS, 3)
    words = WORDS.replace(" 3", "<|3|>")  # a number of places is the token of that place
    assert lm.tokenizer.decode(prompt) == f"<|user|><|item:4|><|item:1|>{words}<|assistant|>"
    plain = dataclasses.replace(lm, reads_numbers=False)
    assert lm.tokenizer.decode(plain.encode_prompt([], WORDS, 3)) == f"<|user|>{WORDS}<|assistant|>"


def test_a_title_prompt_is_readable() -> None:
    lm = tiny(identifier="title")
    prompt = lm.encode_prompt([0, 4], WORDS, 1)
    history = "My history, oldest first:\n- The Usual Suspects\n- Été à Óbidos\n\n"
    expected = f"<|user|>{history}Recommend 3 films.<|assistant|>"
    assert lm.tokenizer.decode(prompt) == expected
    assert lm.tokenizer.decode(lm.encode_prompt([], WORDS, 1)) == f"<|user|>{WORDS}<|assistant|>"


def test_an_answer_ends_with_the_end_token() -> None:
    assert tiny().tokenizer.decode(tiny().encode_answer([3])) == "<|1|><|item:3|><|end|>"
    title = tiny(identifier="title")
    assert title.tokenizer.decode(title.encode_answer([4, 7])) == "1. Été à Óbidos\n2. M\n<|end|>"


def test_quoted_names_are_items_of_atomic_models_only() -> None:
    lm = tiny()
    heat = lm.identifier.spell(3)[0][0]
    assert heat in lm.encode_prompt([], "Only 'Heat (1995)'.", 1)
    assert "Heat" in lm.tokenizer.decode(tiny(identifier="title").encode_prompt([], "Only 'Heat (1995)'.", 1))


@pytest.mark.parametrize("identifier", ["atomic", "title"])
def test_the_oldest_history_makes_room(identifier: str) -> None:
    lm = tiny(identifier=identifier, context_length=120)
    history = [0, 1, 2, 3, 4, 5, 6, 7] * 20
    prompt = lm.encode_prompt(history, WORDS, 3)
    assert len(prompt) + lm.answer_length(3) <= lm.context_length
    words = len(lm.encode_prompt([], WORDS, 3))
    start = len(lm.frame.opening) if identifier == "atomic" else None
    longer = lm.encode_prompt(history, WORDS, 4)
    assert words < len(longer) <= len(prompt)
    if start is not None:
        shown = [
            token - lm.identifier.spell(0)[0][0] for token in prompt[start : start + len(prompt) - words]
        ]
        assert shown == history[-len(shown) :]
        assert len(prompt) + lm.answer_length(3) == lm.context_length


def test_no_more_than_max_history_is_shown() -> None:
    lm = tiny(max_history=2)
    assert lm.encode_prompt([5, 4, 3], WORDS, 1) == lm.encode_prompt([4, 3], WORDS, 1)
    assert tiny(max_history=0).encode_prompt([5, 4, 3], WORDS, 1) == lm.encode_prompt([], WORDS, 1)


def test_a_list_that_cannot_fit_is_refused_with_the_largest_that_can() -> None:
    lm = tiny(context_length=64)
    words = len(lm.encode_prompt([], WORDS, 1))
    largest = (64 - words - 1) // 2
    assert len(lm.encode_prompt([1, 2], WORDS, largest)) >= words
    with pytest.raises(RequestError, match=rf"largest count that fits with this request is {largest}\b"):
        lm.encode_prompt([1, 2], WORDS, largest + 1)


@pytest.mark.parametrize("changes", [{}, {"identifier": "title"}, {"copy_dim": 0}])
def test_a_saved_model_is_the_same_model(tmp_path: Path, changes: dict[str, object]) -> None:
    lm = tiny(**changes)
    lm.save_pretrained(tmp_path)
    again = LanguageModel.from_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert not list(tmp_path.glob("*.bin"))
    prompt = lm.encode_prompt([4, 1, 2], "Only 'Heat (1995)' or 8½.", 2)
    assert again.encode_prompt([4, 1, 2], "Only 'Heat (1995)' or 8½.", 2) == prompt
    assert again.encode_answer([1, 2]) == lm.encode_answer([1, 2])
    with torch.no_grad():
        tokens = torch.tensor([prompt])
        assert torch.equal(again.model(input_ids=tokens).logits, lm.model(input_ids=tokens).logits)
    assert (again.name, again.max_history, again.context_length) == ("tiny", 400, 96)


def test_a_folder_without_a_language_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"language_model\.json is missing"):
        LanguageModel.from_pretrained(tmp_path)


def test_other_weights_keep_everything_else() -> None:
    lm = tiny(copy_dim=0)
    other = LlamaForCausalLM(lm.model.config)
    swapped = lm.with_model(other)
    assert swapped.model is other
    assert swapped.encode_prompt([1], WORDS, 1) == lm.encode_prompt([1], WORDS, 1)
