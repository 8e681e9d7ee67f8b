"""Settings of a sequence model: which network learns what, and how."""

from __future__ import annotations

import pydantic

from steerec.config import Config
from steerec.loop import TrainingConfig
from steerec.networks.heterogeneous import HeterogeneousConfig
from steerec.networks.repeats import Repeats
from steerec.networks.sequence import AttRecConfig, EncoderConfig, TransformerConfig
from steerec.recommend.fitting import TRAINING, in_steps
from steerec.recommend.sequences.losses import FullSoftmax, LossConfig
from steerec.recommend.sequences.pretraining import PretrainingConfig
from steerec.recommend.sequences.tasks import (
    MaskedItems,
    NextItem,
    PermutedItems,
    TaskConfig,
)
from steerec.recommend.sequences.text import TextConfig


class SequenceConfig(Config):
    """Settings of a sequence model; the defaults are SASRec's, searched on ml-100k, test never used."""

    width: pydantic.PositiveInt = 64
    """D, width of item vectors and layers."""
    window: pydantic.PositiveInt = 50
    """Items of the history that the network sees, the most recent ones."""
    encoder: EncoderConfig = TransformerConfig()
    """The network."""
    task: TaskConfig = NextItem()
    """What it learns to predict."""
    loss: LossConfig = FullSoftmax()
    """How a prediction is judged."""
    cosine_temperature: pydantic.PositiveFloat | None = None
    """Compare states and items by cosine over this; None: by inner product."""
    text: TextConfig | None = None
    """Make item vectors of the items' text too, or of it alone; None: of ids alone."""
    repeats: Repeats | None = "learned"
    """Score apart what the window holds already. "learned": by a number that starts from how often people
    take an item again; "counted": by that, once it is trained; None: as any other, as the originals do."""
    heterogeneous: HeterogeneousConfig | None = None
    """Read each item as several tokens, id, text and categories, and look several items ahead: HeterRec."""
    pretraining: PretrainingConfig | None = None
    """Learn from the sequences and attributes themselves before the next item: S3-Rec."""
    warm_start: float = pydantic.Field(0.1, ge=0)
    """Standard deviation of item vectors taken from the spectrum of the training transitions; 0 starts from
    random ones as the originals do."""
    stochastic_length: float | None = pydantic.Field(None, gt=1, le=2)
    """Alpha of stochastic length, see `windows.thin`; None trains on whole windows."""
    timeless_share: float = pydantic.Field(0.1, ge=0, le=1)
    """Share of the batches in which a network that looks at moments does without them, so that it can."""
    batch_size: pydantic.PositiveInt = 64
    """Windows of a batch, about."""
    epochs: pydantic.PositiveFloat = 12.0
    """Passes over the training transitions; `training.max_steps` is an upper limit."""
    refresh_epochs: pydantic.PositiveFloat = 2.0
    """Passes over what is new when a fitted model learns from a longer log."""
    refresh_rate: pydantic.PositiveFloat = 0.3
    """Learning rate of that, in parts of `training.learning_rate`."""
    num_evaluations: pydantic.PositiveInt = 8
    """Evaluations over the whole training where `training.eval_steps` is None."""
    max_points: pydantic.PositiveInt = 5000
    """Validation points at each evaluation; a random part when there are more."""
    training: TrainingConfig = TRAINING
    """Optimisation; the weights with the best validation ndcg@10 are kept."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> SequenceConfig:
        heads = getattr(self.encoder, "num_heads", 1)
        if self.width % heads:
            raise ValueError(f"width {self.width} must be a multiple of num_heads {heads}")
        if isinstance(self.encoder, AttRecConfig) and self.cosine_temperature is not None:
            raise ValueError(
                f'the encoder "attrec" compares by distance, cosine_temperature {self.cosine_temperature} by '
                "cosine: leave cosine_temperature out, or take another encoder"
            )
        self._check_sharing()
        both_sides = getattr(self.encoder, "mask", "causal") == "bidirectional"
        if isinstance(self.task, MaskedItems | PermutedItems) != both_sides:
            raise ValueError(
                f'the task "{self.task.kind}" and the encoder "{self.encoder.kind}" do not fit: masked and '
                'permuted items need an encoder with mask "bidirectional", the next item a causal one'
            )
        reads_ids = self.text is not None and self.text.ids
        if self.heterogeneous is not None and not (reads_ids and isinstance(self.task, NextItem)):
            raise ValueError('heterogeneous items need text with ids, and the task "next_item"')
        attends_back = getattr(self.encoder, "mask", None) == "causal"
        if self.pretraining is not None and not attends_back:
            raise ValueError(
                f'pretraining needs causal attention, the encoder is "{self.encoder.kind}", the task '
                f'"{self.task.kind}": take a transformer or HSTU with mask "causal"'
            )
        return self

    def _check_sharing(self) -> None:
        parts = self.training.gradient_accumulation_steps
        if self.is_shared and self.batch_size < 2 * parts:
            raise ValueError(
                f"batch_size {self.batch_size} must be at least twice gradient_accumulation_steps {parts}: "
                "each part of a step needs windows"
            )
        if self.is_shared and self.pretraining is not None:
            raise ValueError("pretraining is not shared: leave gradient_accumulation_steps at 1")

    @property
    def is_shared(self) -> bool:
        """Whether several processes can share a step."""
        return self.training.gradient_accumulation_steps > 1

    @property
    def refreshing(self) -> SequenceConfig:
        """The settings of `fit_partial`."""
        rate = self.refresh_rate * self.training.learning_rate
        training = self.training.replace(learning_rate=rate, eval_steps=None, patience=None)
        return self.replace(epochs=self.refresh_epochs, num_evaluations=1, training=training)

    def schedule(self, steps_per_epoch: int, can_evaluate: bool) -> TrainingConfig:
        """Return the optimisation settings with epochs turned into steps."""
        return in_steps(
            self.training, self.epochs, steps_per_epoch, self.num_evaluations, can_evaluate=can_evaluate
        )

    @property
    def looks_at_moments(self) -> bool:
        """Whether the network makes use of times."""
        return getattr(self.encoder, "bias", "none") == "distance_and_time"
