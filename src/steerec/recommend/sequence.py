"""Recommenders that read a sequence of items: one class, whose configuration says which network learns what.

SASRec (Kang and McAuley 2018) with full cross-entropy is the default; HSTU, BERT4Rec, GRU4Rec and others are
other encoders, tasks and losses. Departures of the default, each a setting: item vectors start from the
spectrum of the training transitions, attention has a bias per distance, windows are cut at random offsets.

Legend: S histories, F flat places, D width, N items.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from steerec.config import Config
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.loop import StepOutput, TrainingConfig, train
from steerec.networks.heterogeneous import HeterogeneousConfig, HeterogeneousNetwork
from steerec.networks.sequence import EncoderConfig, SequenceNetwork, TransformerConfig
from steerec.recommend.losses import FullSoftmax, LossConfig, next_item_loss
from steerec.recommend.pretraining import PRETRAINED, PretrainingConfig, pretrain
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.refresh import carry_over, newest
from steerec.recommend.spectrum import spectral_embeddings
from steerec.recommend.steps_ahead import learn_ahead
from steerec.recommend.tasks import Lesson, MaskedItems, NextItem, PermutedItems, TaskConfig, lesson, question
from steerec.recommend.text import Given, TextConfig, fit_to, given_vectors
from steerec.recommend.validation import Validation
from steerec.recommend.windows import EpochBatches
from steerec.seeding import derive_seed, numpy_rng

_SCORE_BATCH = 256


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
    training: TrainingConfig = TrainingConfig(
        max_steps=200_000,
        learning_rate=2e-3,
        adam_beta2=0.98,
        warmup_ratio=0.04,
        lr_scheduler_type="linear",
    )
    """Optimisation; the weights with the best validation ndcg@10 are kept."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> SequenceConfig:
        heads = getattr(self.encoder, "num_heads", 1)
        if self.width % heads:
            raise ValueError(f"width {self.width} must be a multiple of num_heads {heads}")
        if self.training.gradient_accumulation_steps != 1:
            raise ValueError("batches fit in memory: use batch_size, not gradient_accumulation_steps")
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

    @property
    def refreshing(self) -> SequenceConfig:
        """The settings of `fit_partial`."""
        rate = self.refresh_rate * self.training.learning_rate
        training = self.training.replace(learning_rate=rate, eval_steps=None, patience=None)
        return self.replace(epochs=self.refresh_epochs, num_evaluations=1, training=training)

    def schedule(self, steps_per_epoch: int, can_evaluate: bool) -> TrainingConfig:
        """Return the optimisation settings with epochs turned into steps."""
        max_steps = min(self.training.max_steps, math.ceil(self.epochs * steps_per_epoch))
        if not can_evaluate:
            return self.training.replace(max_steps=max_steps, patience=None, eval_steps=None)
        every = self.training.eval_steps or math.ceil(max_steps / self.num_evaluations)
        return self.training.replace(max_steps=max_steps, eval_steps=every)

    @property
    def looks_at_moments(self) -> bool:
        """Whether the network makes use of times."""
        return getattr(self.encoder, "bias", "none") == "distance_and_time"


class SequenceModel(Recommender):
    """A network over the items of a history; its scores of the next item are the scores."""

    name = "sequence"
    config_type = SequenceConfig
    config: SequenceConfig
    network: SequenceNetwork

    # Training -----------------------------------------------------------------------------------------

    def _fit(self, split: Split, folder: Path | None) -> None:
        torch.manual_seed(derive_seed(self.config.training.seed, self.name, "weights"))
        given = self._given(split)
        self.network = self._build(given, torch.from_numpy(_seen(split))).to(_device())
        if self.config.warm_start > 0:
            self._start_warm(split)
        with _kept(folder) as place:
            if self.config.pretraining is not None:
                self._pretrain(split, self.config.pretraining, place / "pretraining")
            self._train(split, place, self.config)
            (place / "pretraining" / PRETRAINED).unlink(missing_ok=True)
        if given is not None:
            self._introduce(_seen(split))

    def fit_partial(self, split: Split, *, since: int | None = None, folder: Path | None = None) -> Self:
        """Go on from the weights as they are, see `Recommender.fit_partial`.

        Raises:
            DataError: it reads text, and the catalogue is another one.
        """
        if not self.is_fitted:
            return self.fit(split, folder)
        if self.config.text is not None and split.catalog.sha256 != self.catalog.sha256:
            raise DataError(
                "A model that reads text sees the items of a catalogue beside one another, and this is "
                "another catalogue. Fit it again; models of ids alone learn from a larger one."
            )
        part = split if since is None else newest(split, since, self.config.window)
        earlier, old = self.catalog, self.network
        counts = np.bincount(np.concatenate(split.train), minlength=len(split.catalog))
        self._catalog, self._popularity = split.catalog, np.log(counts + 0.5).astype(np.float32)
        given = self._given(split)
        self.network = self._build(given, torch.from_numpy(_seen(split))).to(_device())
        if given is None:
            carry_over(old, self.network, earlier, split)
        else:
            self.network.load_state_dict(old.state_dict() | {"seen": self.network.seen})
        with _kept(folder) as place:
            self._train(part, place, self.config.refreshing)
        if given is not None:
            self._introduce(_seen(split))
        self.scale = 1.0
        self._calibrate(Validation.of(split, limit=self.config.max_points))
        return self

    def _train(self, split: Split, folder: Path, config: SequenceConfig) -> None:
        lessons = Lessons(split, config)
        step = learn if config.heterogeneous is None else learn_ahead
        validation = Validation.of(split, limit=config.max_points)

        def evaluate(_: nn.Module) -> dict[str, float]:
            return validation.of_scorer(self._scores_at)

        train(
            self.network,
            lessons,
            step(config.loss, torch.from_numpy(np.exp(self._popularity) - 0.5).to(_device())),
            config.schedule(lessons.steps_per_epoch, bool(validation)),
            folder,
            stage=self.name,
            evaluate=evaluate if validation else None,
            select="ndcg@10" if validation else None,
        )

    def _pretrain(self, split: Split, pretraining: PretrainingConfig, folder: Path) -> None:
        config = self.config
        seed = config.training.seed
        pretrain(
            self.network, split, pretraining, config.loss, folder, batch_size=config.batch_size, seed=seed
        )

    def _given(self, split: Split) -> Given | None:
        """Return what the catalogue says of items, where the network reads that."""
        return None if self.config.text is None else given_vectors(split.catalog, self.config.text)

    def _build(self, given: Given | None, seen: Tensor | None) -> SequenceNetwork:
        config = self.config
        settings: dict[str, Any] = {
            "config": config.encoder,
            "num_items": len(self.catalog),
            "width": config.width,
            "window": config.window,
            "given": None if given is None else given.table,
            "learned": config.text is None or config.text.ids,
            "seen": seen,
            "id_dropout": 0.0 if config.text is None else config.text.id_dropout,
            "cosine_temperature": config.cosine_temperature,
        }
        if config.heterogeneous is None:
            return SequenceNetwork(**settings)
        assert given is not None
        return HeterogeneousNetwork(config.heterogeneous, given.widths, config.encoder.dropout, **settings)

    def _start_warm(self, split: Split) -> None:
        """Start from the spectrum: text from what it can say of it, learned vectors from the rest."""
        vectors = self.config.warm_start * spectral_embeddings(
            split.train, len(split.catalog), self.config.width
        )
        with torch.no_grad():
            if self.network.project_given is not None:
                table = self.network.given.cpu().numpy()
                weights = fit_to(vectors, table, _seen(split))
                self.network.project_given.weight.copy_(torch.from_numpy(weights.T))
                vectors = np.where(_seen(split)[:, None], vectors - table @ weights, 0.0)
            if self.network.items is not None:
                self.network.items.weight[:-1] = torch.from_numpy(vectors)
            if not self.network.by_distance:
                self.network.item_bias.copy_(torch.from_numpy(self._popularity))

    def _introduce(self, seen: NDArray[np.bool_]) -> None:
        """Give items that training never saw the bias that their text lets expect of those it saw."""
        table, bias = (one.detach().cpu().numpy() for one in (self.network.given, self.network.item_bias))
        mean = bias[seen].mean()
        expected = mean + table @ fit_to(bias[:, None] - mean, table, seen)[:, 0]  # (N,)
        with torch.no_grad():
            self.network.item_bias.copy_(torch.from_numpy(np.where(seen, bias, expected)))

    # Scoring ------------------------------------------------------------------------------------------

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        return self._scores_at(histories, None)

    @torch.no_grad()
    def _scores_at(
        self, histories: list[NDArray[np.int64]], times: list[NDArray[np.int64]] | None
    ) -> NDArray[np.float32]:
        self.network.eval()
        head = self.network.head()
        parts = []
        for start in range(0, len(histories), _SCORE_BATCH):
            part = slice(start, start + _SCORE_BATCH)
            states = self.states(histories[part], None if times is None else times[part])
            scores = functional.linear(states, head.vectors, head.bias)
            parts.append(scores.float().cpu().numpy())
        return np.concatenate(parts)

    @torch.no_grad()
    def states(
        self, histories: Sequence[NDArray[np.int64]], times: Sequence[NDArray[np.int64]] | None = None
    ) -> Tensor:
        """Return what the network makes of histories, (S, D).

        Args:
            histories: none of them empty.
            times: seconds of their items; None where they are not known.
        """
        window, config = self.config.window, self.config
        recent = [history[-window:] for history in histories]
        when = None if times is None or not config.looks_at_moments else [one[-window:] for one in times]
        batch, places = question(recent, when, config.task, len(self.catalog))
        device = self.network.item_bias.device
        states: Tensor = self.network(batch.to(device))[places.to(device)]
        return states

    def _similarity(self, item: int) -> NDArray[np.float32]:
        """Cosine of the item vectors."""
        unit = functional.normalize(self.network.head().vectors.detach(), dim=1)  # (N, D)
        return np.asarray((unit @ unit[item]).cpu().numpy(), dtype=np.float32)

    # Saving -------------------------------------------------------------------------------------------

    def _state(self) -> Arrays:
        return {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        given = None
        if self.config.text is not None:
            given = Given(tensors["given"], tensors.get("widths", torch.empty(0, dtype=torch.int64)))
        self.network = self._build(given, None)
        self.network.load_state_dict(tensors)
        self.network.to(_device()).eval()


class Lessons:
    """`(step, micro) -> Lesson`, a pure function of the step: windows of an epoch laid out for the task."""

    def __init__(self, split: Split, config: SequenceConfig) -> None:
        """Prepare the windows.

        Args:
            split: its training part is used.
            config: window, task, seed.
        """
        self._config, self._items, self._num_items = config, split.train, len(split.catalog)
        self._times = None
        if split.times is not None and config.looks_at_moments:
            self._times = split.times
        self._windows = EpochBatches(
            [len(items) for items in split.train],
            window=config.window,
            batch_size=config.batch_size,
            seed=config.training.seed,
            alpha=config.stochastic_length,
        )
        self.steps_per_epoch = self._windows.steps_per_epoch

    def __call__(self, step: int, micro: int = 0) -> Lesson:
        """Return the lesson of a step."""
        rng = numpy_rng(self._config.training.seed, "lesson", step, micro)
        windows = self._windows(step, micro)
        times = None
        if self._times is not None and rng.random() >= self._config.timeless_share:
            times = [self._times[one.user][one.places] for one in windows]
        items = [self._items[one.user][one.places] for one in windows]
        return lesson(items, times, self._config.task, self._num_items, rng).to(_device())


def learn(loss: LossConfig, popularity: Tensor) -> Callable[[nn.Module, Lesson], StepOutput]:
    """Return the step function: the loss summed over all predictions.

    Args:
        loss: which.
        popularity: (N,) training counts.
    """

    def step(network: nn.Module, given: Lesson) -> StepOutput:
        assert isinstance(network, SequenceNetwork)
        states = network(given.batch)[given.places]
        lost = next_item_loss(states, given.targets, network.head(), loss, popularity)
        count = len(given.targets)
        return StepOutput(lost, float(count), {}, len(given.batch.items))

    return step


def _seen(split: Split) -> NDArray[np.bool_]:
    """Return (N,) whether training has an item."""
    return np.asarray(np.bincount(np.concatenate(split.train), minlength=len(split.catalog)) > 0)


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    """Yield a folder for logs and checkpoints; one that is gone afterwards where none is given."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
