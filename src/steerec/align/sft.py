"""Supervised fine-tuning on instruction rows: the model learns format, obedience and taste from labels.

The loss covers the answer; `history_loss_weight` adds the next-item loss on the history tokens of the prompt,
which with one token per item is the dense signal of SASRec (Kang and McAuley 2018, arXiv 1808.09781, eq. 7).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pydantic
import torch
from torch import Tensor, nn

from steerec.align.distillation import Distillation, SoftLabels, soft_label_loss
from steerec.align.dropout import added_dropout
from steerec.align.examples import BatchPlan, EncodedRows, encode_rows
from steerec.artifacts import write_json
from steerec.config import Config
from steerec.llm.language_model import LanguageModel
from steerec.llm.lora import LoraConfig, add_lora, merge_lora
from steerec.llm.packing import PackedBatch, pack, target_logits, weighted_loss
from steerec.loop import StepOutput, TrainingConfig, TrainingResult, train

logger = logging.getLogger("steerec")

STAGE = "sft"


class SftConfig(Config):
    """Settings of supervised fine-tuning."""

    training: TrainingConfig
    """Optimisation."""
    tokens_per_batch: pydantic.PositiveInt = 4096
    """Tokens of a micro-batch, padding not counted."""
    pack_length: pydantic.PositiveInt = 512
    """Tokens of a packed row; longer instruction rows lose their oldest history."""
    history_loss_weight: pydantic.NonNegativeFloat = 0.0
    """Weight of predicting a history token, against 1 for an answer token; 0 trains on answers only."""
    embedding_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    """Dropout on token embeddings while training."""
    residual_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    """Dropout on what every layer adds to the residual stream while training."""
    distillation: Distillation | None = None
    """Soft labels of a teacher at item positions; None: hard labels only."""
    lora: LoraConfig | None = None
    """Train low-rank adapters, merged at the end; None trains all weights."""


class _Batch(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True, frozen=True)

    packed: PackedBatch
    soft: SoftLabels | None
