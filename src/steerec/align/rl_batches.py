"""What a step of reinforcement learning learns from: lists sampled by the model as it is, and judged.

Legend: B lists of a micro-batch, T most decisions of a list, S samples of a prompt.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from steerec.align.all_actions import Choices, item_tokens, lay_out_choices
from steerec.align.credit import Judged, advantages_by_entry, padded, token_rewards
from steerec.align.critic import ActorCritic, Targets, ppo_targets
from steerec.align.objectives import loss_weight
from steerec.align.policy import Decisions, lay_out, say
from steerec.align.rewards.entries import usable_entries
from steerec.align.rewards.judge import AskedScores, Judge
from steerec.align.rewards.published import as_rows
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask, Rollout, roll_constrained, roll_free, roll_unique
from steerec.errors import ConfigError
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import hidden_states
from steerec.processes import gathered, place
from steerec.seeding import derive_seed, shuffled

logger = logging.getLogger("steerec")

STAGE = "rl"
MOSTLY = 0.8
"""Share of groups without difference from which on a run is warned of."""
_EARLY = 10
_ROWS = 256
"""Lists decoded together."""


Health = Mapping[str, tuple[float, float]]
"""Name -> a sum and what it is divided by."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RlBatch:
    """Sampled lists, judged."""

    decisions: Decisions | None
    """None where there is nothing to learn: no list is better than another of its group."""
    advantages: Tensor
    """(B, T) float32."""
    old_log_probs: Tensor | None
    """(B, T) of the model that sampled; None: the model as it is."""
    health: Health
    """What the log shows of the rollouts of this micro-batch."""
    targets: Targets | None = None
    """What the value model learns; None without one."""
    choices: Choices | None = None
    """Lists under requests with the worth of every allowed item; None with sampled credit."""
    step: Step | None = None
    """The step that it is a part of."""


class Step(NamedTuple):
    """What all micro-batches of a step have, those of other processes included."""

    policy_weight: float
    """Sum of what the losses of sampled lists are divided by; 0 where there is nothing to learn."""
    choices_weight: float
    """The same of the lists whose every allowed item has its worth."""
    micro_batches: int
    health: dict[str, float]
    """Means over all lists, or groups."""

    @property
    def divisor(self) -> float:
        """What the loss of the step is divided by."""
        return self.policy_weight or 1.0


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

        Raises:
            ConfigError: all_actions without scores, or with a model that spells items by several tokens.
        """
        if config.all_actions is not None:
            item_tokens(lm)
            if scores is None:
                raise ConfigError(
                    "all_actions learns from a teacher's word on every item, and there is none. Give scores, "
                    "see judge.asked_scores, or leave all_actions out."
                )
        self.scores = scores
        self.lm, self.asks, self.config = lm, asks, config
        self.actor, self.reference = actor, reference
        self.free, self.constrained = free, constrained
        self.micro_batches = config.training.gradient_accumulation_steps
        self._kept: dict[int, RlBatch] = {}
        self._silent: list[float] = []

    def __call__(self, step: int, micro: int) -> RlBatch:
        """Return the lists of a micro-batch, sampled by the model as it is at the first step they serve.

        All micro-batches of this process are sampled at once: what a loss is divided by is a sum over them.
        """
        rank, processes = place()
        if step % self.config.updates_per_rollout == 0 and micro == rank:
            number, mine = step // self.config.updates_per_rollout, range(rank, self.micro_batches, processes)
            self._kept = self._together({each: self._sample(number, each) for each in mine})
        return self._kept[micro]

    def _together(self, batches: Mapping[int, RlBatch]) -> dict[int, RlBatch]:
        """Tell each micro-batch of the whole step."""
        parts = [
            (
                0.0 if one.decisions is None else loss_weight(one.decisions.mask, self.config.objective),
                0.0 if one.choices is None else float(one.choices.weights.sum()),
                one.health,
            )
            for one in batches.values()
        ]
        everybodys = [part for process in gathered(parts) for part in process]
        totals: dict[str, tuple[float, float]] = {}
        for _, _, health in everybodys:
            for name, (value, weight) in health.items():
                before = totals.get(name, (0.0, 0.0))
                totals[name] = before[0] + value, before[1] + weight
        step = Step(
            policy_weight=sum(part[0] for part in everybodys),
            choices_weight=sum(part[1] for part in everybodys),
            micro_batches=self.micro_batches,
            health={name: value / weight for name, (value, weight) in totals.items()},
        )
        self._warn_early(step)
        return {micro: dataclasses.replace(one, step=step) for micro, one in batches.items()}

    def _warn_early(self, step: Step) -> None:
        """Say after a few steps that most groups teach nothing: nobody should wait an hour to read it."""
        self._silent.append(step.health.get("zero_advantage_groups", 0.0))
        if len(self._silent) == _EARLY and np.mean(self._silent) > MOSTLY:
            logger.warning("%s, after %d rollouts: %s", STAGE, _EARLY, hopeless(float(np.mean(self._silent))))

    def _sample(self, number: int, micro: int) -> RlBatch:
        config, lm = self.config, self.lm
        size = config.prompts_per_step // self.micro_batches
        first = number * config.prompts_per_step + micro * size
        asks = shuffled(self.asks, first, size, config.training.seed, STAGE, "order")
        # Shares of the step, not of the micro-batch: several that hold few prompts have it together.
        split = round(config.free_share * size * (micro + 1)) - round(config.free_share * size * micro)
        seed = derive_seed(config.training.seed, STAGE, number, micro)
        options: dict[str, Any] = {
            "samples": config.samples,
            "temperature": config.temperature,
            "seed": seed,
        }
        lm.model.eval()
        groups = roll_free(lm, asks[:split], batch_size=_ROWS, **options) if split else []
        if config.all_actions is not None:
            return self._with_choices(asks, groups, split, seed)
        if split < size and config.unique:
            groups = [*groups, *roll_unique(lm, asks[split:], samples=config.samples)]
        elif split < size:
            groups = [*groups, *roll_constrained(lm, asks[split:], batch_size=_ROWS, **options)]
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
        health = {
            **_health(asks[:split], groups[:split], judged[:split], "free"),
            **_health(asks[split:], groups[split:], judged[split:], "constrained"),
        }
        if config.critic is not None:
            return self._valued(asks, groups, judged, health)
        advantages = [
            advantages_by_entry(
                group,
                worth,
                leave_one_out=config.advantage == "leave_one_out",
                scale=config.scale_advantages and config.advantage != "greedy",
                baseline=greedy,
            )
            for group, worth, greedy in zip(groups, judged, self._greedy(asks, split), strict=True)
        ]
        decided = [all(len(rollout.decided) for rollout in group) for group in groups]
        different = [any(np.any(one) for one in values) for values in advantages]
        both = np.array(decided) & np.array(different)
        health["zero_advantage_groups"] = float((~both).sum()), float(len(groups))
        telling = np.flatnonzero(both if config.drop_silent_groups else decided).tolist()
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
        health: Health,
    ) -> RlBatch:
        """Judge by the value model; lists without any decision teach nothing and are left out."""
        config = self.config
        assert config.critic is not None
        assert self.actor is not None
        assert self.reference is not None
        kept = [k for k, group in enumerate(groups) if all(len(rollout.decided) for rollout in group)]
        if not kept:
            return RlBatch(decisions=None, advantages=torch.zeros(0), old_log_probs=None, health=health)
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


def hopeless(share: float) -> str:
    """Return in words that a share of the groups teaches nothing."""
    return (
        f"In {share:.0%} of the groups all lists were worth the same: nothing could be learned there. Sample "
        "more lists per prompt, or at a higher temperature, or choose finer rewards."
    )


def _health(
    asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]], judged: Sequence[Sequence[Judged]], kind: str
) -> dict[str, tuple[float, float]]:
    """Return sums over lists: rewards and their parts, how far rewards differ, entries that are invalid."""
    lists = [one for group in judged for one in group]
    if not lists:
        return {}
    size = float(len(lists))
    totals = np.array([one.total for one in lists])
    found = {name: (float(sum(one.parts[name] for one in lists)), size) for name in lists[0].parts}
    found |= {"reward": (float(totals.sum()), size), "reward_spread": (float(totals.std()) * size, size)}
    written = sum(len(rollout.items) for group in groups for rollout in group)
    found["invalid"] = float(written - _num_usable(asks, groups)), float(max(written, 1))
    return {f"{kind}_{name}": value for name, value in found.items()}


def _num_usable(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]]) -> int:
    """Return how many entries are items, may be recommended, and are of no work listed before."""
    usable = 0
    for ask, group in zip(asks, groups, strict=True):
        rows = as_rows([[-1 if item is None else item for item in rollout.items] for rollout in group])
        usable += int(usable_entries(ask.problem, rows).sum())
    return usable
