"""Learning from preferences between sampled lists: DPO, S-DPO, PRO, and rejection sampling.

The lists are sampled once, by the model as it comes, and judged; then the model learns to prefer the better
ones, without sampling again.

Legend: P prompts of a batch, S lists of a prompt.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch
from torch import Tensor, nn

from steerec.align.policy import Decisions, lay_out, say
from steerec.align.preference import PreferenceLoss, dpo, implicit_rewards, pro, s_dpo
from steerec.align.rewards.judge import Judge, PublishedRewardConfig
from steerec.align.rewards.own import RewardConfig
from steerec.align.rollouts import Ask, Rollout, roll_constrained, roll_free
from steerec.align.sft import Evaluate, Journal, Sample, Selected
from steerec.config import Config
from steerec.errors import DataError
from steerec.llm.language_model import LanguageModel
from steerec.loop import CHECKPOINT, StepOutput, TrainingConfig, TrainingResult, train
from steerec.progress import progress
from steerec.seeding import derive_seed, numpy_rng, shuffled

STAGE = "preference"
_CHUNK = 64
"""Prompts between two steps of the progress bar."""


class PreferenceConfig(Config):
    """Settings of learning from preferences."""

    kind: Literal["preference"] = "preference"
    """Which way of aligning this configures."""
    training: TrainingConfig
    """Optimisation."""
    loss: Literal["dpo", "s_dpo", "pro", "rejection"] = "dpo"
    """dpo: best against worst list; s_dpo: best against some others; pro: all in their order; rejection:
    likelihood of the best list alone (rejection sampling, as RAFT, Dong et al. 2023, arXiv 2304.06767)."""
    beta: pydantic.PositiveFloat = 0.1
    """Reward per nat of dpo and s_dpo."""
    sft_weight: pydantic.NonNegativeFloat = 0.05
    """Weight of the best list's likelihood in pro."""
    num_rejected: pydantic.PositiveInt = 3
    """Others that s_dpo sees, the worst ones, all worse than the best."""
    num_prompts: pydantic.PositiveInt = 4000
    """Prompts that lists are sampled for, before training."""
    samples: int = pydantic.Field(8, ge=2)
    """Lists per prompt."""
    free: bool = False
    """Whether lists are written freely, or under their requests."""
    temperature: pydantic.PositiveFloat = 1.0
    """Of the sampling."""
    prompts_per_batch: pydantic.PositiveInt = 16
    """P."""
    max_prompt_tokens: pydantic.PositiveInt = 128
    """Longest prompt; older history is left out."""
    reward: RewardConfig | PublishedRewardConfig = RewardConfig(satisfaction=0, gap=0, ranking=1, regret=0.5)
    """What makes a list better."""
    tasks: tuple[str, ...] | None = None
    """Tasks of the instruction rows that are asked; None: all that ask a user's list."""
    select: Selected = "ndcg@10"
    """Validation metric whose best weights are kept."""


class Group(NamedTuple):
    """Lists of one prompt, best first."""

    ask: Ask
    lists: tuple[Rollout, ...]
    rewards: tuple[float, ...]


class PreferenceBatch(NamedTuple):
    """P prompts with S lists each."""

    decisions: Decisions
    """Their P * S lists, prompt by prompt, best first."""
    rewards: Tensor
    """(P, S)."""


def sample_groups(
    lm: LanguageModel, asks: Sequence[Ask], config: PreferenceConfig, judge: Judge
) -> list[Group]:
    """Sample and judge lists; groups whose lists are all worth the same are left out.

    Raises:
        DataError: no group has a better and a worse list.
    """
    seed = config.training.seed
    order = numpy_rng(seed, STAGE, "prompts").permutation(len(asks))[: config.num_prompts]
    roll = roll_free if config.free else roll_constrained
    groups = []
    lm.model.eval()
    with progress("sampling lists", total=len(order), unit="prompts") as bar:
        for start in range(0, len(order), _CHUNK):
            chosen = [asks[int(i)] for i in order[start : start + _CHUNK]]
            lists = roll(
                lm,
                chosen,
                samples=config.samples,
                temperature=config.temperature,
                seed=derive_seed(seed, STAGE, start),
            )
            for ask, group, worth in zip(chosen, lists, judge(chosen, lists), strict=True):
                totals = np.array([one.total for one in worth])
                best_first = np.argsort(-totals, kind="stable")
                if totals.max() > totals.min() and all(len(one.decided) for one in group):
                    ranked = tuple(group[int(i)] for i in best_first)
                    groups.append(Group(ask, ranked, tuple(totals[best_first].tolist())))
            bar.advance(len(chosen))
    if not groups:
        raise DataError(
            f"In none of the {len(order)} groups is one list better than another: nothing to prefer. "
            "Sample more lists per prompt or choose finer rewards."
        )
    return [_shown(group, config) for group in groups]


def _shown(group: Group, config: PreferenceConfig) -> Group:
    """Keep the lists that the loss looks at; s_dpo rejects none that is as good as the chosen one."""
    worst = {"dpo": 1, "s_dpo": config.num_rejected, "pro": config.samples - 1, "rejection": 0}[config.loss]
    kept = [0, *range(max(1, config.samples - worst), config.samples)] if worst else [0]
    if config.loss == "s_dpo":
        worse = [place for place, reward in enumerate(group.rewards) if reward < group.rewards[0]][-worst:]
        # As many in every group: where fewer are worse, the worst are rejected again.
        kept = [0, *sorted(worse[-1 - k % len(worse)] for k in range(len(kept) - 1))]
    return Group(group.ask, tuple(group.lists[i] for i in kept), tuple(group.rewards[i] for i in kept))


def preference_step(
    config: PreferenceConfig, reference: nn.Module | None
) -> Callable[[nn.Module, PreferenceBatch], StepOutput]:
    """Return the step function; a reference is needed by dpo and s_dpo."""

    def step(model: nn.Module, batch: PreferenceBatch) -> StepOutput:
        now = _log_probs(model, batch, config)  # (P, S)
        tokens = batch.decisions.packed.num_tokens
        if config.loss == "rejection":
            return StepOutput(-now.sum(), float(batch.decisions.mask.sum()), {}, tokens)
        if config.loss == "pro":
            lengths = batch.decisions.mask.sum(dim=1).view_as(now)
            found = pro(now, lengths, batch.rewards, sft_weight=config.sft_weight)
            return StepOutput(found.loss_sum, found.weight, {}, tokens)
        assert reference is not None
        with torch.no_grad():
            then = _log_probs(reference, batch, config)
        found, health = _contrast(now, then, config)
        return StepOutput(found.loss_sum, found.weight, health, tokens)

    return step


def _contrast(now: Tensor, then: Tensor, config: PreferenceConfig) -> tuple[PreferenceLoss, dict[str, float]]:
    arguments = (now[:, 0], now[:, 1:], then[:, 0], then[:, 1:])
    health = implicit_rewards(*(one.detach() for one in arguments), beta=config.beta).sums
    if config.loss == "dpo":
        return dpo(now[:, 0], now[:, 1], then[:, 0], then[:, 1], beta=config.beta), health
    return s_dpo(*arguments, beta=config.beta), health


def _log_probs(model: nn.Module, batch: PreferenceBatch, config: PreferenceConfig) -> Tensor:
    said = say(model, batch.decisions, temperature=config.temperature)
    return said.log_probs.sum(dim=1).view_as(batch.rewards)


class GroupBatches:
    """`(step, micro) -> PreferenceBatch`, a pure function of its arguments."""

    def __init__(self, lm: LanguageModel, groups: Sequence[Group], config: PreferenceConfig) -> None:
        """Prepare.

        Args:
            lm: gives the size of the vocabulary and the device.
            groups: each with the same number of lists.
            config: its `training` and `prompts_per_batch` are used.
        """
        self.groups, self.config, self.vocab_size = groups, config, lm.vocab_size
        self.device = next(lm.model.parameters()).device

    def __call__(self, step: int, micro: int) -> PreferenceBatch:
        """Return the next groups of an order that every epoch shuffles anew."""
        config, size = self.config, self.config.prompts_per_batch
        first = (step * config.training.gradient_accumulation_steps + micro) * size
        return self.of(shuffled(self.groups, first, size, config.training.seed, STAGE, "order"))

    def of(self, groups: Sequence[Group]) -> PreferenceBatch:
        """Return given groups as a batch."""
        decisions = lay_out([g.ask for g in groups], [g.lists for g in groups], self.vocab_size)
        rewards = torch.tensor([g.rewards for g in groups], dtype=torch.float32)
        return PreferenceBatch(decisions.to(self.device), rewards.to(self.device))


def prefer(
    lm: LanguageModel,
    asks: Sequence[Ask],
    config: PreferenceConfig,
    folder: Path,
    *,
    judge: Judge,
    evaluate: Evaluate | None = None,
    select: str | None = None,
    sample: Sample | None = None,
) -> tuple[LanguageModel, TrainingResult]:
    """Train a language model on preferences between its own lists; resumes from the folder's checkpoint.

    Args:
        lm: samples the lists, and is trained in place.
        asks: what is asked, see `rollouts.read_asks`.
        config: settings.
        folder: receives metrics.jsonl, samples.jsonl and, while training runs, checkpoints.
        judge: says what lists are worth.
        evaluate: metrics of the model on validation data, every `eval_steps` and at the end.
        select: metric whose best weights are kept, higher is better.
        sample: a few answers in words, written before training and at every evaluation.

    Returns:
        The language model and the course of training.
    """
    groups = sample_groups(lm, asks, config, judge)
    reference: Any = None
    if config.loss in ("dpo", "s_dpo"):
        reference = copy.deepcopy(lm.model).eval().requires_grad_(False)
    journal = Journal(lm, folder, sample, STAGE)
    if not (folder / CHECKPOINT).exists():
        journal(lm.model, 0)
    result = train(
        lm.model,
        GroupBatches(lm, groups, config),
        preference_step(config, reference),
        config.training,
        folder,
        stage=STAGE,
        evaluate=None if evaluate is None else lambda trained: evaluate(lm.with_model(trained)),
        select=select,
        on_eval=journal,
    )
    lm.model.eval()
    return lm, result
