"""RecTools' SASRec and HSTU: trained with its own trainer, timed step by step, asked for lists.

Legend: R rows of the log, P points, Q rows of their histories, K places of a list, S timed steps.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import logging
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from rectools.dataset import Dataset
from rectools.models import HSTUModel, SASRecModel

from steerec.bench.outside.parcel import Parcel, now

MODELS = {"sasrec": SASRecModel, "hstu": HSTUModel}
_VERSIONS = ("rectools", "torch", "pytorch-lightning", "numpy", "pandas")


class StepClock(lightning.Callback):  # type: ignore[misc]
    """Notes when each step ended and how many items it was asked to predict."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float]] = []
        self.targets: list[int] = []

    def on_train_start(self, *args: Any) -> None:
        """Start the clock: the data is ready and the model built."""
        del args
        self.moments.append(now())

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        """Note a step; padding is no target."""
        del trainer, module, outputs, index
        self.moments.append(now())
        self.targets.append(int((batch["y"] != 0).sum()))


def make_trainer(epochs: int, max_steps: int) -> Any:
    """Return RecTools' own trainer with a clock."""
    return lightning.Trainer(
        max_epochs=epochs,
        min_epochs=epochs if max_steps < 0 else None,
        max_steps=max_steps,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[StepClock()],
    )


def train(job: Parcel) -> Parcel:
    """Train a model and ask it.

    Args:
        job: the log, `users`, `items`, `seconds` (R,), in order of time within each user; the points to ask
            about, `points` and `history` (Q,), each point's history in order. Facts: `model`, `width`,
            `layers`, `heads`, `dropout`, `window`, `batch_size`, `learning_rate`, `seed`, `threads`,
            `epochs`, `k`, and `steps`: stop after so many; None: train all epochs.

    Returns:
        `step_seconds` (S, 2), of the wall and of the processor, `step_targets` (S,), `fit_seconds` (2,), the
        whole of `fit`, and `lists` (P, K) with -1 at the end of short ones; facts `steps_per_epoch` and
        `versions`.
    """
    facts = job.facts
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(facts["threads"])
    lightning.seed_everything(facts["seed"])
    data = _dataset(job.arrays["users"], job.arrays["items"], job.arrays["seconds"])
    steps = facts["steps"]
    limits = {"epochs": facts["epochs"] if steps is None else -1, "max_steps": -1 if steps is None else steps}
    model = MODELS[facts["model"]](
        n_factors=facts["width"],
        n_blocks=facts["layers"],
        n_heads=facts["heads"],
        dropout_rate=facts["dropout"],
        session_max_len=facts["window"],
        batch_size=facts["batch_size"],
        lr=facts["learning_rate"],
        epochs=facts["epochs"],
        loss="softmax",
        get_trainer_func=make_trainer,
        get_trainer_func_kwargs=limits,
    )
    begin = now()
    model.fit(data)
    end = now()
    clock = next(one for one in model.fit_trainer.callbacks if isinstance(one, StepClock))
    arrays = {
        "fit_seconds": np.subtract(end, begin),
        "step_seconds": np.diff(np.array(clock.moments), axis=0),
        "step_targets": np.array(clock.targets, np.int64),
        "lists": _lists(model, job.arrays["points"], job.arrays["history"], facts["k"]),
    }
    found = {
        "steps_per_epoch": int(model.fit_trainer.num_training_batches),
        "versions": {name: version(name) for name in _VERSIONS},
    }
    return Parcel(found, arrays)


def _dataset(users: NDArray[np.int64], items: NDArray[np.int64], seconds: NDArray[np.int64]) -> Any:
    """Return a RecTools data set; it sorts by time and keeps the order of ties."""
    log = pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0})
    log["datetime"] = pd.to_datetime(seconds, unit="s")
    return Dataset.construct(log)


def _lists(model: Any, points: NDArray[np.int64], history: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return (P, k) items: each point is a user of its own, whose items do not come again."""
    size = int(points[-1]) + 1 if len(points) else 0
    lists = np.full((size, k), -1, np.int64)
    if size:
        places = np.arange(len(points))  # a moment of its own for each row keeps histories in order
        data = _dataset(points, history, places)
        asked = model.recommend(
            np.unique(points), dataset=data, k=k, filter_viewed=True, on_unsupported_targets="ignore"
        )
        lists[asked["user_id"], asked["rank"] - 1] = asked["item_id"]
    return lists
