"""A learned reward: which of two lists is better, from pairs (Ouyang et al. 2022, arXiv 2203.02155).

The pairs are lists that were sampled for the same prompt, the better one judged so by a held-out click or by
any other judge. The model is a copy of the language model with one number read off a list's last token.

Legend: P prompts of a batch, S lists of a prompt, B = P * S lists, W width of the model.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from steerec.align.credit import Judged
from steerec.align.policy import Decisions, lay_out
from steerec.align.preferring import Group, GroupBatches, PreferenceBatch, PreferenceConfig
from steerec.align.rewards.judge import Judge
from steerec.align.rollouts import Ask, Rollout
from steerec.errors import DataError
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import hidden_states
from steerec.loop import StepOutput, TrainingResult, train
from steerec.seeding import numpy_rng

STAGE = "reward-model"
_HELD_OUT = 0.1
"""Share of the groups that accuracy is measured on."""


class RewardModel(nn.Module):
    """A language model's body with one number on top."""

    def __init__(self, body: Any) -> None:
        """Put a new head, which says 0, on a body of its own.

        Args:
            body: a Hugging Face causal model; trained with the head.
        """
        super().__init__()
        self.body = body
        self.head = nn.Linear(int(body.config.hidden_size), 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.head.to(next(body.parameters()).device)

    def forward(self, decisions: Decisions) -> Tensor:
        """Return what each list is worth, (B,) float32; only differences within a prompt mean anything."""
        states = hidden_states(self.body, decisions.packed).flatten(0, 1)[decisions.last]  # (B, W)
        worth: Tensor = self.head(states)[:, 0].float()
        return worth


def pairwise_loss(worth: Tensor, rewards: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the summed loss, the number of pairs, and how many of them are in the right order.

    `-log sigmoid(r_better - r_worse)` over all pairs of a prompt whose judged rewards differ.

    Args:
        worth: (P, S) of the reward model.
        rewards: (P, S) as judged.
    """
    better = rewards[:, :, None] > rewards[:, None, :]  # (P, S, S)
    margin = worth[:, :, None] - worth[:, None, :]
    loss = torch.where(better, -functional.logsigmoid(margin), 0.0).sum()
    return loss, better.sum(), (better & (margin > 0)).sum()


def fit_reward_model(
    lm: LanguageModel, groups: Sequence[Group], config: PreferenceConfig, folder: Path
) -> tuple[RewardModel, TrainingResult]:
    """Learn from ranked groups; the weights with the best accuracy on held-out groups are kept.

    Args:
        lm: its weights are copied, not changed.
        groups: of `preferring.sample_groups`; a tenth of them, by the seed, is held out.
        config: its `training` and `prompts_per_batch` are used.
        folder: receives metrics.jsonl, and checkpoints while training runs.

    Returns:
        The reward model, and the course of training with "accuracy" on held-out pairs.

    Raises:
        DataError: fewer than two groups.
    """
    if len(groups) < 2:
        raise DataError(f"A reward model needs groups to learn from and to be tested on; got {len(groups)}.")
    order = numpy_rng(config.training.seed, STAGE, "held-out").permutation(len(groups))
    size = max(1, round(_HELD_OUT * len(groups)))
    held = [groups[int(i)] for i in order[:size]]
    model = RewardModel(copy.deepcopy(lm.model))
    batches = GroupBatches(lm, [groups[int(i)] for i in order[size:]], config)

    def step(trained: nn.Module, batch: PreferenceBatch) -> StepOutput:
        worth = trained(batch.decisions).view_as(batch.rewards)
        loss, pairs, right = pairwise_loss(worth, batch.rewards)
        return StepOutput(loss, float(pairs), {"accuracy": float(right)}, batch.decisions.packed.num_tokens)

    def evaluate(trained: nn.Module) -> dict[str, float]:
        pairs = right = 0.0
        for start in range(0, len(held), config.prompts_per_batch):
            batch = batches.of(held[start : start + config.prompts_per_batch])
            worth = trained(batch.decisions).view_as(batch.rewards)
            _, number, correct = pairwise_loss(worth, batch.rewards)
            pairs, right = pairs + float(number), right + float(correct)
        return {"held_out_accuracy": right / max(pairs, 1.0)}

    result = train(
        model,
        batches,
        step,
        config.training,
        folder,
        stage=STAGE,
        evaluate=evaluate,
        select="held_out_accuracy",
    )
    return model.eval(), result


class ModelJudge:
    """A reward model as a judge: the whole list gets its number."""

    def __init__(self, model: RewardModel, lm: LanguageModel, *, truth: Judge | None = None) -> None:
        """Prepare.

        Args:
            model: a fitted reward model.
            lm: gives the size of the vocabulary.
            truth: another judge, whose word is shown beside the reward model's and changes nothing.
        """
        self.model, self.vocab_size, self.truth = model, lm.vocab_size, truth

    def __call__(self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> list[list[Judged]]:
        """Return what the lists sampled for each ask are worth."""
        if not asks:
            return []
        device = next(self.model.parameters()).device
        with torch.no_grad():
            worth = iter(self.model(lay_out(asks, groups, self.vocab_size).to(device)).cpu().tolist())
        found = [[_by_model(rollout, next(worth)) for rollout in group] for group in groups]
        if self.truth is None:
            return found
        true = self.truth(asks, groups)
        return [
            [
                one._replace(parts={**one.parts, "judged": other.total})
                for one, other in zip(*pair, strict=True)
            ]
            for pair in zip(found, true, strict=True)
        ]


def _by_model(rollout: Rollout, worth: float) -> Judged:
    return Judged(np.zeros(len(rollout.items)), worth, {"reward_model": worth})


def best_of(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]], judge: Judge) -> list[Rollout]:
    """Return the best list of every group (best-of-n; the first of equals)."""
    chosen = []
    for group, worth in zip(groups, judge(asks, groups), strict=True):
        chosen.append(group[int(np.argmax([one.total for one in worth]))])
    return chosen
