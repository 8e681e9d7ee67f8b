"""One key-value cache for a ragged batch: prompts, the tokens chosen so far, and branches under trial.

Legend: B rows of the batch, C cached columns, T new tokens, V vocabulary, P tokens of a
path, W branch columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.cache_utils import Cache, DynamicLayer

from steerec.errors import SteerecError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_ROOM = 1.5
"""A layer that is full moves to a place this many times as large."""


class _RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values (B, heads, C, head width) with room behind them.

    A new token is written there, where `DynamicLayer` copies all tokens before it.
    """

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Begin without room."""
        super().lazy_initialization(key_states, value_states)
        self._rooms: dict[str, torch.Tensor] = {}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new tokens; return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        size = self.get_seq_length()
        self._append("keys", key_states, size)
        self._append("values", value_states, size)
        return self.keys, self.values

    def settle(self, base: int, source: torch.Tensor) -> None:
        """Keep the first columns, and after them of each row the columns (B, P) of `source`."""
        for name in ("keys", "values"):
            states: torch.Tensor = getattr(self, name)
            index = source[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
            self._append(name, states.gather(2, index), base)

    def _append(self, name: str, new: torch.Tensor, size: int) -> None:
        """Put new columns after the first `size`, without a copy of these where there is room."""
        states, room = getattr(self, name), self._rooms.get(name)
        end = size + new.shape[2]
        # Rows that were chosen or repeated lie elsewhere.
        here = room is not None and states.data_ptr() == room.data_ptr() and len(states) == len(room)
        if room is None or not here or room.shape[2] < end:
            room = new.new_empty(*new.shape[:2], int(_ROOM * end), new.shape[3])
            if size:
                room[:, :, :size] = states[:, :, :size]
            self._rooms[name] = room
        room[:, :, size:end] = new
        setattr(self, name, room[:, :, :end])


class RaggedCache:
    """Keys and values of B rows of unequal length; columns that a row does not own are masked out.

    Branches are tried side by side in the columns after `base`: every row holds its prefix once, however
    many branches share it. `settle` keeps one branch per row and drops the others. The model is called
    directly, with explicit positions and masks: generation settings of its folder play no part.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], *, pad_id: int) -> None:
        """Encode the prompts in one forward pass.

        Args:
            model: a causal language model of transformers with full attention.
            prompts: B token sequences, none empty.
            pad_id: any token id; it fills the shorter rows on the left and is masked.
        """
        self.model = model
        self.device = next(model.parameters()).device
        self.pad_id = pad_id
        self.forwards = 0
        self._cache = Cache(layer_class_to_replicate=_RoomyLayer)
        width = max(map(len, prompts))
        tokens = np.full((len(prompts), width), pad_id, np.int64)
        self.valid: BoolArray = np.zeros((len(prompts), width), np.bool_)  # (B, C)
        for row, prompt in enumerate(prompts):
            assert len(prompt), "an empty prompt has no last token to predict from"
            tokens[row, width - len(prompt) :] = prompt
            self.valid[row, width - len(prompt) :] = True
        positions = np.maximum(np.cumsum(self.valid, axis=1) - 1, 0)
        self.logits = self._forward(tokens, positions, self.valid, last_only=True)[:, -1]  # (B, V)

    @property
    def base(self) -> int:
        """C, columns of the settled prefix."""
        return int(self.valid.shape[1])

    def extend(self, tokens: IntArray) -> None:
        """Append (B, T) tokens to all rows; `logits` then predicts what follows them."""
        rows, width = tokens.shape
        assert self._cache.get_seq_length() == self.base, "settle the branches first"
        positions = self.valid.sum(axis=1)[:, None] + np.arange(width)
        self.valid = np.concatenate([self.valid, np.ones((rows, width), np.bool_)], axis=1)
        self.logits = self._forward(tokens, positions, self.valid, last_only=True)[:, -1]

    def branch(self, tokens: IntArray, visible: BoolArray, depth: IntArray) -> torch.Tensor:
        """Try tokens after the prefix without committing to them.

        Args:
            tokens: (B, T) new tokens; fillers are those that see nothing.
            visible: (B, T, W + T) which columns after `base` each sees: its ancestors and itself.
            depth: (B, T) tokens between the prefix and each, 0 for the first.

        Returns:
            (B, T, V) logits after each new token.
        """
        prefix = np.broadcast_to(self.valid[:, None], (*tokens.shape, self.base))
        seen = np.concatenate([prefix, visible], axis=2)
        positions = self.valid.sum(axis=1)[:, None] + depth
        return self._forward(tokens, positions, seen, last_only=False)

    def settle(self, columns: IntArray, kept: BoolArray) -> None:
        """Keep one branch per row.

        Args:
            columns: (B, P) columns after `base` of the branch, in order; anything where not kept.
            kept: (B, P) which of them belong to the row.
        """
        source = torch.as_tensor(columns + self.base, device=self.device)  # (B, P)
        for layer in self._cache.layers:
            layer.settle(self.base, source)
        self.valid = np.concatenate([self.valid, kept], axis=1)

    def repeat(self, copies: int) -> None:
        """Continue every row in `copies` rows, next to each other."""
        self._cache.batch_repeat_interleave(copies)
        self.logits = self.logits.repeat_interleave(copies, dim=0)
        self.valid = np.repeat(self.valid, copies, axis=0)

    def keep_rows(self, rows: IntArray) -> None:
        """Drop all other rows of the batch."""
        index = torch.as_tensor(rows, device=self.device)
        self._cache.batch_select_indices(index)
        self.logits = self.logits[index]
        self.valid = self.valid[rows]

    def _forward(
        self, tokens: IntArray, positions: IntArray, seen: BoolArray, *, last_only: bool
    ) -> torch.Tensor:
        mask = torch.as_tensor(seen, device=self.device)
        output = self.model(
            input_ids=torch.as_tensor(tokens, device=self.device),
            position_ids=torch.as_tensor(positions, device=self.device),
            attention_mask=mask if mask.ndim == 2 else _additive(mask, self.model.dtype),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1 if last_only else 0,
        )
        self.forwards += 1
        return checked_logits(output.logits.float())


def checked_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return logits as they are.

    Raises:
        SteerecError: one of them is not a number.
    """
    if torch.isnan(logits).any():
        raise SteerecError(
            "The model's logits are not numbers: its weights overflowed or are corrupt. "
            "Load an earlier checkpoint, or use float32 or bfloat16 instead of float16."
        )
    return logits


def _additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Turn (B, T, C) bool into (B, 1, T, C) zeros and the dtype's lowest value."""
    added = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return added.masked_fill_(~mask, torch.finfo(dtype).min)[:, None]
