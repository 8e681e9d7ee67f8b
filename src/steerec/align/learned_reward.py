"""Reinforcement learning from judgements: a reward that is learned from which of two lists is preferred.

Lists are sampled by the model as it comes and judged in pairs, a reward model learns the judgements, and its
word is what lists are rewarded for (Ouyang et al. 2022, arXiv 2203.02155). Who judges is a setting: held-out
clicks (a reward that ranks), or a simulated person, whose word is any reward plus noise.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pydantic
from safetensors.torch import load_file

from steerec.align.credit import Judged
from steerec.align.preferring import PreferenceConfig, sample_groups
from steerec.align.reward_model import ModelJudge, RewardModel, fit_reward_model
from steerec.align.rewards.judge import Judge
from steerec.align.rollouts import Ask, Rollout
from steerec.artifacts import write_json
from steerec.config import Config
from steerec.llm.language_model import LanguageModel
from steerec.loop import copy_tensors, save_tensors
from steerec.processes import agreed, is_first, wait
from steerec.seeding import numpy_rng

MODEL, ACCURACY = "model.safetensors", "accuracy.json"


class LearnedRewardConfig(Config):
    """A reward that is learned from judgements."""

    kind: Literal["learned"] = "learned"
    """Which reward this configures."""
    pairs: PreferenceConfig
    """Which lists are judged, how the reward model learns from them, and by `reward` what makes a list the
    better one: `ranking` alone is the click that was held out. It sees all lists of a prompt, whatever `loss`
    says."""
    noise: pydantic.NonNegativeFloat = 0.0
    """Scale of what is added to each judged reward, drawn from a Gumbel distribution, so that judgements
    follow Bradley and Terry: a simulated person, who does not always agree with themselves. 0: exact."""


def mistaken(judge: Judge, noise: float, seed: int) -> Judge:
    """Return a judge whose word is another one's plus noise; two lists change places the likelier, the nearer
    they are.

    Args:
        judge: what lists are really worth.
        noise: scale of the Gumbel noise; P(a before b) = 1 / (1 + exp((b - a) / noise)).
        seed: of the noise; the same calls in the same order hear the same.
    """
    if not noise:
        return judge
    rng = numpy_rng(seed, "judgements")

    def judging(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        return [
            [one._replace(whole=one.whole + float(rng.gumbel(scale=noise))) for one in worth]
            for worth in judge(asks, groups)
        ]

    return judging


def learned_judge(
    lm: LanguageModel, asks: Sequence[Ask], config: LearnedRewardConfig, folder: Path, *, truth: Judge
) -> ModelJudge:
    """Return a judge that was learned from judgements; one that a folder holds is not learned again.

    Args:
        lm: samples the lists, as it is; its weights are copied, not changed.
        asks: what is asked; leave what the policy is trained on out of it.
        config: settings.
        folder: receives the reward model, its log, and accuracy.json: the share of held-out pairs in whose
            order it agrees with the judgements.
        truth: what lists are really worth, which is judged and shown beside the learned reward in the log.
    """
    seed = config.pairs.training.seed
    model = RewardModel(copy.deepcopy(lm.model))
    if agreed((folder / MODEL).is_file()):
        copy_tensors(dict(model.named_parameters()), load_file(folder / MODEL))
    else:
        pairs = config.pairs.replace(loss="pro")
        groups = sample_groups(lm, asks, pairs, mistaken(truth, config.noise, seed))
        model, result = fit_reward_model(lm, groups, pairs, folder)
        if is_first():
            write_json(folder / ACCURACY, {"held_out_accuracy": result.best_metric})
            save_tensors(folder / MODEL, dict(model.named_parameters()))
        wait()
    return ModelJudge(model.eval(), lm, truth=truth)
