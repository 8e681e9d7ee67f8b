"""The conventional recommenders of a table, fitted together, and the teacher among them."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import pydantic

from steerec.artifacts import link_tree, read_json, source_sha256, write_json
from steerec.config import Config, fingerprint
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import ConfigError, DataError, did_you_mean
from steerec.loop import seconds_spent
from steerec.processes import agreed, alone, is_first, wait
from steerec.progress import clock
from steerec.recommend.calibration import reliability
from steerec.recommend.ensemble import Ensemble, EnsembleConfig
from steerec.recommend.fitting import DONE
from steerec.recommend.recommender import Recommender
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.table import RECOMMENDERS, load_recommender
from steerec.recommend.validation import Validation

logger = logging.getLogger("steerec")
FILE = "panel.json"
_RELIABILITY_POINTS = 2000
RecommenderT = TypeVar("RecommenderT", bound=Recommender)


class PanelConfig(Config):
    """Which recommenders stand in the table and may teach."""

    rows: tuple[str, ...] = ("popularity", "item-knn", "floor", "sasrec")
    """Names in `RECOMMENDERS` or `models`, in table order."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the sequence models; the first one of each may teach."""
    models: dict[str, SequenceConfig] = pydantic.Field(default_factory=lambda: {"sasrec": SequenceConfig()})
    """Sequence models by row name."""
    ensemble: EnsembleConfig | None = EnsembleConfig()
    """How scores are combined into a further candidate for the teacher; None leaves that out."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        special = (Ensemble.name, SequenceModel.name)  # further settings say what these are
        known = [*(name for name in RECOMMENDERS if name not in special), *self.models]
        for name in self.rows:
            if name not in known:
                hint = did_you_mean(name, known)
                raise ConfigError(f'There is no row "{name}".{hint} Rows: {", ".join(known)}.')
        if not self.rows or not self.seeds:
            raise ValueError("a panel needs at least one row and one seed")
        return self


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A fitted panel.

    Attributes:
        rows: row name -> one recommender per seed (one alone where nothing is random).
        teacher: the best single recommender or ensemble on validation.
        teacher_folder: its folder, relative to the panel's.
        seconds: seconds of fitting, by row.
        validation: ndcg@10 on validation, by candidate.
    """

    rows: dict[str, list[Recommender]]
    teacher: Recommender
    teacher_folder: str
    seconds: dict[str, float]
    validation: dict[str, float]

    def of_type(self, kind: type[RecommenderT]) -> list[RecommenderT]:
        """Return all fitted recommenders of a class, first seed first."""
        return [one for row in self.rows.values() for one in row if isinstance(one, kind)]


def fit_panel(split: Split, config: PanelConfig, folder: Path, shelf: Path | None = None) -> None:
    """Fit every row and choose the teacher on validation; what is already saved in `folder` is kept.

    Several processes share the steps of sequence models with `gradient_accumulation_steps`; the first one
    does the rest while the others wait.

    Args:
        split: the split; fitted on its training part, chosen on its validation part.
        config: which recommenders.
        folder: receives a folder per recommender and `panel.json`.
        shelf: folder of recommenders fitted before on any split, which are taken from there when their
            settings, data and code are the same, and put there when they are new; None: no shelf.

    Raises:
        DataError: the split has no validation points, so that no teacher can be chosen.
    """
    validation = Validation.of(split)
    if not validation:
        raise DataError(
            f"The {split.name} split has no validation points: its {len(split.users):,} users have too few "
            "interactions. A teacher cannot be chosen; bring longer histories or take another split."
        )
    fitted, seconds = _fit_rows(split, config, folder, shelf)
    if is_first():
        with alone():
            _choose_teacher(split, config, folder, fitted, seconds, validation)
    wait()


def _choose_teacher(
    split: Split,
    config: PanelConfig,
    folder: Path,
    fitted: dict[str, list[str]],
    seconds: dict[str, float],
    validation: Validation,
) -> None:
    """Judge the first seed of each row and the ensemble of them; writes `panel.json`."""
    candidates = {names[0]: load_recommender(folder / names[0], split.catalog) for names in fitted.values()}
    scored = {name: validation.of_scorer(one.scores) for name, one in candidates.items()}
    if config.ensemble is not None and len(candidates) > 1:
        start = time.monotonic()
        members = [one for one in candidates.values() if one.name != "popularity"]
        ensemble = Ensemble(config.ensemble, members=members).fit(split)
        ensemble.save_pretrained(folder / "ensemble")
        scored["ensemble"] = validation.of_scorer(ensemble.scores)
        seconds["ensemble"] = time.monotonic() - start
    teacher = max(scored, key=lambda name: scored[name]["ndcg@10"])
    for name, metrics in scored.items():
        logger.info("%s: validation NDCG@10 %.4f", name, metrics["ndcg@10"])
    logger.info("teacher: %s (best validation NDCG@10)", teacher)
    record: dict[str, Any] = {"rows": fitted, "teacher": teacher, "seconds": seconds, "validation": scored}
    record["reliability"] = _reliability(load_recommender(folder / teacher, split.catalog), split)
    write_json(folder / FILE, record)


def _reliability(teacher: Recommender, split: Split) -> list[dict[str, Any]]:
    """Return how far the teacher's probabilities can be believed, on validation."""
    points = Validation.of(split, limit=_RELIABILITY_POINTS)
    scores = teacher.scores(points.histories, points.times)
    return [one._asdict() for one in reliability(scores, points.targets, points.masked)]


def _fit_rows(
    split: Split, config: PanelConfig, folder: Path, shelf: Path | None
) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Return the folders of each row's recommenders, and their seconds, by row."""
    fitted: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for name in config.rows:
        seeds = config.seeds if name in config.models else config.seeds[:1]
        fitted[name] = [f"{name}-{seed}" if name in config.models else name for seed in seeds]
        for place, seed in zip(fitted[name], seeds, strict=True):
            _fit_one(_build(name, config, seed), split, folder / place, shelf)
        seconds[name] = sum(read_json(folder / place / DONE)["seconds"] for place in fitted[name])
        logger.info("%s: fitted in %s", name, clock(seconds[name]))
    return fitted, seconds


def _fit_one(recommender: Recommender, split: Split, folder: Path, shelf: Path | None) -> None:
    """Fit a recommender, or take it from the shelf; `done.json` is written last."""
    if agreed((folder / DONE).is_file()):
        return
    training = folder / "training"
    start = time.monotonic() - seconds_spent(training)
    module = type(recommender).__module__
    key = fingerprint([module, source_sha256(module), recommender.config, split.content_hash])
    on_shelf = None if shelf is None else shelf / key
    if agreed(on_shelf is not None and (on_shelf / DONE).is_file()):
        if is_first() and on_shelf is not None:
            link_tree(on_shelf, folder)
        wait()
        return
    if isinstance(recommender, SequenceModel) and recommender.config.is_shared:
        recommender.fit(split, training)
    elif is_first():
        with alone():
            recommender.fit(split, training)
    if is_first():
        recommender.save_pretrained(folder)
        write_json(folder / DONE, {"seconds": time.monotonic() - start})
        if on_shelf is not None:
            link_tree(folder, on_shelf)
    wait()


def _build(name: str, config: PanelConfig, seed: int) -> Recommender:
    if name not in config.models:
        return RECOMMENDERS[name]()
    model = config.models[name]
    return SequenceModel(model.replace(training=model.training.replace(seed=seed)))


def load_panel(folder: Path, catalog: Catalog) -> Panel:
    """Load what `fit_panel` wrote."""
    record: dict[str, Any] = read_json(folder / FILE)
    rows = {
        name: [load_recommender(folder / place, catalog) for place in places]
        for name, places in record["rows"].items()
    }
    return Panel(
        rows=rows,
        teacher=load_recommender(folder / record["teacher"], catalog),
        teacher_folder=record["teacher"],
        seconds=record["seconds"],
        validation={name: metrics["ndcg@10"] for name, metrics in record["validation"].items()},
    )
