"""What follows fine-tuning, by the kind of its settings: rewards, preferences, more rows, sums of these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.align.best_of import BestOfConfig, learn_best_of
from steerec.align.distillation import TeacherScores, Teaching
from steerec.align.learned_reward import LearnedRewardConfig, learned_judge
from steerec.align.merging import AloneConfig, MergeConfig, learn_merged
from steerec.align.preferring import PreferenceConfig, prefer
from steerec.align.rewards.judge import asked_scores, make_judge
from steerec.align.rl import reinforce, warn_if_hopeless
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, in_halves, read_asks
from steerec.align.sft import SftConfig, fine_tune
from steerec.artifacts import write_json
from steerec.llm.language_model import LanguageModel
from steerec.processes import is_first
from steerec.seeding import numpy_rng


class Present(NamedTuple):
    """The moment after the training data."""

    histories: Sequence[NDArray[np.int64]]
    """User -> whole training history."""
    scores: TeacherScores
    """The teacher fitted on them."""


AlignConfig = AloneConfig | MergeConfig


def align(
    lm: LanguageModel,
    rows: pl.DataFrame,
    settings: AlignConfig,
    folder: Path,
    *,
    teaching: Teaching,
    present: Present,
    **options: Any,
) -> LanguageModel:
    """Go on from a fine-tuned model.

    Args:
        lm: the model, trained in place.
        rows: instruction rows; their requests are asked.
        settings: how.
        folder: receives the log, samples, warnings, and checkpoints while training runs.
        teaching: the teacher that judges and labels.
        present: the histories as they are, and the teacher that has seen them.
        options: `evaluate` and `sample` of the training functions.
    """
    if isinstance(settings, MergeConfig):
        learn = partial(_learn_part, rows, teaching=teaching, present=present, **options)
        return learn_merged(lm, settings, folder, learn, options["evaluate"])
    if isinstance(settings, SftConfig):
        return fine_tune(lm, rows, settings, folder, teacher=teaching, **options)[0]
    longest, tasks, select = settings.max_prompt_tokens, settings.tasks, settings.select
    histories = None
    if isinstance(settings, RlConfig) and settings.moments == "present":
        histories, teaching = present.histories, Teaching(present.scores, teaching.catalog)
    asks = read_asks(lm, rows, teaching.catalog, max_prompt_tokens=longest, tasks=tasks, present=histories)
    if isinstance(settings, PreferenceConfig):
        judge = make_judge(settings.reward, teaching)
        return prefer(lm, asks, settings, folder, judge=judge, select=select, **options)[0]
    if isinstance(settings, BestOfConfig):
        judge = make_judge(settings.reward_model.reward, teaching)
        return learn_best_of(lm, asks, settings, folder, judge=judge, select=select, **options)
    return _reinforced(lm, asks, settings, folder, teaching, **options)


def _reinforced(
    lm: LanguageModel, asks: list[Ask], settings: RlConfig, folder: Path, teaching: Teaching, **options: Any
) -> LanguageModel:
    """Learn from rewards; those that are learned themselves come first, from one half of what is asked."""
    rewards = {"free": settings.free_reward, "constrained": settings.constrained_reward}
    judged = asks
    if any(isinstance(reward, LearnedRewardConfig) for reward in rewards.values()):
        judged, asks = in_halves(asks, numpy_rng(settings.training.seed, "judged"))
    for name, reward in rewards.items():
        if isinstance(reward, LearnedRewardConfig):
            truth = make_judge(reward.pairs.reward, teaching)
            options[name] = learned_judge(lm, judged, reward, folder / f"{name}-reward", truth=truth)
        else:
            options[name] = make_judge(reward, teaching)
    options |= {"scores": partial(asked_scores, teaching), "select": settings.select}
    tuned, result = reinforce(lm, asks, settings, folder, **options)
    warnings = warn_if_hopeless(result.history)
    if is_first():
        write_json(folder / "warnings.json", warnings)
    return tuned


def _learn_part(
    rows: pl.DataFrame, lm: LanguageModel, settings: AloneConfig, folder: Path, **options: Any
) -> LanguageModel:
    return align(lm, rows, settings, folder, **options)
