"""Supervised fine-tuning on instruction rows: the model learns format, obedience and taste from labels.

The loss covers the answer. `history_loss_weight` adds the next-item loss on the history tokens of the prompt:
with one token per item that is the dense signal of SASRec (Kang and McAuley 2018, arXiv 1808.09781).
"""

from __future__ import annotations

import json
import logging
import textwrap
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steerec.align.beginnings import Beginnings
from steerec.align.distillation import DistillationConfig, Teaching, open_items, soft_labels
from steerec.align.dropout import added_dropout
from steerec.align.examples import BatchPlan, EncodedRows, encode_rows
from steerec.artifacts import atomic_path
from steerec.config import Config
from steerec.errors import ConfigError, DataError
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.cross_entropy import SoftTargets, cross_entropies
from steerec.llm.language_model import LanguageModel
from steerec.llm.lora import LoraConfig, add_lora, merge_lora
from steerec.llm.packing import PackedBatch, pack, target_logits
from steerec.loop import CHECKPOINT, StepOutput, TrainingConfig, TrainingResult, train
from steerec.processes import is_first
from steerec.seeding import numpy_rng

logger = logging.getLogger("steerec")

STAGE = "sft"
_SHOWN = 140

Evaluate = Callable[[LanguageModel], dict[str, float]]
Sample = Callable[[LanguageModel], list[str]]
Selected = Literal["ndcg@10", "control_satisfaction@k"]
"""Validation metrics of constrained and of free lists whose best weights can be kept."""


class SftConfig(Config):
    """Settings of supervised fine-tuning."""

    kind: Literal["sft"] = "sft"
    """Which way of training this configures."""
    training: TrainingConfig
    """Optimisation."""
    tokens_per_batch: pydantic.PositiveInt = 4096
    """Tokens of a micro-batch at most, padding not counted."""
    pack_length: pydantic.PositiveInt = 512
    """Tokens of a packed row at most; longer instruction rows lose their oldest history."""
    history_loss_weight: pydantic.NonNegativeFloat = 0.0
    """Weight of predicting a history token, against 1 for an answer token; 0 trains on answers only."""
    embedding_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    """Dropout on token embeddings while training."""
    residual_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    """Dropout on what every layer adds to the residual stream while training."""
    distillation: DistillationConfig | None = None
    """Soft labels of a teacher where a request leaves the same items open everywhere; None: none."""
    beginnings_share: float = pydantic.Field(0.0, ge=0, lt=1)
    """Share of lists that are read as the beginning of a longer one, so that numbers are learned that no row
    asks for (one token per item only; see `align.beginnings`)."""
    lora: LoraConfig | None = None
    """Train low-rank adapters, merged at the end; None trains all weights."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the instruction rows that are learned; None: all. What follows fine-tuning may ask others."""


def _of_tasks(rows: pl.DataFrame, tasks: tuple[str, ...] | None) -> pl.DataFrame:
    """Return the rows whose task is among some; None: all."""
    if tasks is None:
        return rows
    found = rows.filter(pl.col("task").is_in(tasks))
    if not len(found):
        there = ", ".join(sorted(rows["task"].unique()))
        raise DataError(
            f"No instruction row is of the tasks {', '.join(tasks)}. Tasks that rows have: {there}."
        )
    return found


@dataclass(frozen=True, kw_only=True)
class SftBatch:
    """One micro-batch: packed rows, and soft labels where there are any."""

    packed: PackedBatch
    soft_places: Tensor
    """(M,) flat indices into the packed (B, T) tokens of items with soft labels."""
    soft_labels: Tensor
    """(M, N)."""


class SftBatches:
    """`(step, micro) -> SftBatch`, a pure function of its arguments."""

    def __init__(
        self, lm: LanguageModel, rows: pl.DataFrame, config: SftConfig, teacher: Teaching | None = None
    ) -> None:
        """Encode the rows once.

        Args:
            lm: spelling and prompt layout.
            rows: instruction rows, see `examples.encode_rows`; distillation also reads `request` and `user`.
            config: settings.
            teacher: whose soft labels are learned; needed by distillation only.

        Raises:
            ConfigError: distillation without a teacher, or with items that are not one token each.
            DataError: no row is of the tasks.
        """
        rows = _of_tasks(rows, config.tasks)
        self.config, self.teacher, self.rows = config, teacher, rows
        self.encoded: EncodedRows = encode_rows(lm, rows, max_tokens=config.pack_length)
        budget, seed = config.tokens_per_batch, config.training.seed
        self.plan = BatchPlan(lengths=self.encoded.lengths.tolist(), tokens_per_batch=budget, seed=seed)
        self.num_items, self.device = lm.identifier.num_items, next(lm.model.parameters()).device
        self.beginnings = Beginnings.of(lm, config.beginnings_share)
        if config.distillation is None:
            return
        if teacher is None or not isinstance(lm.identifier, AtomicIdentifier):
            raise ConfigError(
                f"Distillation needs a teacher and one token per item; got teacher {teacher!r} and "
                f'{lm.identifier.name} spelling. Set distillation to null or use the "atomic" identifier.'
            )

    def __call__(self, step: int, micro: int) -> SftBatch:
        """Return micro-batch `micro` of an optimiser step."""
        number = step * self.config.training.gradient_accumulation_steps + micro
        chosen = self.plan[number]
        weight = self.config.history_loss_weight
        examples = [self.encoded.example(int(row), weight) for row in chosen]
        if self.beginnings is not None:
            rng = numpy_rng(self.config.training.seed, "beginnings", number)
            starts = self.encoded.answer[chosen].tolist()
            examples = [self.beginnings.of_longer(*one, rng) for one in zip(examples, starts, strict=True)]
        packed = pack(examples, max(self.config.pack_length, max(len(e.tokens) for e in examples)))
        places, labels = self._soft(chosen.tolist(), packed)
        return SftBatch(
            packed=packed.to(self.device),
            soft_places=places.to(self.device),
            soft_labels=labels.to(self.device),
        )

    def _soft(self, chosen: list[int], packed: PackedBatch) -> tuple[Tensor, Tensor]:
        config, teacher = self.config.distillation, self.teacher
        open_rows = [] if config is None or teacher is None else self._open(chosen, teacher)
        if config is None or teacher is None or not open_rows:
            return torch.zeros(0, dtype=torch.int64), torch.zeros(0, self.num_items)
        rows = [row for _, row, _ in open_rows]
        scores = teacher.scores([row["history"] for row in rows], [row["user"] for row in rows])  # (B, N)
        places, labels = [], []
        for (k, row, opened), score in zip(open_rows, scores, strict=True):
            items = row["answer_items"]
            line, column = packed.places[k]
            first = line * packed.tokens.shape[1] + column + int(self.encoded.answer[chosen[k]]) + 1
            places.append(torch.arange(first, first + 2 * len(items), 2))  # slot, item, slot, item, ...
            labels.append(soft_labels(score, items, opened, config.temperature))
        return torch.cat(places), torch.cat(labels)

    def _open(
        self, chosen: list[int], teacher: Teaching
    ) -> list[tuple[int, dict[str, Any], NDArray[np.bool_]]]:
        """Return (place in the batch, row, open items) of the rows that get soft labels."""
        found = []
        for k, encoded in enumerate(chosen):
            row = self.rows.row(self._source(encoded), named=True)
            if row["user"] is None:
                continue
            opened = open_items(row["request"], row["history"], teacher.catalog)
            if opened is not None:
                found.append((k, row, opened))
        return found

    def _source(self, row: int) -> int:
        return int(self.encoded.source[row])


def sft_step(config: SftConfig, first_item: int) -> Callable[[nn.Module, SftBatch], StepOutput]:
    """Return the step function: weighted cross-entropy, plus the teacher's soft labels.

    Args:
        config: settings.
        first_item: token of item 0 (used with soft labels only).
    """

    def step(model: nn.Module, batch: SftBatch) -> StepOutput:
        packed = batch.packed
        logits, targets, places = target_logits(model, packed)
        weights, soft = packed.weights.flatten()[places], None
        if len(batch.soft_places):
            assert config.distillation is not None
            rows = torch.searchsorted(places, batch.soft_places)
            soft = SoftTargets(rows, batch.soft_labels, first_item, config.distillation.weight)
        losses = cross_entropies(logits, targets, weights, soft)
        metrics = {"hard_loss": float(losses.hard)} | ({"soft_loss": float(losses.soft)} if soft else {})
        return StepOutput(losses.total, float(weights.sum()), metrics, packed.num_tokens)

    return step


def fine_tune(
    lm: LanguageModel,
    rows: pl.DataFrame,
    config: SftConfig,
    folder: Path,
    *,
    teacher: Teaching | None = None,
    evaluate: Evaluate | None = None,
    select: str | None = None,
    sample: Sample | None = None,
) -> tuple[LanguageModel, TrainingResult]:
    """Fine-tune a language model on instruction rows; resumes from the folder's checkpoint when there is one.

    Args:
        lm: trained in place.
        rows: training rows with `history`, `instruction`, `answer_items` or `answer_text`, and `request`.
        config: settings.
        folder: receives metrics.jsonl, samples.jsonl and, while training runs, checkpoints.
        teacher: whose soft labels are learned; needed by distillation only.
        evaluate: metrics of the model on validation data, every `eval_steps` and at the end.
        select: metric whose best weights are kept, higher is better.
        sample: a few answers in words, written before training and at every evaluation.

    Returns:
        The fine-tuned language model, adapters merged, and the course of training.
    """
    batches = SftBatches(lm, rows, config, teacher)
    first_item = lm.identifier.first_item_id if isinstance(lm.identifier, AtomicIdentifier) else 0
    model: nn.Module = lm.model
    if config.lora is not None:
        model = add_lora(lm.model, config.lora, train_embeddings=lm.identifier.name == "atomic")
    journal = Journal(lm, folder, sample, STAGE)
    if not (folder / CHECKPOINT).exists():
        journal(model, 0)
    dropout = (
        added_dropout(model, embedding=config.embedding_dropout, residual=config.residual_dropout)
        if config.embedding_dropout or config.residual_dropout
        else nullcontext()
    )
    with dropout:
        result = train(
            model,
            batches,
            sft_step(config, first_item),
            config.training,
            folder,
            stage=STAGE,
            evaluate=None if evaluate is None else lambda trained: evaluate(lm.with_model(trained)),
            select=select,
            on_eval=journal,
        )
    trained = lm.with_model(merge_lora(model)) if config.lora is not None else lm
    trained.model.eval()
    return trained, result


class Journal:
    """Writes sample answers to samples.jsonl, so that one can read what the model has learned so far."""

    def __init__(self, lm: LanguageModel, folder: Path, sample: Sample | None, stage: str) -> None:
        """Prepare.

        Args:
            lm: spelling and prompt layout of the model in training.
            folder: receives samples.jsonl.
            sample: writes a few answers; None writes nothing.
            stage: name in the log.
        """
        self.lm, self.path, self.sample, self.stage = lm, folder / "samples.jsonl", sample, stage

    def __call__(self, model: nn.Module, step: int) -> None:
        """Write what the model answers at a step."""
        if self.sample is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        model.eval()
        with torch.no_grad():
            answers = self.sample(self.lm.with_model(model))
        if not is_first():
            return
        # A resumed run writes anew what stands after its checkpoint.
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept = [line for line in lines if json.loads(line)["step"] < step]
        kept.append(json.dumps({"step": step, "answers": answers}, ensure_ascii=False))
        with atomic_path(self.path) as temporary:
            temporary.write_text("\n".join(kept) + "\n", encoding="utf-8")
        shown = textwrap.shorten(answers[0], _SHOWN, placeholder=" ...") if answers else ""
        logger.info("%s step %d writes: %s", self.stage, step, shown)
