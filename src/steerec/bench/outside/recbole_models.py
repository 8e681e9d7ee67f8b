"""RecBole's SASRec: its own data set, loader and training epoch, timed step by step.

RecBole 1.2.1 learns one target from each padded row. It imports `ray`, whose only use is search over
settings, so a stand-in is enough.

Legend: R rows of the log, S timed steps.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from steerec.bench.outside.parcel import Parcel, now


def train(job: Parcel) -> Parcel:
    """Train for a number of steps.

    Args:
        job: as of `rectools_models.train`; there are no points, and `steps` is a number.

    Returns:
        `step_seconds` (S, 2) and `step_targets` (S,); facts `steps_per_epoch`, `versions`.
    """
    ray = ModuleType("ray")
    ray.tune = ModuleType("ray.tune")  # type: ignore[attr-defined]
    sys.modules |= {"ray": ray, "ray.tune": ray.tune}
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.sequential_recommender import SASRec
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    torch.set_num_threads(job.facts["threads"])
    with tempfile.TemporaryDirectory() as folder:
        _write_atomic(Path(folder), job)
        sys.argv = sys.argv[:1]  # RecBole reads the command line for settings
        config = Config(model="SASRec", dataset="log", config_dict=_settings(folder, job.facts))
        init_seed(config["seed"], True)
        loader, _, _ = data_preparation(config, create_dataset(config))
        model = SASRec(config, loader.dataset)
        clock = _Clock(loader, job.facts["steps"])
        trainer = Trainer(config, model)
        while not clock.is_over:
            trainer._train_epoch(clock, 0)
    arrays = {
        "step_seconds": np.diff(np.array(clock.moments), axis=0),
        "step_targets": np.array(clock.targets[: len(clock.moments) - 1], np.int64),
    }
    versions = {name: version(name) for name in ("recbole", "torch")}
    return Parcel({"steps_per_epoch": len(loader), "versions": versions}, arrays)


class _Clock:
    """Batches of a loader, up to a number of steps; notes when each is asked for."""

    def __init__(self, loader: Any, steps: int) -> None:
        self._loader, self._steps = loader, steps
        self.moments: list[tuple[float, float]] = []
        self.targets: list[int] = []

    @property
    def is_over(self) -> bool:
        return len(self.moments) > self._steps

    def __iter__(self) -> Iterator[Any]:
        for batch in self._loader:
            self.moments.append(now())
            if self.is_over:
                return
            self.targets.append(len(batch))
            yield batch


def _settings(folder: str, facts: Any) -> dict[str, Any]:
    return {
        "data_path": folder,
        "checkpoint_dir": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "MAX_ITEM_LIST_LENGTH": facts["window"],
        "hidden_size": facts["width"],
        "inner_size": 4 * facts["width"],
        "n_layers": facts["layers"],
        "n_heads": facts["heads"],
        "hidden_dropout_prob": facts["dropout"],
        "attn_dropout_prob": facts["dropout"],
        "loss_type": "CE",
        "train_neg_sample_args": None,
        "train_batch_size": facts["batch_size"],
        "learning_rate": facts["learning_rate"],
        "seed": facts["seed"],
        "use_gpu": False,
        "state": "ERROR",
        "log_wandb": False,
        # all rows are for training: the log that it gets has nothing else
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "TO", "group_by": None, "mode": "full"},
    }


def _write_atomic(folder: Path, job: Parcel) -> None:
    """Write the log in RecBole's own format; a moment of its own for each row keeps the order."""
    (folder / "log").mkdir()
    rows = zip(job.arrays["users"].tolist(), job.arrays["items"].tolist(), strict=True)
    with (folder / "log" / "log.inter").open("w", encoding="utf-8") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        file.writelines(f"{user}\t{item}\t{place}\n" for place, (user, item) in enumerate(rows))
