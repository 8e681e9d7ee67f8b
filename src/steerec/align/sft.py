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
from typing import NamedTuple

import numpy as np
import polars as pl
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steerec.align.distillation import DistillationConfig, Teaching, open_items, soft_labels, with_own_labels
from steerec.align.dropout import added_dropout
from steerec.align.examples import BatchPlan, EncodedRows, encode_rows
from steerec.config import Config
from steerec.errors import ConfigError
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.cross_entropy import SoftTargets, cross_entropies
from steerec.llm.language_model import LanguageModel
from steerec.llm.lora import LoraConfig, add_lora, merge_lora
from steerec.llm.packing import Example, PackedBatch, pack, target_logits
from steerec.loop import StepOutput, TrainingConfig, TrainingResult, train
from steerec.seeding import numpy_rng

logger = logging.getLogger("steerec")

STAGE = "sft"
_SHOWN = 140

Evaluate = Callable[[LanguageModel], dict[str, float]]
Sample = Callable[[LanguageModel], list[str]]


class SftConfig(Config):
    """Settings of supervised fine-tuning."""

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
    lora: LoraConfig | None = None
    """Train low-rank adapters, merged at the end; None trains all weights."""


@dataclass(frozen=True, kw_only=True)
class SftBatch:
    """One micro-batch: packed rows, and soft labels where there are any."""

    packed: PackedBatch
    soft_places: Tensor
    """(M,) flat indices into the packed (B, T) tokens of items with soft labels."""
    soft_labels: Tensor
    """(M, N)."""
    soft_first: Tensor
    """(M,) which of the M is the first place of the same list."""


class _Lesson(NamedTuple):
    """A row of a batch that is learned from soft labels too."""

    place: int
    """In the batch."""
    history: list[int]
    user: int
    items: list[int]
    """The list, in the order to be learned."""
    target: int | None
    opened: NDArray[np.bool_]
    """(N,) items that may be listed, at every position alike."""


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
        """
        self.config, self.teacher, self.rows = config, teacher, rows
        self.encoded: EncodedRows = encode_rows(lm, rows, max_tokens=config.pack_length)
        budget, seed = config.tokens_per_batch, config.training.seed
        self.plan = BatchPlan(lengths=self.encoded.lengths.tolist(), tokens_per_batch=budget, seed=seed)
        self.num_items, self.device = lm.identifier.num_items, next(lm.model.parameters()).device
        self.first_item = lm.identifier.first_item_id if isinstance(lm.identifier, AtomicIdentifier) else None
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
        chosen = self.plan[number].tolist()
        examples = [self.encoded.example(row, self.config.history_loss_weight) for row in chosen]
        lessons = self._lessons(chosen, number)
        for lesson in lessons:
            examples[lesson.place] = self._told(examples[lesson.place], chosen[lesson.place], lesson)
        packed = pack(examples, max(self.config.pack_length, max(len(e.tokens) for e in examples)))
        places, labels, first = (part.to(self.device) for part in self._soft(chosen, packed, lessons))
        return SftBatch(
            packed=packed.to(self.device), soft_places=places, soft_labels=labels, soft_first=first
        )

    def _lessons(self, chosen: list[int], number: int) -> list[_Lesson]:
        """Return the rows of a batch that get soft labels, their lists in the order to be learned."""
        config, teacher = self.config.distillation, self.teacher
        if config is None or teacher is None:
            return []
        lessons = []
        for place, encoded in enumerate(chosen):
            row = self.rows.row(int(self.encoded.source[encoded]), named=True)
            opened = (
                None if row["user"] is None else open_items(row["request"], row["history"], teacher.catalog)
            )
            if opened is None:
                continue
            rng = numpy_rng(self.config.training.seed, STAGE, "delay", number, place)
            items, target = list(row["answer_items"]), row["target"]
            if len(items) > 1 and items[0] == target and rng.random() < config.delayed_share:
                items.insert(int(rng.integers(1, len(items))), items.pop(0))
            lessons.append(_Lesson(place, row["history"], row["user"], items, target, opened))
        return lessons

    def _told(self, example: Example, encoded: int, lesson: _Lesson) -> Example:
        """Return an example with the lesson's order of items, and its weights of hard labels."""
        assert self.config.distillation is not None
        assert isinstance(self.first_item, int)
        tokens, weights = list(example.tokens), list(example.weights)
        first = int(self.encoded.answer[encoded]) + 1  # slot, item, slot, item, ...
        for j, item in enumerate(lesson.items):
            tokens[first + 2 * j] = self.first_item + item
            if item != lesson.target:
                weights[first + 2 * j] = self.config.distillation.listed_weight
        return Example(tuple(tokens), tuple(weights))

    def _soft(
        self, chosen: list[int], packed: PackedBatch, lessons: list[_Lesson]
    ) -> tuple[Tensor, Tensor, Tensor]:
        config, teacher = self.config.distillation, self.teacher
        if config is None or teacher is None or not lessons:
            nothing = torch.zeros(0, dtype=torch.int64)
            return nothing, torch.zeros(0, self.num_items), nothing
        scores = teacher.scores([one.history for one in lessons], [one.user for one in lessons])  # (B, N)
        places, labels = [], []
        for lesson, score in zip(lessons, scores, strict=True):
            line, column = packed.places[lesson.place]
            answer = int(self.encoded.answer[chosen[lesson.place]])
            first = line * packed.tokens.shape[1] + column + answer + 1
            places.append(torch.arange(first, first + 2 * len(lesson.items), 2))
            labels.append(soft_labels(score, lesson.items, lesson.opened, config.temperature))
        lengths = torch.tensor([len(one) for one in places])
        starts = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
        return torch.cat(places), torch.cat(labels), starts


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
            labels = batch.soft_labels
            if config.distillation.own_share:
                own = logits[rows, first_item : first_item + labels.shape[1]]
                labels = with_own_labels(labels, own, batch.soft_first, config.distillation.own_share)
            soft = SoftTargets(rows, labels, first_item, config.distillation.weight)
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
    journal = _Journal(lm, folder, sample)
    if not (folder / "checkpoint").exists():
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


class _Journal:
    """Writes sample answers to samples.jsonl, so that one can read what the model has learned so far."""

    def __init__(self, lm: LanguageModel, folder: Path, sample: Sample | None) -> None:
        self.lm, self.path, self.sample = lm, folder / "samples.jsonl", sample

    def __call__(self, model: nn.Module, step: int) -> None:
        if self.sample is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        model.eval()
        with torch.no_grad():
            answers = self.sample(self.lm.with_model(model))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "answers": answers}, ensure_ascii=False) + "\n")
        shown = textwrap.shorten(answers[0], _SHOWN, placeholder=" ...") if answers else ""
        logger.info("%s step %d writes: %s", STAGE, step, shown)
