"""What a model says of sampled lists: log-probabilities of their decisions, with gradient.

Lists of one prompt share its computation: they are branches of one packed sequence.

Legend: B lists, T most decisions of a list, D decisions of all lists, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from steerec.align.rollouts import Ask, Rollout
from steerec.llm.packing import PackedBatch, fold, pack, predictions

_TOGETHER = {"cpu": 2**19}
"""Logits looked at together, by kind of device: 2 MiB, which stay in a processor's cache."""
_TOGETHER_ELSEWHERE = 2**26
_NEVER = -1e4
"""A logit so far below the largest has probability 0, and times it gives 0."""


class Decisions(NamedTuple):
    """Sampled lists as a model reads them."""

    packed: PackedBatch
    """A sequence per prompt, a branch per list; weight 1 on the tokens that were decided."""
    row: Tensor
    """(D,) int64 list of each decision, in the order of `predictions`."""
    column: Tensor
    """(D,) int64 number of the decision within its list."""
    allowed: Tensor | None
    """(D, V) bool: what each choice was among; None: the whole vocabulary everywhere."""
    mask: Tensor
    """(B, T) bool: which decisions there are."""
    last: Tensor
    """(B,) int64 flat place of the last token of each list."""

    def to(self, device: torch.device) -> Decisions:
        """Return the same on a device."""
        allowed = None if self.allowed is None else self.allowed.to(device)
        row, column, mask, last = (one.to(device) for one in (self.row, self.column, self.mask, self.last))
        return Decisions(self.packed.to(device), row, column, allowed, mask, last)

    @property
    def num_lists(self) -> int:
        """B."""
        return len(self.mask)

    def by_list(self, values: Tensor) -> Tensor:
        """Return values (D,) of decisions as (B, T), 0 where there is no decision."""
        empty = torch.zeros(self.mask.shape, dtype=values.dtype, device=values.device)
        return empty.index_put((self.row, self.column), values)

    def sources(self) -> Tensor:
        """(D,) flat place of the token that stands before each decision."""
        return self.packed.sources.flatten()[self.packed.weights.flatten() > 0]


class Said(NamedTuple):
    """Log-probabilities and entropies of decisions, both (B, T), 0 where there is no decision."""

    log_probs: Tensor
    """In nats, renormalised over what was allowed."""
    entropy: Tensor | None
    """In nats, of the distribution over what was allowed; without gradient. None: nobody asked."""


def lay_out(asks: Sequence[Ask], groups: Sequence[Sequence[Rollout]], vocab_size: int) -> Decisions:
    """Lay groups of lists out for one pass of a model.

    Args:
        asks: prompts.
        groups: the lists sampled for each; B lists together, each with at least one token.
        vocab_size: V.
    """
    examples, sizes = [], []
    for ask, group in zip(asks, groups, strict=True):
        weights = [_weights(rollout) for rollout in group]
        examples.append(fold(ask.tokens, [rollout.tokens for rollout in group], weights))
        sizes.append(len(group))
    packed = pack(examples, max(len(example.tokens) for example in examples))
    lists = [rollout for group in groups for rollout in group]
    first_list = np.cumsum([0, *sizes])
    # flat places of all decisions, list by list; predictions go through the batch in row-major order
    width, places, row, column, last = packed.tokens.shape[1], [], [], [], []
    for number, (ask, group) in enumerate(zip(asks, groups, strict=True)):
        line, start = packed.places[number]
        begin = line * width + start + len(ask.tokens)
        for k, rollout in enumerate(group):
            places.append(begin + rollout.decided)
            row.append(np.full(len(rollout.decided), first_list[number] + k))
            column.append(np.arange(len(rollout.decided)))
            begin += len(rollout.tokens)
            last.append(begin - 1)
    order = np.argsort(np.concatenate(places))
    rows, columns = np.concatenate(row)[order], np.concatenate(column)[order]
    mask = np.zeros((len(lists), max(len(rollout.decided) for rollout in lists)), np.bool_)
    mask[rows, columns] = True
    return Decisions(
        packed=packed,
        row=torch.from_numpy(rows),
        column=torch.from_numpy(columns),
        allowed=_allowed(lists, rows, columns, vocab_size),
        mask=torch.from_numpy(mask),
        last=torch.tensor(last),
    )


def _weights(rollout: Rollout) -> list[float]:
    weights = np.zeros(len(rollout.tokens))
    weights[rollout.decided] = 1.0
    return weights.tolist()


def _allowed(
    lists: Sequence[Rollout], rows: np.ndarray, columns: np.ndarray, vocab_size: int
) -> Tensor | None:
    if all(rollout.allowed is None for rollout in lists):
        return None
    allowed = np.zeros((len(rows), vocab_size), np.bool_)
    for d, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        choices = lists[row].allowed
        allowed[d, slice(None) if choices is None else choices[column]] = True
    return torch.from_numpy(allowed)


def say(
    model: Any,
    decisions: Decisions,
    *,
    temperature: float = 1.0,
    states: Tensor | None = None,
    entropy: bool = False,
) -> Said:
    """Return what a model says of decisions.

    Args:
        model: a Hugging Face causal model.
        decisions: sampled lists.
        temperature: of the sampling; the policy is the distribution that was sampled from.
        states: the model's `hidden_states`, if it was asked before.
        entropy: look at entropies too.
    """
    logits, which, targets, _ = predictions(model, decisions.packed, states=states)
    choice = _Choice(which, targets, decisions.allowed, temperature, entropy)
    log_probs, entropies = _Chosen.apply(logits, choice)  # type: ignore[no-untyped-call]
    return Said(decisions.by_list(log_probs), decisions.by_list(entropies) if entropy else None)


class _Choice(NamedTuple):
    """What was chosen, and among what."""

    which: Tensor | None
    """(D,) row of logits of each decision; None: each has its own, in order."""
    targets: Tensor
    """(D,) what was chosen."""
    allowed: Tensor | None
    """(D, V) bool; None: everything."""
    temperature: float
    entropy: bool

    def chunks(self, vocab_size: int) -> list[slice]:
        """Return decisions to look at together."""
        size = max(1, _TOGETHER.get(self.targets.device.type, _TOGETHER_ELSEWHERE) // vocab_size)
        return [slice(start, start + size) for start in range(0, len(self.targets), size)]

    def logits(self, logits: Tensor, some: slice) -> Tensor:
        """Return the logits of some decisions in a tensor of their own."""
        own = logits[some].clone() if self.which is None else logits.index_select(0, self.which[some])
        if self.temperature != 1.0:
            own /= self.temperature
        if self.allowed is not None:
            own.masked_fill_(~self.allowed[some], -torch.inf)
        return own


class _Chosen(torch.autograd.Function):
    """Log-probabilities of what was chosen, and entropies, (D,) each, in one pass over the logits (U, V).

    A step at a time over a large vocabulary, memory is all that is waited for; here some rows are finished
    before the next are read. Entropies have no gradient.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, choice: _Choice) -> tuple[Tensor, Tensor]:
        normaliser, entropy = (logits.new_empty(len(choice.targets)) for _ in range(2))
        chosen = torch.empty_like(normaliser)
        for some in choice.chunks(logits.shape[1]):
            kept = choice.logits(logits, some)
            chosen[some] = kept.gather(1, choice.targets[some, None])[:, 0]
            top = kept.amax(dim=1, keepdim=True)
            kept.sub_(top).clamp_(min=_NEVER)
            weights = kept.exp()
            total = weights.sum(dim=1)
            normaliser[some] = top[:, 0] + total.log()
            if choice.entropy:
                entropy[some] = total.log() - weights.mul_(kept).sum(dim=1) / total
        ctx.save_for_backward(logits, normaliser)
        ctx.choice = choice
        ctx.mark_non_differentiable(entropy)
        return chosen - normaliser, entropy

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
        logits, normaliser = ctx.saved_tensors
        choice: _Choice = ctx.choice
        found = torch.empty_like(logits) if choice.which is None else torch.zeros_like(logits)
        for some in choice.chunks(logits.shape[1]):
            share = gradient[some, None] / choice.temperature
            part = (choice.logits(logits, some) - normaliser[some, None]).exp_().mul_(-share)
            part.scatter_add_(1, choice.targets[some, None], share)
            if choice.which is None:
                found[some] = part
            else:
                found.index_add_(0, choice.which[some], part)
        return found, None
