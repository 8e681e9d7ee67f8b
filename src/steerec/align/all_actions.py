"""All-action credit: what a choice is worth is known for every allowed item, not only for the drawn one.

A sampled list tells of each choice how good one item was. The teacher, and the true next item, say how good
each of them would have been, so the gradient of a choice need not be estimated from samples (Ciosek and
Whiteson 2018, arXiv 1706.05374, "Expected policy gradients"; Asadi et al. 2017, arXiv 1709.00503, "Mean
actor critic"). The states are still the model's own: it learns at the beginnings of lists that it writes.

Legend: P asks, D decisions of all lists, C choices of an item among them, N items, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor

from steerec.align.credit import entry_of_decision
from steerec.align.policy import Decisions, lay_out
from steerec.align.rollouts import Ask, Rollout
from steerec.config import Config
from steerec.errors import ConfigError
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.language_model import LanguageModel
from steerec.llm.packing import target_logits
from steerec.metrics.ranking import ndcg


class AllActionsConfig(Config):
    """Learning at lists under requests from the worth of every allowed item; one token per item only."""

    loss: Literal["expected", "reverse_kl", "cross_entropy"] = "cross_entropy"
    """With worth q and policy p. expected: -sum p q, the policy gradient of the reward q, over the best one's
    q. reverse_kl: sum p (log p - log q), the policy gradient of the reward log q with an entropy bonus.
    cross_entropy: -sum q log p, on-policy distillation (Agarwal et al. 2024, arXiv 2306.13649)."""
    target_share: float = pydantic.Field(0.0, ge=0, le=1)
    """Share of the true next item in the worth, where it is allowed; the rest is the teacher's."""
    whole_vocabulary: bool = True
    """Whether probabilities are over the whole vocabulary, so that obeying is learned too, and the tokens
    that left no choice as well; else over what was allowed, and choices only."""
    samples: pydantic.PositiveInt = 2
    """Lists per prompt."""
    weight: pydantic.PositiveFloat = 1.0
    """Weight in the loss, against 1 for what free lists teach."""


class Choices(NamedTuple):
    """Sampled lists with the worth of all that might have been chosen."""

    decisions: Decisions
    chosen: Tensor
    """(C,) int64: which of the D decisions chose among several items."""
    worth: Tensor
    """(C, N) float32, each row sums to 1; 0 for what was not allowed."""
    weights: Tensor
    """(D,) float32: what a decision counts, the discount of its place in the list."""
    first_item: int
    """Token of item 0."""

    def to(self, device: torch.device) -> Choices:
        """Return the same on a device."""
        chosen, worth, weights = (one.to(device) for one in (self.chosen, self.worth, self.weights))
        return Choices(self.decisions.to(device), chosen, worth, weights, self.first_item)


def item_tokens(lm: LanguageModel) -> AtomicIdentifier:
    """Return the spelling of a model that has a token per item.

    Raises:
        ConfigError: it spells items with several tokens.
    """
    if not isinstance(lm.identifier, AtomicIdentifier):
        raise ConfigError(
            f"all_actions needs one token per item, and {lm.name} spells items by {lm.identifier.name}. "
            "Leave all_actions out: sampled credit works with every spelling."
        )
    return lm.identifier


def lay_out_choices(
    asks: Sequence[Ask],
    groups: Sequence[Sequence[Rollout]],
    scores: NDArray[np.floating],
    lm: LanguageModel,
    config: AllActionsConfig,
) -> Choices:
    """Lay lists that were sampled under their requests out with the worth of what was allowed.

    Args:
        asks: P prompts.
        groups: the lists sampled for each.
        scores: (P, N) of the teacher in nats, wishes added.
        lm: the model that sampled.
        config: settings.
    """
    first = item_tokens(lm).first_item_id
    if config.whole_vocabulary:
        groups = [[_with_forced(rollout, lm.end_id) for rollout in group] for group in groups]
    decisions = lay_out(asks, groups, lm.vocab_size)
    assert decisions.allowed is not None
    lists = [rollout for group in groups for rollout in group]
    owner = np.repeat(np.arange(len(asks)), [len(group) for group in groups])
    rows, columns = decisions.row.numpy(), decisions.column.numpy()
    entries = [entry_of_decision(rollout) for rollout in lists]
    entry = np.array([entries[r][c] for r, c in zip(rows, columns, strict=True)])
    allowed = decisions.allowed[:, first : first + scores.shape[1]]  # (D, N)
    chosen = (allowed.sum(dim=1) > 1).nonzero()[:, 0]  # (C,)
    of_choice = torch.from_numpy(owner[rows[chosen.numpy()]])
    nats = torch.from_numpy(np.asarray(scores, np.float32))[of_choice]
    worth = nats.masked_fill(~allowed[chosen], -torch.inf).softmax(dim=-1)  # (C, N)
    if config.target_share:
        targets = torch.tensor([-1 if ask.target is None else ask.target for ask in asks])[of_choice]
        _mix_target(worth, targets, allowed[chosen], config.target_share)
    weights = torch.from_numpy(ndcg(entry + 1.0, int(entry.max()) + 1)).float()
    return Choices(decisions, chosen, worth, weights, first)


def _mix_target(worth: Tensor, targets: Tensor, allowed: Tensor, share: float) -> None:
    """Give the true next item its share of the worth (C, N) where it is allowed."""
    known = (targets >= 0).nonzero()[:, 0]
    known = known[allowed[known, targets[known]]]
    worth[known] *= 1.0 - share
    worth[known, targets[known]] += share


def _with_forced(rollout: Rollout, end_id: int) -> Rollout:
    """Return a list whose every token is a decision, its end included; forced ones are among themselves."""
    tokens = (*rollout.tokens, end_id)
    assert rollout.allowed is not None
    among = dict(zip(rollout.decided.tolist(), rollout.allowed, strict=True))
    return Rollout(
        items=rollout.items,
        tokens=tokens,
        ends=rollout.ends,
        decided=np.arange(len(tokens)),
        allowed=tuple(among.get(place, np.array([token])) for place, token in enumerate(tokens)),
    )


class AllActionsLoss(NamedTuple):
    """Loss of a batch and what it is divided by."""

    loss_sum: Tensor
    """Scalar with gradient."""
    weight: float
    inside: Tensor
    """Mean probability of what was allowed at choices, without gradient: 1 obeys by itself."""


def all_actions_loss(model: Any, choices: Choices, config: AllActionsConfig) -> AllActionsLoss:
    """Return what a model loses at the choices, see `AllActionsConfig.loss`, and at forced tokens.

    A forced token's loss is its negative log-probability. Each decision counts by the discount of its place,
    1 / log2(place + 1).

    Args:
        model: a Hugging Face causal model.
        choices: sampled lists.
        config: settings.
    """
    logits, targets, _ = target_logits(model, choices.decisions.packed)  # (D, V)
    if not config.whole_vocabulary:
        logits = logits.masked_fill(~choices.decisions.allowed, -torch.inf)  # type: ignore[operator]
    log_probs = logits.log_softmax(dim=-1)
    losses = -log_probs.gather(1, targets[:, None])[:, 0]  # (D,)
    size = choices.worth.shape[1]
    items = log_probs[choices.chosen, choices.first_item : choices.first_item + size]  # (C, N)
    at_choices = _choice_losses(items, choices.worth, config)
    losses = losses.index_put((choices.chosen,), at_choices)
    with torch.no_grad():
        inside = torch.where(choices.worth > 0, items.exp(), 0.0).sum(dim=-1).mean()
    return AllActionsLoss((losses * choices.weights).sum(), float(choices.weights.sum()), inside)


def _choice_losses(log_probs: Tensor, worth: Tensor, config: AllActionsConfig) -> Tensor:
    """Return (C,) losses from log-probabilities and worth, both (C, N)."""
    known = torch.where(worth > 0, log_probs, 0.0)  # -inf times 0 is no number
    if config.loss == "cross_entropy":
        return -(worth * known).sum(dim=-1)
    kept = log_probs.clamp(min=_LEAST)
    policy = kept.exp()
    if config.loss == "expected":
        return -(policy * worth).sum(dim=-1) / worth.amax(dim=-1)
    floored = (1.0 - _FLOOR) * worth + _FLOOR / worth.shape[1]
    outside = (1.0 - policy.sum(dim=-1)).clamp(min=0.0)
    return (policy * (kept - floored.log())).sum(dim=-1) - outside * float(np.log(_FLOOR / worth.shape[1]))


_LEAST = -60.0
"""Log-probabilities below it are this one: their weight is nothing, and infinity has no gradient."""
_FLOOR = 1e-3
"""Share of the worth that is spread over all items, so that what is not allowed is bad, not infinitely so."""
