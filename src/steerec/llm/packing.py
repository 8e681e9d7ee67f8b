"""Packing: several short sequences share one row, and attention stays inside each of them.

Legend: B rows, T tokens of a row, F tokens that are not padding, D width of the model, V vocabulary. A packed
batch yields the same loss as a padded one (tested): positions restart at every sequence and the attention
mask is causal and block-diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steerec.llm.copy_llama import Copies, CopyLlama
from steerec.llm.products import RaggedPass
from steerec.llm.ragged import ragged_attention, supports_ragged
from steerec.networks.ragged import Ragged, branches_see, plan_branches


class Example(NamedTuple):
    """One training sequence: its tokens and how much the prediction of each of them counts."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    """Loss weight of predicting each token from those before it; the first is never predicted."""
    branches: tuple[int, ...] = ()
    """Branch of each token: 0 for what is common to all, then 1, 2, ..; empty where there are no branches."""


def fold(
    prompt: Sequence[int], answers: Sequence[Sequence[int]], weights: Sequence[Sequence[float]]
) -> Example:
    """Return one sequence that holds a prompt once and several answers to it side by side.

    Args:
        prompt: at least one token.
        answers: none empty; each is read as if it followed the prompt alone.
        weights: of predicting each token of each answer.
    """
    tokens, all_weights, branches = list(prompt), [0.0] * len(prompt), [0] * len(prompt)
    for branch, (answer, its_weights) in enumerate(zip(answers, weights, strict=True), start=1):
        tokens += answer
        all_weights += its_weights
        branches += [branch] * len(answer)
    return Example(tuple(tokens), tuple(all_weights), tuple(branches))


class PackedBatch(NamedTuple):
    """Sequences laid side by side in rows of equal length."""

    tokens: Tensor
    """(B, T) int64; 0 in the padding."""
    weights: Tensor
    """(B, T) float32: weight of predicting this token; 0 at the starts and in the padding."""
    positions: Tensor
    """(B, T) int64, restarting at 0 with every sequence, and after the prompt with every branch."""
    sources: Tensor
    """(B, T) int64, flat place of the token that predicts each: the one before it, for the first of a branch
    the last of the prompt."""
    branches: Tensor
    """(B, T) int64."""
    segments: Tensor
    """(B, T) int64: number of the sequence within its row; -1 in the padding."""
    places: tuple[tuple[int, int], ...]
    """(row, column) of the first token of every sequence, in the order given."""
    kept: Tensor
    """(F,) int64, flat places of all tokens that are not padding, ascending."""
    ragged: Ragged
    """The same sequences among these F tokens as buckets of like length, for attention."""

    @property
    def num_tokens(self) -> int:
        """F."""
        return len(self.kept)

    def to(self, device: torch.device) -> PackedBatch:
        """Return the batch on a device."""
        names = ("tokens", "weights", "positions", "sources", "branches", "segments", "kept")
        moved = {name: getattr(self, name).to(device) for name in names}
        return self._replace(**moved, ragged=self.ragged.to(device))


def plan_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Assign sequences to rows, longest first, each to the first row with room (first-fit decreasing).

    Args:
        lengths: tokens of each sequence, at most `capacity`.
        capacity: tokens of a row.

    Returns:
        Indices into `lengths`, row by row; every index occurs once.

    Raises:
        ValueError: a sequence is longer than a row.

    Example:
        >>> plan_rows([3, 5, 2, 4], 8)
        [[1, 0], [3, 2]]
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if lengths[index] > capacity:
            raise ValueError(
                f"A sequence of {lengths[index]} tokens does not fit a row of {capacity} tokens."
            )
        row = next((r for r, free in enumerate(room) if free >= lengths[index]), None)
        if row is None:
            rows.append([])
            room.append(capacity)
            row = len(rows) - 1
        rows[row].append(index)
        room[row] -= lengths[index]
    return rows


def pack(examples: Sequence[Example], capacity: int) -> PackedBatch:
    """Pack examples into as few rows as first-fit decreasing finds.

    Args:
        examples: sequences with loss weights.
        capacity: tokens of a row; rows are cut to the fullest one.

    Returns:
        The batch.
    """
    rows = plan_rows([len(example.tokens) for example in examples], capacity)
    return _lay_out(examples, rows)


def pad(examples: Sequence[Example]) -> PackedBatch:
    """Give every example a row of its own: the slow definition that `pack` is tested against."""
    return _lay_out(examples, [[index] for index in range(len(examples))])


def _lay_out(examples: Sequence[Example], rows: Sequence[Sequence[int]]) -> PackedBatch:
    width = max(sum(len(examples[i].tokens) for i in row) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.int64)
    weights = torch.zeros(len(rows), width)
    positions = torch.zeros(len(rows), width, dtype=torch.int64)
    sources = torch.zeros(len(rows), width, dtype=torch.int64)
    branches = torch.zeros(len(rows), width, dtype=torch.int64)
    segments = torch.full((len(rows), width), -1, dtype=torch.int64)
    places = [(0, 0)] * len(examples)
    for r, row in enumerate(rows):
        start = 0
        for number, index in enumerate(row):
            example = examples[index]
            end = start + len(example.tokens)
            tokens[r, start:end] = torch.tensor(example.tokens)
            weights[r, start:end] = torch.tensor(example.weights)
            weights[r, start] = 0.0
            position, before = _follow(example)
            positions[r, start:end] = position
            sources[r, start:end] = before + (r * width + start)
            if example.branches:
                branches[r, start:end] = torch.tensor(example.branches)
            segments[r, start:end] = number
            places[index] = (r, start)
            start = end
    kept = (segments.flatten() >= 0).nonzero()[:, 0]  # (F,)
    skipped = torch.searchsorted(kept, torch.arange(len(rows)) * width).tolist()  # tokens before each row
    prompts, continued = [], []
    for number, (example, (line, column)) in enumerate(zip(examples, places, strict=True)):
        first, *others = _runs(example)
        begin = skipped[line] + column
        prompts.append((begin, first))
        begin += first
        for length in others:
            continued.append((begin, length, number))
            begin += length
    ragged = plan_branches(prompts, continued)
    return PackedBatch(tokens, weights, positions, sources, branches, segments, tuple(places), kept, ragged)


def _runs(example: Example) -> list[int]:
    """Return the tokens of the prompt and of each branch."""
    if not example.branches:
        return [len(example.tokens)]
    return [len(list(run)) for _, run in groupby(example.branches)]


def _follow(example: Example) -> tuple[Tensor, Tensor]:
    """Return each token's position and the place, within the sequence, of the token that it follows."""
    places = torch.arange(len(example.tokens))
    if not example.branches:
        return places, (places - 1).clamp(min=0)
    branches = torch.tensor(example.branches)
    prompt = int((branches == 0).sum())
    first = torch.searchsorted(branches, branches)  # branches ascend: place of each one's first token
    positions = torch.where(branches == 0, places, prompt + places - first)
    before = torch.where((places == first) & (branches > 0), prompt - 1, places - 1)
    return positions, before.clamp(min=0)


def block_causal_mask(segments: Tensor, branches: Tensor) -> Tensor:
    """Return which token may attend to which: earlier ones of the same sequence and branch, and itself.

    Args:
        segments: (B, T) int64 sequence numbers within the row; -1 in the padding (padding attends to padding,
            which keeps the softmax finite and touches no sequence).
        branches: (B, T) int64; 0 is common to all branches of its sequence.

    Returns:
        (B, 1, T, T) bool, True where attention is allowed.
    """
    same = segments[:, :, None] == segments[:, None, :]  # (B, T, T)
    same &= branches_see(branches[:, :, None], branches[:, None, :])
    return torch.tril(same)[:, None]


class Predictions(NamedTuple):
    """What a model holds likely where a token is predicted with weight."""

    logits: Tensor
    """(U, V) float32 of what may follow each of U tokens."""
    which: Tensor | None
    """(M,) int64, from which of them each target is predicted: first tokens of branches from the same; None:
    each from its own, in order."""
    targets: Tensor
    """(M,) int64 the M weighted tokens, in row-major order."""
    places: Tensor
    """(M,) int64 flat places of the targets in the batch."""


def predictions(
    model: Any, batch: PackedBatch, *, masked: bool = False, states: Tensor | None = None
) -> Predictions:
    """Run a model and apply its head only where a token is predicted with weight.

    Args:
        model: a Hugging Face causal model.
        batch: packed sequences.
        masked: attend under a block-diagonal mask, the slow definition, also where the model's attention can
            go by buckets.
        states: (B, T, D) what `hidden_states` returned, if it was asked before.
    """
    if states is None:
        states = hidden_states(model, batch, masked=masked)  # (B, T, D)
    places = (batch.weights.flatten() > 0).nonzero()[:, 0]  # (M,)
    sources, which = torch.unique(batch.sources.flatten()[places], return_inverse=True)  # branches share some
    logits = model.get_output_embeddings()(states.flatten(0, 1)[sources]).float()
    if isinstance(model, CopyLlama):
        logits = _add_copies(model, logits, states, batch, sources)
    each_its_own = len(sources) == len(places) and bool((which.diff() > 0).all())
    return Predictions(logits, None if each_its_own else which, batch.tokens.flatten()[places], places)


def target_logits(
    model: Any, batch: PackedBatch, *, masked: bool = False, states: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return one row of logits for each weighted prediction; arguments as of `predictions`.

    Returns:
        Logits (M, V) float32 of the M weighted predictions in row-major order, their targets (M,) int64 and
        the flat index (M,) of each *predicted* token in the (B, T) batch.
    """
    logits, which, targets, places = predictions(model, batch, masked=masked, states=states)
    return logits if which is None else logits[which], targets, places


def hidden_states(model: Any, batch: PackedBatch, *, masked: bool = False) -> Tensor:
    """Return the last hidden states (B, T, D); arguments as of `predictions`."""
    decoder = model.get_decoder()
    if masked or not supports_ragged(decoder.config):
        visible = block_causal_mask(batch.segments, batch.branches)  # (B, 1, T, T)
        states: Tensor = decoder(
            input_ids=batch.tokens, position_ids=batch.positions, attention_mask=visible, use_cache=False
        ).last_hidden_state
        return states
    tokens, positions = (one.flatten()[batch.kept][None] for one in (batch.tokens, batch.positions))
    with ragged_attention(decoder.config):
        states = decoder(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=None,
            use_cache=False,
            ragged=RaggedPass(batch.ragged),
        ).last_hidden_state  # (1, F, D)
    everywhere = states.new_zeros(batch.tokens.numel(), states.shape[2])
    return everywhere.index_copy(0, batch.kept, states[0]).view(*batch.tokens.shape, -1)


def _add_copies(model: CopyLlama, logits: Tensor, states: Tensor, batch: PackedBatch, at: Tensor) -> Tensor:
    """Add the copy head's scores to the logits (M, V) of what follows the tokens at flat places (M,)."""
    prediction = torch.full((batch.tokens.numel(),), -1, dtype=torch.int64, device=at.device)
    prediction[at] = torch.arange(len(at), device=at.device)
    notes = model.read_rows(batch.tokens, batch.positions == 0, _opened(batch))
    prediction, notes = prediction[batch.kept], notes.flatten()[batch.kept]  # (F,) each
    flat = states.flatten(0, 1)[batch.kept]  # (F, D)
    keys = model.copy_key(flat).float()
    found = []
    for bucket in batch.ragged.buckets:
        places, valid = bucket.places, bucket.valid
        wanted = valid & (prediction[places] >= 0)  # (S, L)
        if not wanted.any():  # prompts, whose branches are elsewhere
            continue
        asked, seen = bucket.looked_at, bucket.seen().expand(len(places), -1, -1)
        copies = model.copies(flat[places], notes[places], keys[asked], notes[asked], seen, wanted)
        found.append(copies._replace(query=prediction[places[wanted]][copies.query]))
    return Copies(*map(torch.cat, zip(*found, strict=True))).add_to(logits) if found else logits


def _opened(batch: PackedBatch) -> Tensor:
    """Return (B, T) bool: where a branch begins, as if right after its prompt."""
    tokens = torch.arange(batch.tokens.numel(), device=batch.tokens.device).view_as(batch.tokens)
    return (batch.branches > 0) & (batch.sources != tokens - 1)
