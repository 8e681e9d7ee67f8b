"""Reinforcement learning after fine-tuning: the published stage, repaired, and what came after it."""

from __future__ import annotations

from steerec.align.objectives import Objective
from steerec.align.rewards.own import RewardConfig
from steerec.align.rl import RlConfig
from steerec.loop import TrainingConfig
from steerec.recipes.controllable import PAPER, tiny
from steerec.run import RunConfig


def tiny_grpo() -> RunConfig:
    """The demo's model, then GRPO: half of the lists written freely, half under their requests."""
    return tiny().replace(
        recipe="controllable-tiny-grpo",
        paper=PAPER.replace(
            ours="see docs/LOG.md",
            sources={
                "objective": "Shao et al. 2024, arXiv 2402.03300, equation 3",
                "rewards": "section 4.2: item and list rewards; ours follow from the request itself",
            },
            departures=(
                "GRPO instead of PPO, on the tokens that were really sampled",
                "half of the lists are sampled under their requests: they learn ranking, free ones obedience",
                "item rewards count from their item on only; the baseline is the group's at the same item",
                "the reference is a frozen copy of the whole model",
            ),
        ),
        rl=RlConfig(
            training=TrainingConfig(
                max_steps=200,
                learning_rate=1e-4,
                warmup_ratio=0.05,
                bf16=True,
                eval_steps=50,
                save_steps=25,
            ),
            objective=Objective(aggregation="sequence", kl_weight=0.02),
            free_reward=RewardConfig(satisfaction=1, gap=1, ranking=0.5, regret=0, place=1),
            constrained_reward=RewardConfig(satisfaction=0, gap=0, ranking=1, regret=0),
        ),
    )
