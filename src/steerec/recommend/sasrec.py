"""SASRec with full-softmax cross-entropy over the catalogue at every position of a window.

The network is that of Kang and McAuley (2018) with the loss that makes it strong (Klenitskiy and Vasilev,
2023; Petrov and Macdonald, 2023). Departures, each a setting: item embeddings start from the spectrum of
the training transitions, attention has a bias per distance, windows are cut at random offsets.

Legend: `B` windows, `L` items of a window, `D` width, `N` items.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from steerec.config import Config
from steerec.data.split import Split
from steerec.loop import StepOutput, TrainingConfig, train
from steerec.networks.sasrec import SASRecNetwork
from steerec.recommend.recommender import Arrays, Recommender
from steerec.recommend.spectrum import spectral_embeddings
from steerec.recommend.validation import Validation
from steerec.recommend.windows import PAD_TARGET, EpochBatches, WindowBatch
from steerec.seeding import derive_seed

_SCORE_BATCH = 256


class SASRecConfig(Config):
    """Settings of SASRec; the defaults were searched on ml-100k, test items never used."""

    width: pydantic.PositiveInt = 64
    """D, width of embeddings and blocks."""
    num_blocks: pydantic.PositiveInt = 2
    """Transformer blocks."""
    num_heads: pydantic.PositiveInt = 2
    """Attention heads; divides the width."""
    window: pydantic.PositiveInt = 50
    """Items of the history that the network sees, the most recent ones."""
    dropout: float = pydantic.Field(0.3, ge=0, lt=1)
    """Dropout after embeddings, attention and networks."""
    distance_bias: bool = True
    """Whether attention learns a bias per head and distance; False is the original."""
    warm_start: float = pydantic.Field(0.1, ge=0)
    """Standard deviation of item embeddings taken from the spectrum of the training transitions; 0 starts
    from random ones as the original does."""
    batch_size: pydantic.PositiveInt = 64
    """Windows of a batch, about."""
    epochs: pydantic.PositiveFloat = 12.0
    """Passes over the training transitions; `training.max_steps` is an upper limit."""
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
    def _check(self) -> SASRecConfig:
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} must be a multiple of num_heads {self.num_heads}")
        if self.training.gradient_accumulation_steps != 1:
            raise ValueError("batches fit in memory: use batch_size, not gradient_accumulation_steps")
        return self


class SASRec(Recommender):
    """Next-item transformer; logits of the last position are the scores."""

    name = "sasrec"
    config_type = SASRecConfig
    config: SASRecConfig
    network: SASRecNetwork

    def _fit(self, split: Split, folder: Path | None) -> None:
        if folder is None:
            with tempfile.TemporaryDirectory() as temporary:
                self._train(split, Path(temporary))
        else:
            self._train(split, folder)

    def _train(self, split: Split, folder: Path) -> None:
        config = self.config
        torch.manual_seed(derive_seed(config.training.seed, "sasrec", "weights"))
        self.network = self._build().to(_device())
        if config.warm_start > 0:
            self._start_warm(split)
        batches = EpochBatches(
            split.train, window=config.window, batch_size=config.batch_size, seed=config.training.seed
        )
        validation = Validation.of(split, limit=config.max_points)

        def evaluate(_: nn.Module) -> dict[str, float]:
            return validation.metrics(self._scores(validation.histories))

        train(
            self.network,
            batches,
            _step,
            self._schedule(batches.steps_per_epoch, bool(validation)),
            folder,
            stage="sasrec",
            evaluate=evaluate if validation else None,
            select="ndcg@10" if validation else None,
        )

    def _schedule(self, steps_per_epoch: int, can_evaluate: bool) -> TrainingConfig:
        """Return the optimisation settings with epochs turned into steps."""
        config, training = self.config, self.config.training
        max_steps = min(training.max_steps, math.ceil(config.epochs * steps_per_epoch))
        if not can_evaluate:
            return training.replace(max_steps=max_steps, patience=None, eval_steps=None)
        every = training.eval_steps or math.ceil(max_steps / config.num_evaluations)
        return training.replace(max_steps=max_steps, eval_steps=every)

    def _build(self) -> SASRecNetwork:
        config = self.config
        return SASRecNetwork(
            num_items=len(self.catalog),
            width=config.width,
            num_blocks=config.num_blocks,
            num_heads=config.num_heads,
            window=config.window,
            dropout=config.dropout,
            distance_bias=config.distance_bias,
        )

    def _start_warm(self, split: Split) -> None:
        embeddings = spectral_embeddings(split.train, len(split.catalog), self.config.width)
        with torch.no_grad():
            self.network.items.weight.copy_(torch.from_numpy(embeddings * self.config.warm_start))
            self.network.item_bias.copy_(torch.from_numpy(self._popularity))

    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        parts = [
            self._last_logits(histories[start : start + _SCORE_BATCH])
            for start in range(0, len(histories), _SCORE_BATCH)
        ]
        return np.concatenate(parts)

    @torch.no_grad()
    def _last_logits(self, histories: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        self.network.eval()
        recent = [history[-self.config.window :] for history in histories]
        inputs = np.zeros((len(recent), max(map(len, recent))), np.int64)  # (B, L)
        for row, items in enumerate(recent):
            inputs[row, : len(items)] = items
        last = [len(items) - 1 for items in recent]
        states = self.network(_tensor(inputs, self.network))[range(len(recent)), last]  # (B, D)
        return np.asarray(self.network.logits(states).float().cpu().numpy(), dtype=np.float32)

    def _similarity(self, item: int) -> NDArray[np.float32]:
        """Cosine of the item embeddings."""
        unit = functional.normalize(self.network.items.weight.detach(), dim=1)  # (N, D)
        return np.asarray((unit @ unit[item]).cpu().numpy(), dtype=np.float32)

    def _state(self) -> Arrays:
        return {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}

    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        self.network = self._build()
        self.network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
        self.network.to(_device()).eval()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _tensor(array: NDArray[np.int64], network: SASRecNetwork) -> torch.Tensor:
    return torch.from_numpy(array).to(network.item_bias.device)


def _step(network: nn.Module, batch: WindowBatch) -> StepOutput:
    """Cross-entropy over all N items, summed over the positions that have a target."""
    assert isinstance(network, SASRecNetwork)
    targets = _tensor(batch.targets, network)  # (B, L)
    real = targets != PAD_TARGET
    states = network(_tensor(batch.inputs, network))[real]  # (positions, D)
    # Logits of real positions only: the output layer is the largest part of the work.
    loss = functional.cross_entropy(network.logits(states).float(), targets[real], reduction="sum")
    count = int(real.sum())
    return StepOutput(loss, float(count), {}, count)
