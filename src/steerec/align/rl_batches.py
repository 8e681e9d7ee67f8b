"""What a step of reinforcement learning learns from: lists sampled by the model as it is, and judged.

Legend: B lists of a micro-batch, T most decisions of a list, S samples of a prompt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steerec.align.all_actions import (
    Choices,
    item_tokens,
    lay_out_choices,
)
from steerec.align.credit import Judged, advantages_by_entry, padded, token_rewards
from steerec.align.critic import ActorCritic, Targets, ppo_targets
from steerec.align.policy import Decisions, lay_out, say
from steerec.align.rewards.judge import AskedScores, Judge
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, roll_constrained, roll_free, roll_unique
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import hidden_states
from steerec.seeding import derive_seed, shuffled

STAGE = "rl"
_ROWS = 128
"""Lists decoded together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RlBatch:
    """Sampled lists, judged."""

    decisions: Decisions | None
    """None where no list is better than another of its group: there is nothing to learn."""
    advantages: Tensor
    """(B, T) float32."""
    old_log_probs: Tensor | None
    """(B, T) of the model that sampled; None: the model as it is."""
    health: dict[str, float]
    """What the log shows of the rollouts."""
    targets: Targets | None = None
    """What the value model learns; None without one."""
    choices: Choices | None = None
    """Lists under requests with the worth of every allowed item; None with sampled credit."""


class RlBatches:
    """`(step, micro) -> RlBatch`: a function of its arguments and of the model's weights."""

    def __init__(
        self,
        lm: LanguageModel,
        asks: Sequence[Ask],
        config: RlConfig,
        *,
        free: Judge,
        constrained: Judge,
        actor: ActorCritic | None = None,
        reference: nn.Module | None = None,
        scores: AskedScores | None = None,
    ) -> None:
        """Prepare the sampling.

        Args:
            lm: samples, and is trained.
            asks: what is asked; every step takes the next ones of a shuffled order.
            config: settings.
            free: judges free lists.
            constrained: judges lists that satisfy their requests.
            actor: the model with its value head; needed with a critic.
            reference: the frozen model; needed with a critic.
            scores: the teacher's word on every item; needed with all_actions.
        """
        if config.all_actions is not None:
            item_tokens(lm)
            assert scores is not None
        self.scores = scores
        self.lm, self.asks, self.config = lm, asks, config
        self.actor, self.reference = actor, reference
        self.free, self.constrained = free, constrained
        self.micro_batches = config.training.gradient_accumulation_steps
        self._kept: dict[int, RlBatch] = {}

    def __call__(self, step: int, micro: int) -> RlBatch:
        """Return the lists of a micro-batch, sampled by the model as it is at the first step they serve."""
        number = step // self.config.updates_per_rollout
        if step % self.config.updates_per_rollout == 0:
            self._kept[micro] = self._sample(number, micro)
        return self._kept[micro]

    def _sample(self, number: int, micro: int) -> RlBatch:
        config, lm = self.config, self.lm
        size = config.prompts_per_step // self.micro_batches
        first = number * config.prompts_per_step + micro * size
        asks = shuffled(self.asks, first, size, config.training.seed, STAGE, "order")
        split = round(config.free_share * size)
        options: dict[str, Any] = {
            "samples": config.samples,
            "temperature": config.temperature,
            "batch_size": _ROWS,
        }
        seed = derive_seed(config.training.seed, STAGE, number, micro)
        lm.model.eval()
        groups = roll_free(lm, asks[:split], seed=seed, **options) if split else []
        if config.all_actions is not None:
            return self._with_choices(asks, groups, split, seed)
        if split < size and config.unique:
            groups = [*groups, *roll_unique(lm, asks[split:], samples=config.samples)]
        elif split < size:
            groups = [*groups, *roll_constrained(lm, asks[split:], seed=seed, **options)]
        return self._judged(asks, groups, self._worth(asks, groups, split), split)

    def _worth(
        self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]], split: int
    ) -> list[Sequence[Judged]]:
        return [*self.free(asks[:split], groups[:split]), *self.constrained(asks[split:], groups[split:])]

    def _greedy(self, asks: Sequence[Ask], split: int) -> Sequence[Judged | None]:
        """Return what the greedy list of each ask is worth, where that is the baseline."""
        if self.config.advantage != "greedy":
            return [None] * len(asks)
        options: dict[str, Any] = {"samples": 1, "temperature": 0.0, "seed": 0, "batch_size": _ROWS}
        groups = roll_free(self.lm, asks[:split], **options) if split else []
        if split < len(asks):
            groups = [*groups, *roll_constrained(self.lm, asks[split:], **options)]
        return [group[0] for group in self._worth(asks, groups, split)]

    def _with_choices(
        self, asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]], split: int, seed: int
    ) -> RlBatch:
        """Judge the free lists, and sample lists under requests with the worth of every allowed item."""
        config, lm = self.config, self.lm
        assert config.all_actions is not None
        assert self.scores is not None
        batch = RlBatch(decisions=None, advantages=torch.zeros(0), old_log_probs=None, health={})
        if split:
            batch = self._judged(asks[:split], groups, self._worth(asks[:split], groups, split), split)
        if split == len(asks):
            return batch
        guided = asks[split:]
        samples, temperature = config.all_actions.samples, config.temperature
        lists = roll_constrained(
            lm, guided, samples=samples, temperature=temperature, seed=seed, batch_size=_ROWS
        )
        choices = lay_out_choices(guided, lists, self.scores(guided), lm, config.all_actions)
        return dataclasses.replace(batch, choices=choices.to(next(lm.model.parameters()).device))

    def _judged(
        self,
        asks: Sequence[Ask],
        groups: Sequence[Sequence[Rollout]],
        judged: Sequence[Sequence[Judged]],
        split: int,
    ) -> RlBatch:
        config = self.config
        health = _health(judged[:split], "free") | _health(judged[split:], "constrained")
        if config.critic is not None:
            return self._valued(asks, groups, judged, health)
        advantages = [
            advantages_by_entry(
                group,
                worth,
                leave_one_out=config.advantage == "leave_one_out",
                scale=config.scale_advantages,
                baseline=greedy,
            )
            for group, worth, greedy in zip(groups, judged, self._greedy(asks, split), strict=True)
        ]
        telling = [
            k
            for k, (group, values) in enumerate(zip(groups, advantages, strict=True))
            if any(np.any(one) for one in values) and all(len(rollout.decided) for rollout in group)
        ]
        health["zero_advantage_groups"] = 1.0 - len(telling) / len(groups)
        if not telling:
            return RlBatch(decisions=None, advantages=torch.zeros(0), old_log_probs=None, health=health)
        decisions = lay_out([asks[k] for k in telling], [groups[k] for k in telling], self.lm.vocab_size)
        device = next(self.lm.model.parameters()).device
        decisions = decisions.to(device)
        old = None
        if config.updates_per_rollout > 1:
            with torch.no_grad():
                old = say(self.lm.model, decisions, temperature=config.temperature).log_probs
        return RlBatch(
            decisions=decisions,
            advantages=padded([one for k in telling for one in advantages[k]]).to(device),
            old_log_probs=old,
            health=health,
        )

    def _valued(
        self,
        asks: Sequence[Ask],
        groups: Sequence[Sequence[Rollout]],
        judged: Sequence[Sequence[Judged]],
        health: dict[str, float],
    ) -> RlBatch:
        """Judge by the value model; lists without any decision teach nothing and are left out."""
        config = self.config
        assert config.critic is not None
        assert self.actor is not None
        assert self.reference is not None
        kept = [k for k, group in enumerate(groups) if all(len(rollout.decided) for rollout in group)]
        device = next(self.lm.model.parameters()).device
        lists = [groups[k] for k in kept]
        decisions = lay_out([asks[k] for k in kept], lists, self.lm.vocab_size).to(device)
        flat = [rollout for group in lists for rollout in group]
        rewards = token_rewards(flat, [worth for k in kept for worth in judged[k]]).to(device)
        with torch.no_grad():
            states = hidden_states(self.lm.model, decisions.packed)
            now = say(self.lm.model, decisions, temperature=config.temperature, states=states).log_probs
            held = say(self.reference, decisions, temperature=config.temperature).log_probs
            values = self.actor.values(states, decisions)
            targets = ppo_targets(rewards, values, now, held, decisions.mask, config.critic)
        return RlBatch(
            decisions=decisions,
            advantages=targets.advantages,
            old_log_probs=now,
            health=health,
            targets=targets,
        )


def _health(judged: Sequence[Sequence[Judged]], kind: str) -> dict[str, float]:
    lists = [one for group in judged for one in group]
    if not lists:
        return {}
    means = {name: float(np.mean([one.parts[name] for one in lists])) for name in lists[0].parts}
    means["reward"] = float(np.mean([one.total for one in lists]))
    return {f"{kind}_{name}": value for name, value in means.items()}
