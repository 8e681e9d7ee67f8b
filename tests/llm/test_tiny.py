"""Building the tiny model: its vocabulary spells everything, its items start from vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steerec.data.source import load_source
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.tiny import build_tiny, build_tokenizer, project_vectors
from tiny_shelf import shelf, tiny, tiny_shape

TOKENIZER = build_tokenizer(["Recommend 10 films, please."] * 3, tiny_shape())


@given(st.text(max_size=40))
def test_any_text_comes_back(text: str) -> None:
    ids = TOKENIZER.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert TOKENIZER.decode(ids) == text


def test_every_title_of_ml_100k_comes_back(data_dir: Path) -> None:
    catalog = load_source("folder", path=data_dir / "ml-100k").catalog
    lm = build_tiny(catalog, (), tiny_shape(identifier="title", num_words=2000))
    texts = lm.identifier.to_dict()["texts"]
    assert len(set(texts)) == len(texts) == len(catalog)
    for item, text in enumerate(texts):
        assert lm.tokenizer.decode(list(lm.identifier.spell(item)[0])) == f" {text}"
        assert lm.identifier.parse(lm.identifier.answer([item]), lm.tokenizer.decode) == [item]


def test_items_and_slots_are_one_token_each_and_named() -> None:
    lm = tiny()
    assert isinstance(lm.identifier, AtomicIdentifier)
    assert lm.tokenizer.decode(lm.identifier.answer([3, 0])) == "<|2|><|item:3|><|1|><|item:0|>"
    assert lm.vocab_size == 300 + 5 + 8 == len(lm.tokenizer)


def test_equal_seeds_build_equal_models() -> None:
    a, b, c = tiny().model.state_dict(), tiny().model.state_dict(), tiny(seed=1).model.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_building_leaves_the_callers_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny()
    assert torch.equal(torch.rand(3), expected)


def test_projection_by_hand() -> None:
    # One table on a line: its only component is the line itself, scaled to the wanted deviation.
    line = np.array([[1.0, 1.0], [3.0, 3.0], [5.0, 5.0]], np.float32)
    projected = project_vectors([line], 1, 0.1)
    assert projected.shape == (3, 1)
    np.testing.assert_allclose(np.abs(projected[:, 0]), np.array([1, 0, 1]) * 0.1 * np.sqrt(1.5), atol=1e-6)
    assert projected[0, 0] == -projected[2, 0]


def test_projection_keeps_the_angles_of_tables_and_ignores_their_units() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 3)).astype(np.float32), rng.normal(size=(9, 4)).astype(np.float32)
    wide = project_vectors([a, b], 20, 0.02)
    assert wide.shape == (9, 20)
    assert np.all(wide[:, 7:] == 0)
    np.testing.assert_allclose(wide, project_vectors([a * 1000, b], 20, 0.02), atol=1e-6)
    assert wide.std() == pytest.approx(0.02, rel=1e-4)


def test_item_embeddings_start_from_vectors_and_words_do_not() -> None:
    vectors = np.eye(8, dtype=np.float32)
    lm = build_tiny(shelf(), (), tiny_shape(), item_vectors=[vectors])
    table = lm.model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(table[305:], project_vectors([vectors], 16, 0.1))
    plain = tiny().model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(table[:305], plain[:305])
