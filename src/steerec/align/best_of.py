"""Generate, score, keep the best, learn from it: a loop with a reward model that is learned from clicks.

Each round samples lists at a high temperature, learns from the true next items which of two lists is better,
scores fresh lists with that reward model, and makes the best of each prompt likelier (best-of-n, then
rejection sampling). The shape of Google's novelty and alignment models (catalogue E16): one model proposes
what is new, another one keeps what fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic

from steerec.align.preferring import PreferenceConfig, prefer, sample_groups
from steerec.align.reward_model import ModelJudge, best_of, fit_reward_model
from steerec.align.rewards.judge import Judge
from steerec.align.rollouts import Ask, in_halves, roll_constrained, roll_free
from steerec.align.sft import Selected
from steerec.artifacts import read_json, write_json
from steerec.config import Config
from steerec.llm.language_model import LanguageModel, load_weights
from steerec.loop import TrainingConfig
from steerec.processes import is_first
from steerec.seeding import derive_seed, numpy_rng

STAGE = "best-of"
_CHECKED = 256
"""Fresh prompts on which the best by the reward model is compared with any."""


class BestOfConfig(Config):
    """Settings of the loop."""

    kind: Literal["best_of"] = "best_of"
    """Which way of aligning this configures."""
    training: TrainingConfig
    """Optimisation of the policy, in each round."""
    reward_model: PreferenceConfig
    """How the reward model learns: its prompts, samples, judge and optimisation. It sees all lists of a
    prompt, and its `loss` and `temperature` are not looked at."""
    num_prompts: pydantic.PositiveInt = 2000
    """Prompts of a round whose best list is learned."""
    samples: int = pydantic.Field(8, ge=2)
    """Lists per prompt, of which one is kept."""
    temperature: pydantic.PositiveFloat = 1.3
    """Of the sampling: above 1 proposes what the model would seldom say."""
    rounds: pydantic.PositiveInt = 2
    """How often all of it is done, each time with the model of the round before."""
    prompts_per_batch: pydantic.PositiveInt = 16
    """Prompts of a step."""
    select: Selected = "ndcg@10"
    """Validation metric whose best weights a round keeps."""

    @property
    def max_prompt_tokens(self) -> int:
        """Longest prompt; older history is left out."""
        return self.reward_model.max_prompt_tokens

    @property
    def tasks(self) -> tuple[str, ...] | None:
        """Tasks of the instruction rows that are asked; None: all that ask a user's list."""
        return self.reward_model.tasks

    def policy(self, number: int) -> PreferenceConfig:
        """Return how the policy of a round learns from the best lists."""
        seed = derive_seed(self.training.seed, STAGE, number)
        return self.reward_model.replace(
            training=self.training.replace(seed=seed),
            loss="rejection",
            num_prompts=self.num_prompts,
            samples=self.samples,
            temperature=self.temperature,
            prompts_per_batch=self.prompts_per_batch,
        )

    def judging(self, number: int) -> PreferenceConfig:
        """Return how the reward model of a round learns: from all lists of a prompt, sampled as hotly."""
        seed = derive_seed(self.training.seed, STAGE, "reward", number)
        return self.reward_model.replace(
            training=self.reward_model.training.replace(seed=seed), loss="pro", temperature=self.temperature
        )


def learn_best_of(
    lm: LanguageModel,
    asks: Sequence[Ask],
    config: BestOfConfig,
    folder: Path,
    *,
    judge: Judge,
    select: str | None = None,
    **options: Any,
) -> LanguageModel:
    """Train a language model on the best of its own lists, round by round; finished rounds are kept.

    Args:
        lm: trained in place.
        asks: what is asked; the reward model learns from one half, the policy from the other.
        config: settings.
        folder: receives a folder per round and rounds.json: the reward model's accuracy on held-out pairs,
            and what the best of n is worth by the judge against any of n.
        judge: says what lists are really worth, by held-out clicks.
        select: validation metric whose best weights a round keeps.
        options: `evaluate` and `sample`, as of `prefer`.
    """
    halves = in_halves(asks, numpy_rng(config.training.seed, STAGE, "halves"))
    found = read_json(folder / "rounds.json") if (folder / "rounds.json").is_file() else []
    if found:
        done, _ = load_weights(str(folder / f"round-{len(found) - 1}" / "model"), local_only=True)
        lm.model.load_state_dict(done.state_dict())
    for number in range(len(found), config.rounds):
        place = folder / f"round-{number}"
        learned = config.judging(number)
        groups = sample_groups(lm, halves[0], learned, judge)
        model, result = fit_reward_model(lm, groups, learned, place / "reward-model")
        chosen = ModelJudge(model, lm)
        worth = _best_against_any(lm, halves[1], config.policy(number), chosen, judge)
        prefer(lm, halves[1], config.policy(number), place, judge=chosen, select=select, **options)
        lm.save_whole(place / "model")
        found.append({"round": number, "held_out_accuracy": result.best_metric, **worth})
        if is_first():
            write_json(folder / "rounds.json", found)
    return lm


def _best_against_any(
    lm: LanguageModel, asks: Sequence[Ask], config: PreferenceConfig, chosen: Judge, judge: Judge
) -> dict[str, float]:
    """Return what the list that the reward model prefers is worth by the judge, and what any list is."""
    some = asks[:_CHECKED]
    roll = roll_free if config.free else roll_constrained
    lists = roll(
        lm,
        some,
        samples=config.samples,
        temperature=config.temperature,
        seed=derive_seed(config.training.seed, STAGE, "checked"),
    )
    best = [[one] for one in best_of(some, lists, chosen)]
    total = [[one.total for one in group] for group in judge(some, lists)]
    kept = [group[0].total for group in judge(some, best)]
    return {"best_of_n": float(np.mean(kept)), "any_of_n": float(np.mean(total))}
