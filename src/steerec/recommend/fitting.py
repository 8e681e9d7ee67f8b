"""What networks trained on sequences share: where they live, how long they train, how they start.

Legend: N items, D width.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self, TypeVar

import numpy as np
import torch

from steerec.artifacts import read_json, write_json
from steerec.config import Config, fingerprint
from steerec.data.split import Split
from steerec.loop import TrainingConfig
from steerec.networks.sequence import SequenceNetwork
from steerec.recommend.sequences.spectrum import spectral_embeddings

DONE = "done.json"
TRAINING = TrainingConfig(
    max_steps=200_000,
    learning_rate=2e-3,
    adam_beta2=0.98,
    warmup_ratio=0.04,
    lr_scheduler_type="linear",
)
"""Optimisation where a configuration says nothing else; searched for SASRec on ml-100k."""


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """Yield a folder for logs and checkpoints; one that is gone afterwards where none is given."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


class _Model(Protocol):
    @property
    def config(self) -> Config: ...

    def fit(self, split: Split, folder: Path | None = None) -> Self: ...

    def save_pretrained(self, folder: Path) -> None: ...

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self: ...


ModelT = TypeVar("ModelT", bound=_Model)


def fit_once(model: ModelT, split: Split, folder: Path) -> ModelT:
    """Fit and save a model, or load it where the folder holds it, fitted with these settings on this split.

    Args:
        model: not fitted.
        split: fitted on its training part.
        folder: receives the model and `done.json`, which is written last.
    """
    key, done = fitting_key(model.config, split), folder / DONE
    if not done.is_file() or read_json(done).get("key") != key:
        done.unlink(missing_ok=True)  # until the end, what lies here is nobody's
        start = time.monotonic()
        # A training that was killed on other data must not be gone on from.
        model.fit(split, folder / f"training-{key[:12]}").save_pretrained(folder)
        write_json(done, {"seconds": time.monotonic() - start, "key": key})
    return model.from_pretrained(folder)


def fitting_key(config: Config, split: Split) -> str:
    """Return what tells one fitting from another: the hash of the settings and of the data."""
    return fingerprint([config, split.content_hash])


def in_steps(
    training: TrainingConfig, epochs: float, steps_per_epoch: int, num_evaluations: int, *, can_evaluate: bool
) -> TrainingConfig:
    """Return optimisation settings with epochs turned into steps; `max_steps` is an upper limit.

    Evaluations are followed by checkpoints unless `save_steps` says otherwise, so that a training that is
    killed goes on from the last one.

    Args:
        training: the settings; their `eval_steps` go before `num_evaluations`.
        epochs: passes over the training data.
        steps_per_epoch: steps of a pass.
        num_evaluations: over the whole training.
        can_evaluate: whether there is anything to evaluate on.
    """
    max_steps = min(training.max_steps, math.ceil(epochs * steps_per_epoch))
    if not can_evaluate:
        return training.replace(max_steps=max_steps, patience=None, eval_steps=None)
    every = training.eval_steps or math.ceil(max_steps / num_evaluations)
    return training.replace(max_steps=max_steps, eval_steps=every, save_steps=training.save_steps or every)


def start_from_spectrum(network: SequenceNetwork, split: Split, deviation: float) -> None:
    """Start item vectors from the spectrum of the training transitions, and biases from the popularity.

    Args:
        network: with a learned vector per item.
        split: its training part is used.
        deviation: standard deviation of the vectors.
    """
    assert network.items is not None
    counts = np.bincount(np.concatenate(split.train), minlength=len(split.catalog))
    width = network.items.weight.shape[1]
    with torch.no_grad():
        vectors = spectral_embeddings(split.train, len(split.catalog), width) * deviation
        network.items.weight[:-1] = torch.from_numpy(vectors)
        network.item_bias.copy_(torch.from_numpy(np.log(counts + 0.5)))
