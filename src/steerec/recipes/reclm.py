"""The RecLM family: the published systems themselves, as near as they are sound."""

from __future__ import annotations

from steerec.align.critic import CriticConfig
from steerec.align.objectives import Objective
from steerec.align.rewards.judge import PublishedRewardConfig
from steerec.align.rl_config import RlConfig
from steerec.instruct.mixture import CategorySources, MixtureConfig
from steerec.llm.lora import LoraConfig
from steerec.llm.smollm2 import SmolLM2Config
from steerec.loop import TrainingConfig
from steerec.recipes.controllable import PAPER, smollm2
from steerec.recipes.paper import WANTS_GPU
from steerec.run_config import RunConfig

_USERS, _ITEMS = 943, 1682  # ml-100k: the published mixture is per user and per item
_EVERYWHERE = CategorySources(target=0, history=0, teacher=0, uniform=1)


def gen_sft() -> RunConfig:
    """The supervised stage of RecLM-gen: its tasks in its proportions, its history of ten, its optimiser."""
    parent = smollm2()
    assert parent.sft is not None
    return parent.replace(
        recipe="reclm-gen-sft",
        paper=PAPER.replace(
            ours=WANTS_GPU,
            sources={
                "mixture": "public code: SeqRec, PersonalControlRec, PersonalCategoryRate 1 per user, "
                "ControlRec_re 1 per item, ShareGPT 0.5 of the rest",
                "optimiser": "public code: AdamW 1e-3, weight decay .01, eps 1e-5, quadratic decay, "
                "warm-up 1.25 %",
                "adapters": "public code: LoRA r 16, alpha 8, dropout .1",
            },
            departures=(
                "SmolLM2-135M-Instruct instead of Llama-2-7b-chat",
                "own general conversation instead of ShareGPT, which cannot be shipped",
                "the output head carries no adapter",
                "the true next item stands in control labels that may contain it; proportion labels keep "
                "the teacher's order; bounds are what the words say (the published labels are inclusive "
                "where the words are strict)",
                "the teacher never hands out items outside the category when a category is short",
                "candidate lists are longer than the answer",
            ),
        ),
        instruct=MixtureConfig(
            num_rows=40 * (3 * _USERS + _ITEMS) * 3 // 2,
            weights={
                "next_items": 0.75 * _USERS,
                "candidates": 0.25 * _USERS,
                "include_category": 0.5 * _USERS,
                "exclude_category": 0.5 * _USERS,
                "share_at_most": 0.5 * _USERS,
                "share_at_least": 0.5 * _USERS,
                "category_to_item": 2 / 3 * _ITEMS,
                "item_to_category": 1 / 3 * _ITEMS,
                "general_chat": 0.5 * (3 * _USERS + _ITEMS),
            },
            include_sources=_EVERYWHERE,
            limit_sources=_EVERYWHERE,
            full_length_share=0.0,
        ),
        llm=SmolLM2Config(max_history=10),
        sft=parent.sft.replace(
            training=TrainingConfig(
                max_steps=4000,
                learning_rate=1e-3,
                weight_decay=0.01,
                adam_epsilon=1e-5,
                warmup_ratio=0.0125,
                lr_scheduler_type="quadratic",
                bf16=True,
                eval_steps=500,
                save_steps=250,
            ),
            history_loss_weight=0.0,
            lora=LoraConfig(r=16, alpha=8.0, dropout=0.1),
        ),
    )


PUBLISHED_TASKS = (
    "next_items",
    "include_category",
    "exclude_category",
    "share_at_most",
    "share_at_least",
    "share_about",
)


def gen() -> RunConfig:
    """RecLM-gen whole: its supervised stage, then PPO on its item and list rewards, with its constants."""
    parent = gen_sft()
    assert parent.instruct is not None
    assert parent.sft is not None
    learned = parent.instruct.weights
    return parent.replace(
        recipe="reclm-gen",
        paper=parent.paper.replace(
            sources={
                **parent.paper.sources,
                "rewards": "public code: item rewards NR-13/19, list rewards NR-17/18, combination NR-20",
                "ppo": "public code: clip .2, value weight .1, KL .3 a token, gamma .99, lambda 1, rewards "
                "divided by their deviation, advantages whitened, 4 updates a rollout, AdamW 5e-6",
            },
            departures=(
                *parent.paper.departures,
                "two samples a prompt instead of one greedy and one sample; temperature 1, no top-k: the "
                "policy is what was sampled from",
                "PPO on the sampled tokens, not on text spelled again",
                "the value head is in the optimiser, and the reference is frozen whole",
                "no entropy bonus; the policy's KL stops nothing",
                "all weights are trained instead of adapters of rank 4 and the output head",
                "requests are those of the mixture, in its shares: lists of 1 to 10 items, not 6 to 10; "
                '"about" is asked here and never fine-tuned on, as published',
                "steps count updates, not rollouts: 3000 are 750 rollouts of 32 prompts",
                "a title outside the catalogue stands for the first item, as published",
            ),
        ),
        evaluation=parent.evaluation.replace(with_sft=True, published_names=True),
        instruct=parent.instruct.replace(
            num_rows=parent.instruct.num_rows + 20 * _USERS,
            weights=learned | {"share_about": 0.5 * _USERS},
        ),
        sft=parent.sft.replace(tasks=tuple(learned)),
        align=RlConfig(
            training=TrainingConfig(
                max_steps=3000,
                learning_rate=5e-6,
                warmup_ratio=0.02,
                lr_scheduler_type="quadratic",
                max_grad_norm=0.5,
                bf16=True,
                eval_steps=500,
                save_steps=100,
            ),
            objective=Objective(),
            free_reward=PublishedRewardConfig(),
            free_share=1.0,
            prompts_per_step=32,
            samples=2,
            updates_per_rollout=4,
            critic=CriticConfig(),
            max_prompt_tokens=512,
            tasks=PUBLISHED_TASKS,
            select="control_satisfaction@k",
        ),
    )
