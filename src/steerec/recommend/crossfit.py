"""Cross-fitting over users, and a check whether a teacher has memorised what it teaches.

Labels for a user's training prefixes from a teacher that was fitted on those very prefixes are over-sharp.
With two folds, each user is scored by the model that has not seen any of his interactions (Chernozhukov et
al., 2018, call it cross-fitting).

Legend: `B` histories, `N` items, `U` users.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import ConfigError
from steerec.metrics.ranking import history_mask, hit_rate, rank_of_targets
from steerec.progress import clock
from steerec.recommend.recommender import History, Recommender
from steerec.recommend.table import load_recommender
from steerec.seeding import numpy_rng

logger = logging.getLogger("steerec")

_FILE = "crossfit.json"
_LARGE_RATIO, _LARGE_ERRORS = 1.5, 3.0


def draw_folds(num_users: int, num_folds: int = 2, seed: int = 0) -> NDArray[np.int64]:
    """Return the fold of each user, (U,) in 0..num_folds - 1, sizes equal up to one."""
    return numpy_rng(seed, "crossfit").permutation(np.arange(num_users) % num_folds).astype(np.int64)


def split_of_users(split: Split, users: Sequence[int] | NDArray[np.integer]) -> Split:
    """Return the split with some of its users only; the catalogue stays whole."""
    return replace(
        split,
        users=tuple(split.users[user] for user in users),
        sequences=tuple(split.sequences[user] for user in users),
        cut=split.cut[users],
        test_start=split.test_start[users],
        times=None if split.times is None else tuple(split.times[user] for user in users),
        ratings=None if split.ratings is None else tuple(split.ratings[user] for user in users),
    )


class CrossFit:
    """One recommender per fold, each fitted without the users of its fold.

    Attributes:
        models: num_folds recommenders; model f has not seen the users of fold f.
        folds: (U,) fold of each user.
    """

    def __init__(self, models: Sequence[Recommender], folds: NDArray[np.int64]) -> None:
        self.models, self.folds = list(models), folds

    @classmethod
    def fit(
        cls,
        build: Callable[[], Recommender],
        split: Split,
        *,
        num_folds: int = 2,
        seed: int = 0,
        folder: Path | None = None,
    ) -> Self:
        """Fit one recommender per fold on the users of the other folds.

        Args:
            build: returns a recommender that is not fitted.
            split: of U users.
            num_folds: at least 2, at most U.
            seed: of the folds.
            folder: receives what `save_pretrained` writes, each model as soon as it is fitted, and under
                `training` the logs; folds that it holds already, of the same arguments, are not
                fitted again. None: nothing is kept.

        Raises:
            ConfigError: the number of folds does not fit.
        """
        if not 2 <= num_folds <= len(split.users):
            raise ConfigError(
                f"Cross-fitting needs 2 to {len(split.users)} folds (one user each), got {num_folds}."
            )
        folds = draw_folds(len(split.users), num_folds, seed)
        models = []
        for fold in range(num_folds):
            others = split_of_users(split, np.flatnonzero(folds != fold))
            if folder is None:
                models.append(build().fit(others))
                continue
            kept, start = folder / f"fold-{fold}", time.monotonic()
            if not kept.is_dir():
                model = build().fit(others, folder / "training" / kept.name)
                with atomic_path(kept) as part:
                    model.save_pretrained(part)
                seconds = clock(time.monotonic() - start)
                logger.info("teacher of fold %d of %d: fitted in %s", fold + 1, num_folds, seconds)
            models.append(load_recommender(kept, split.catalog))
        fitted = cls(models, folds)
        if folder is not None:
            fitted._save_folds(folder)
        return fitted

    def scores(
        self, histories: Sequence[History], users: Sequence[int] | NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Score each history with the model that has not seen its user.

        Args:
            histories: B sequences of item indices, oldest first.
            users: (B,) user of each history, 0..U - 1.

        Returns:
            Float32 (B, N), in nats.
        """
        folds = self.folds[np.asarray(users, dtype=np.int64)]  # (B,)
        scores = np.zeros((len(histories), len(self.models[0].catalog)), np.float32)
        for fold, model in enumerate(self.models):
            rows = np.flatnonzero(folds == fold).tolist()
            scores[rows] = model.scores([histories[row] for row in rows])
        return scores

    def save_pretrained(self, folder: Path) -> None:
        """Write every model and the folds."""
        for fold, model in enumerate(self.models):
            model.save_pretrained(folder / f"fold-{fold}")
        self._save_folds(folder)

    def _save_folds(self, folder: Path) -> None:
        write_json(folder / _FILE, {"schema": 1, "folds": self.folds.tolist()})

    @classmethod
    def from_pretrained(cls, folder: Path, catalog: Catalog | None = None) -> Self:
        """Read what `save_pretrained` wrote."""
        folds = np.array(read_json(folder / _FILE)["folds"], dtype=np.int64)
        models = [load_recommender(folder / f"fold-{fold}", catalog) for fold in range(int(folds.max()) + 1)]
        return cls(models, folds)


class Memorisation(NamedTuple):
    """How much better a teacher does on what it was fitted on."""

    train: float
    """hr@10 on each user's last training item, from the training items before it."""
    valid: float
    """hr@10 on the validation items, which no model is fitted on."""
    standard_error: float
    """Of the difference, users taken as independent."""

    @property
    def is_large(self) -> bool:
        """Whether train exceeds valid by half as much again and by more than 3 standard errors."""
        gap = self.train - self.valid
        return self.train > _LARGE_RATIO * self.valid and gap > _LARGE_ERRORS * self.standard_error


def check_memorisation(teacher: Recommender | CrossFit, split: Split) -> Memorisation:
    """Compare hit rates on training and validation items, and warn when the gap is large.

    Both are the last item of a prefix, ranked over the whole catalogue with the history masked, so that
    without memorisation the two would be about alike.

    Args:
        teacher: fitted on `split`.
        split: users with two training items and a validation item count.
    """
    users = [point.user for point in split.points("valid") if split.cut[point.user] >= 2]
    users = list(dict.fromkeys(users))
    train_hits = _hits(teacher, users, [split.train[user] for user in users])
    valid_hits = _hits(teacher, users, [split.sequences[user][: split.cut[user] + 1] for user in users])
    if not users:
        return Memorisation(float("nan"), float("nan"), float("nan"))
    error = float(np.std(train_hits - valid_hits) / np.sqrt(len(users)))
    found = Memorisation(float(train_hits.mean()), float(valid_hits.mean()), error)
    if found.is_large:
        warnings.warn(
            f"The teacher hits {found.train:.3f} of training items in the first 10 but {found.valid:.3f} of "
            "validation items: it remembers its training data, and its labels for training prefixes are "
            "over-sharp. Label with CrossFit, or regularise the teacher.",
            stacklevel=2,
        )
    return found


def _hits(
    teacher: Recommender | CrossFit, users: Sequence[int], prefixes: Sequence[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Return hr@10 (B,) of the last item of each prefix, predicted from the items before it."""
    histories = [prefix[:-1] for prefix in prefixes]
    targets = np.array([prefix[-1] for prefix in prefixes], dtype=np.int64)
    scores = teacher.scores(histories, users) if isinstance(teacher, CrossFit) else teacher.scores(histories)
    return hit_rate(rank_of_targets(scores, targets, history_mask(histories, scores.shape[1])), 10)
