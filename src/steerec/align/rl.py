"""Reinforcement learning of lists: sample, judge, and make better lists likelier.

A step samples a group of lists for each of its prompts, some freely, some under their request, and updates
the model on the decisions that were really taken. The reference is a frozen copy of the model as it came.
Advantages come from the group, or from a value model (PPO).

Legend: B lists of a micro-batch, T most decisions of a list, S samples of a prompt.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from steerec.align.all_actions import all_actions_loss
from steerec.align.critic import ActorCritic
from steerec.align.objectives import surrogate, value_loss
from steerec.align.policy import say
from steerec.align.rewards.judge import AskedScores, Judge
from steerec.align.rl_batches import MOSTLY, STAGE, RlBatch, RlBatches, hopeless
from steerec.align.rl_config import RlConfig
from steerec.align.rollouts import Ask
from steerec.align.sft import Evaluate, Journal, Sample
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import hidden_states
from steerec.loop import CHECKPOINT, StepOutput, TrainingResult, train

logger = logging.getLogger("steerec")


def rl_step(config: RlConfig, reference: nn.Module | None) -> Callable[[nn.Module, RlBatch], StepOutput]:
    """Return the step function.

    Args:
        config: settings.
        reference: the frozen model that the policy is held near; None where the objective needs none.
    """

    def step(model: nn.Module, batch: RlBatch) -> StepOutput:
        assert batch.step is not None
        share = batch.step.divisor / batch.step.micro_batches
        shown = {name: value * share for name, value in batch.step.health.items()}
        if batch.decisions is None:
            weight = 0.0 if batch.step.policy_weight else 1.0 / batch.step.micro_batches
            return _add_choices(model, batch, config, StepOutput(torch.zeros(()), weight, shown, 0))
        policy = model.policy if isinstance(model, ActorCritic) else model
        states = hidden_states(policy, batch.decisions.packed)
        said = say(policy, batch.decisions, temperature=config.temperature, states=states, entropy=True)
        assert said.entropy is not None
        mask, now = batch.decisions.mask, said.log_probs
        held = None
        if reference is not None:
            with torch.no_grad():
                held = say(reference, batch.decisions, temperature=config.temperature).log_probs
        old = now.detach() if batch.old_log_probs is None else batch.old_log_probs
        result = surrogate(now, old, batch.advantages, mask, config.objective, ref_log_probs=held)
        means = {**result.health, "entropy": float(said.entropy.sum() / mask.sum())}
        loss_sum = result.loss_sum
        if batch.targets is not None:
            assert config.critic is not None
            assert isinstance(model, ActorCritic)
            values = model.values(states, batch.decisions)
            targets = batch.targets
            worth = value_loss(values, targets.old_values, targets.returns, mask, clip=config.critic.clip)
            means["value_loss"] = float(worth.loss_sum.detach()) / worth.weight
            loss_sum = loss_sum + config.critic.weight * worth.loss_sum * (result.weight / worth.weight)
        sums = shown | {name: value * result.weight for name, value in means.items()}
        said_all = StepOutput(loss_sum, result.weight, sums, batch.decisions.packed.num_tokens)
        return _add_choices(model, batch, config, said_all)

    return step


def _add_choices(model: nn.Module, batch: RlBatch, config: RlConfig, output: StepOutput) -> StepOutput:
    """Add what the worth of every allowed item teaches, divided by its own weight over the whole step."""
    if batch.choices is None:
        return output
    assert config.all_actions is not None
    assert batch.step is not None
    lost = all_actions_loss(model, batch.choices, config.all_actions)
    scale = batch.step.divisor / batch.step.choices_weight
    sums = {"all_actions_loss": lost.loss_sum.detach(), "allowed_mass": lost.inside * lost.weight}
    return StepOutput(
        output.loss_sum + config.all_actions.weight * scale * lost.loss_sum,
        output.weight,
        output.metrics | {name: float(value) * scale for name, value in sums.items()},
        output.num_tokens + batch.choices.decisions.packed.num_tokens,
    )


def reinforce(
    lm: LanguageModel,
    asks: Sequence[Ask],
    config: RlConfig,
    folder: Path,
    *,
    free: Judge,
    constrained: Judge,
    scores: AskedScores | None = None,
    evaluate: Evaluate | None = None,
    select: str | None = None,
    sample: Sample | None = None,
) -> tuple[LanguageModel, TrainingResult]:
    """Train a language model on judged lists; resumes from the folder's checkpoint when there is one.

    Args:
        lm: trained in place.
        asks: what is asked, see `rollouts.read_asks`.
        config: settings.
        folder: receives metrics.jsonl, samples.jsonl and, while training runs, checkpoints.
        free: judges free lists.
        constrained: judges lists that satisfy their requests.
        scores: the teacher's word on every item; needed with all_actions.
        evaluate: metrics of the model on validation data, every `eval_steps` and at the end.
        select: metric whose best weights are kept, higher is better.
        sample: a few answers in words, written before training and at every evaluation.

    Returns:
        The language model and the course of training.
    """
    reference = actor = None
    if config.objective.kl_weight or config.critic is not None:
        reference = copy.deepcopy(lm.model).eval().requires_grad_(False)
    if config.critic is not None:
        actor = ActorCritic(lm.model, config.critic, seed=config.training.seed)
    journal = Journal(lm, folder, sample, STAGE)
    if not (folder / CHECKPOINT).exists():
        journal(lm.model, 0)
    batches = RlBatches(
        lm, asks, config, free=free, constrained=constrained, actor=actor, reference=reference, scores=scores
    )
    result = train(
        actor or lm.model,
        batches,
        rl_step(config, reference),
        config.training,
        folder,
        stage=STAGE,
        evaluate=None if evaluate is None else lambda _: evaluate(lm),
        select=select,
        on_eval=lambda _, step: journal(lm.model, step),
    )
    lm.model.eval()
    return lm, result


def warn_if_hopeless(history: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the log of a run says against its having learned anything, in words; it is logged too.

    Args:
        history: lines of metrics.jsonl.
    """
    warnings = []

    def course(name: str) -> list[float]:
        return [line[f"{STAGE}/{name}"] for line in history if f"{STAGE}/{name}" in line]

    silent = course("zero_advantage_groups")
    if silent and float(np.mean(silent)) > MOSTLY:
        warnings.append(hopeless(float(np.mean(silent))))
    spread = [*course("free_reward_spread"), *course("constrained_reward_spread")]
    if spread and max(spread) < _NOTHING:
        warnings.append(
            "All lists of a step were always worth the same: nothing could be learned. Choose finer rewards, "
            "or ask for what the model gets right sometimes, and not always."
        )
    entropy = course("entropy")
    if len(entropy) > 1 and entropy[-1] < _COLLAPSED * entropy[0]:
        warnings.append(
            f"The entropy of a choice fell from {entropy[0]:.2f} to {entropy[-1]:.2f} nats: the model writes "
            "nearly one list only. Lower the learning rate or raise kl_weight."
        )
    for warning in warnings:
        logger.warning("%s: %s", STAGE, warning)
    return warnings


_COLLAPSED = 0.2
_NOTHING = 1e-9
