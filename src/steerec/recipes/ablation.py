"""The published ablation, on the demo's model: what each part of the system adds to the one before.

next items only -> all tasks (`controllable-tiny`) -> PPO on item rewards, on list rewards, on both; and both
with the value head as it was published, which never learns.
"""

from __future__ import annotations

from typing import Any

from steerec.align.critic import CriticConfig
from steerec.align.objectives import Objective
from steerec.align.rewards.judge import PublishedRewardConfig
from steerec.align.rl_config import RlConfig
from steerec.instruct.mixture import MixtureConfig
from steerec.loop import TrainingConfig
from steerec.recipes.controllable import PAPER, tiny
from steerec.recipes.reclm import PUBLISHED_TASKS
from steerec.run_config import RunConfig

_BOTH = (
    "ml-100k, last-five test, 3 seeds, over fine-tuning: obeys unseen words +0.2 points [-1.1, +1.4], "
    "NDCG@10 -.0019 [-.0039, +.0001], invalid items -0.3 points [-0.6, -0.1]"
)
_ONE_SEED = "ml-100k, last-five validation, one seed, over fine-tuning: "
_ONE_TASK = (
    "ml-100k, last-five validation, one seed, less than with all tasks: obeys -19.9 points [-23.7, -16.2], "
    "NDCG@10 under control -.0419 [-.0598, -.0238], plain -.0047 [-.0122, +.0028]"
)
_OURS = {
    "controllable-tiny-ppo": _BOTH,
    "ablation-item-rewards": _ONE_SEED + "NDCG@10 +.0010 [-.0034, +.0054], obeys +0.0 points [-2.1, +2.2]",
    "ablation-list-rewards": _ONE_SEED + "NDCG@10 -.0023 [-.0081, +.0036], obeys +0.3 points [-1.8, +2.3]",
    "ablation-published-ppo": _ONE_SEED + "NDCG@10 -.0009 [-.0068, +.0049], obeys +2.3 points [+0.1, +4.5]",
}


def next_items() -> RunConfig:
    """Fine-tuning on the next items of a history alone: what a recommender without control is."""
    parent = tiny()
    assert parent.instruct is not None
    only = MixtureConfig(num_rows=parent.instruct.num_rows, weights={"next_items": 1.0})
    return parent.replace(
        recipe="ablation-next-items",
        paper=PAPER.replace(
            ours=_ONE_TASK,
            departures=("one task only, as in the ablation",),
        ),
        instruct=only,
    )


def item_rewards() -> RunConfig:
    """All tasks, then PPO on the item rewards alone."""
    return _ppo("ablation-item-rewards", PublishedRewardConfig(list_rewards=False))


def list_rewards() -> RunConfig:
    """All tasks, then PPO on the list rewards alone."""
    return _ppo("ablation-list-rewards", PublishedRewardConfig(item_rewards=False))


def both_rewards() -> RunConfig:
    """All tasks, then PPO on item and list rewards: the published system on the demo's model, repaired."""
    return _ppo("controllable-tiny-ppo", PublishedRewardConfig())


def published_ppo() -> RunConfig:
    """The same with a value head that is not in the optimiser, as in the published code."""
    return _ppo("ablation-published-ppo", PublishedRewardConfig(), trained=False)


def _ppo(recipe: str, reward: PublishedRewardConfig, **critic: Any) -> RunConfig:
    return tiny().replace(
        recipe=recipe,
        paper=PAPER.replace(
            ours=_OURS[recipe],
            sources={
                "rewards": "public code: item rewards NR-13/19, list rewards NR-17/18, combination NR-20",
                "ppo": "public code: clip .2, value weight .1, KL .3 a token, gamma .99, lambda 1, rewards "
                "divided by their deviation, advantages whitened, 4 updates a rollout",
            },
            departures=(
                "a model of a million weights, all trained, at a learning rate of 5e-5 instead of 5e-6",
                "PPO on the sampled tokens, at temperature 1; the reference is frozen whole",
                "the value head is in the optimiser"
                if critic.get("trained", True)
                else "the value head keeps its random start, as in the published code",
            ),
        ),
        align=RlConfig(
            training=TrainingConfig(
                max_steps=400,
                learning_rate=5e-5,
                warmup_ratio=0.02,
                lr_scheduler_type="quadratic",
                max_grad_norm=0.5,
                bf16=True,
                eval_steps=100,
                save_steps=100,
            ),
            objective=Objective(),
            free_reward=reward,
            free_share=1.0,
            prompts_per_step=64,
            samples=4,
            updates_per_rollout=4,
            critic=CriticConfig(**critic),
            tasks=PUBLISHED_TASKS,
            select="control_satisfaction@k",
        ),
    )
