"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) through peft: put on for training, merged after it."""

from __future__ import annotations

from typing import cast

import pydantic
from torch import nn
from transformers import PreTrainedModel

from steerec.config import Config
from steerec.errors import ConfigError


class LoraConfig(Config):
    """Shape of the adapters, which sit on every linear layer but the output head."""

    r: pydantic.PositiveInt = 16
    """Rank."""
    alpha: pydantic.PositiveFloat = 32.0
    """Scale: the product of the two matrices is multiplied by alpha / r."""
    dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    """Dropout on what enters an adapter."""


def add_lora(model: PreTrainedModel, config: LoraConfig, *, train_embeddings: bool = False) -> nn.Module:
    """Wrap a model so that only its adapters train.

    Args:
        model: a Hugging Face causal model.
        config: shape of the adapters.
        train_embeddings: train the token embeddings in full too, for tokens that were added.

    Raises:
        ConfigError: peft is not installed.
    """
    try:
        from peft import LoraConfig as PeftConfig
        from peft import get_peft_model
    except ImportError:
        raise ConfigError('LoRA needs peft: pip install "steerec[llm]", or set lora to None.') from None
    settings = PeftConfig(
        r=config.r,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    wrapped = get_peft_model(model, settings)
    if train_embeddings:
        wrapped.get_input_embeddings().weight.requires_grad_(True)
    return cast(nn.Module, wrapped)


def merge_lora(model: nn.Module) -> PreTrainedModel:
    """Fold the adapters into the weights and return the plain model."""
    merged = model.merge_and_unload()  # type: ignore[operator]
    for parameter in merged.parameters():
        parameter.requires_grad_(True)
    return cast(PreTrainedModel, merged)
