"""Building or loading the language model that a configuration names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
import pydantic
from numpy.typing import NDArray

from steerec.data.catalog import Catalog
from steerec.llm.language_model import LanguageModel
from steerec.llm.pretrained import PretrainedConfig, load_pretrained
from steerec.llm.smollm2 import SmolLM2Config, load_smollm2
from steerec.llm.tiny import TinyConfig, build_tiny

LanguageModelConfig = Annotated[
    TinyConfig | SmolLM2Config | PretrainedConfig, pydantic.Field(discriminator="kind")
]
"""Any language model: `kind` says which family."""


def build_language_model(
    config: TinyConfig | SmolLM2Config | PretrainedConfig,
    catalog: Catalog,
    *,
    phrasings: Iterable[str] = (),
    item_vectors: Sequence[NDArray[np.float32]] = (),
) -> LanguageModel:
    """Return the language model before any fine-tuning.

    Args:
        config: which one.
        catalog: N items.
        phrasings: sentences for the vocabulary of a model that is built here.
        item_vectors: tables (N, any width) that item tokens of a model built here start from.
    """
    if isinstance(config, TinyConfig):
        return build_tiny(catalog, phrasings, config, item_vectors=item_vectors)
    if isinstance(config, SmolLM2Config):
        return load_smollm2(catalog, config)
    return load_pretrained(catalog, config)
