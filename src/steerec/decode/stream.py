"""A preallocated key-value cache whose rows grow each at its own pace: no copy, no padding.

Every row holds its tokens in columns 0, 1, 2, ... A pass gives each row another number of new tokens. They go
through the model as one flat sequence, so that no layer computes padding; attention alone sees them by rows,
and the head is applied to the tokens that are asked for. What all prompts begin with is read once. Models
that cannot be run so (`is_flat`) get rows padded on the left: the same result, tested, at a higher cost.
Finished rows leave by moving a row that goes on into their place.

Legend: B rows, T new tokens of all rows together, W of the widest row, C columns, H heads, D head width,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from steerec.decode.cache import checked_logits
from steerec.llm.copy_llama import CopyLlama
from steerec.llm.ragged import attention_of, supports_ragged

IntArray = NDArray[np.int64]
_NAME = "steerec_stream"
_WORTH_SHARING = 128
"""Tokens that reading a common beginning once must save: a pass of its own costs as much as some of them."""


class _Pass:
    """Where the new tokens of a pass go; one object shared by all layers of a cache."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows: Tensor
        """(T,) row of each new token."""
        self.columns: Tensor
        """(T,) its column."""
        self.slots: Tensor
        """(T,) its place in (B, W), rows filled from the left."""
        self.shape: tuple[int, int]
        """(B, W)."""
        self.seen = 0
        """Columns that are handed to attention."""
        self.mask: Tensor | None = None
        """(B, 1, W, seen) added to attention scores; None: causal, every row begins at column 0."""


class _StreamLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer: (B, H, C, D)."""

    is_sliding = False

    def __init__(self, step: _Pass) -> None:
        super().__init__()
        self._step = step

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Reserve room for whole rows."""
        rows = self._step.shape[0]

        def room(states: Tensor) -> Tensor:
            return states.new_zeros(rows, states.shape[1], self._step.capacity, states.shape[3])

        self.keys, self.values = room(key_states), room(value_states)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new tokens, flat (1, H, T, D) or by rows (B, H, W, D); return all that may be seen."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        step = self._step
        for store, states in ((self.keys, key_states), (self.values, value_states)):
            flat = states.transpose(1, 2).flatten(0, 1)  # (T or B * W, H, D)
            store[step.rows, :, step.columns] = flat if len(flat) == len(step.rows) else flat[step.slots]
        rows = step.shape[0]
        return self.keys[:rows, :, : step.seen], self.values[:rows, :, : step.seen]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many columns attention sees, and the first of them."""
        return self._step.seen, 0

    def get_seq_length(self) -> int:
        """Return 0: positions and masks are always given."""
        return 0

    def get_max_length(self) -> int:
        """Return the number of columns."""
        return self._step.capacity


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, **options: Any
) -> tuple[Tensor, None]:
    """Attention function of transformers' interface: (1, H, T, D), (B, H, C, D) twice -> (1, T, H, D)."""
    step: _Pass = options.pop("stream")
    rows, width = step.shape
    by_rows = query.new_zeros(rows * width, query.shape[1], query.shape[3])
    by_rows[step.slots] = query[0].transpose(0, 1)
    by_rows = by_rows.view(rows, width, *by_rows.shape[1:]).transpose(1, 2)  # (B, H, W, D)
    found, _ = sdpa_attention_forward(module, by_rows, key, value, attention_mask=step.mask, **options)
    return found.flatten(0, 1)[step.slots][None], None


AttentionInterface.register(_NAME, _attend)


def is_flat(model: Any) -> bool:
    """Say whether a model's rows can be laid in one flat sequence.

    A model without layers of its own attention has no place for ours, and some models do more to their logits
    than a linear head, and a copy head, do.
    """
    config = getattr(model, "config", None)
    if getattr(config, "_attn_implementation", None) is None:
        return False
    extras = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    has_plain_head = isinstance(model.get_output_embeddings(), torch.nn.Linear)
    return (
        has_plain_head and supports_ragged(config) and not any(getattr(config, one, None) for one in extras)
    )


class StreamCache:
    """Rows that are read and continued by one model; generation settings of its folder play no part."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        *,
        room: int,
        pad_id: int,
        copies: int = 1,
        flat: bool | None = None,
    ) -> None:
        """Read every prompt once, in one forward pass.

        Args:
            model: a causal language model of transformers with full attention.
            prompts: token sequences, none empty.
            room: tokens that any row may add to its prompt.
            pad_id: any token id; it fills shorter rows and is never seen.
            copies: rows that continue each prompt, next to each other.
            flat: how new tokens go through the model; None: flat if the model can be run so.
        """
        self.model, self.pad_id = model, pad_id
        self.device = next(model.parameters()).device
        self.forwards = 0
        self.lengths: IntArray = np.zeros(len(prompts), np.int64)  # (B,)
        self._flat = is_flat(model) if flat is None else flat
        self._step = _Pass(max(map(len, prompts)) + room)
        # One layer more than the model has: a copy head keeps its keys there.
        layers = [_StreamLayer(self._step) for _ in range(model.config.num_hidden_layers + 1)]
        self._cache = Cache(layers=layers)
        self._by_states = self._flat and not isinstance(model, CopyLlama)
        self._ends: Tensor
        """(B, width) last hidden states of every row where these are all that logits are made of, else (B, V)
        the logits."""
        shared = _shared(prompts) if self._flat else 0
        if (len(prompts) - 1) * shared >= _WORTH_SHARING:
            self.lengths = self.lengths[:1]
            self.extend([prompts[0][:shared]])
            self._repeat(len(prompts))
            prompts = [prompt[shared:] for prompt in prompts]
        self.extend(prompts)
        if copies > 1:
            self._repeat(copies)

    def logits(self, rows: IntArray, tokens: IntArray) -> Tensor:
        """Return the logits (I,) float32 of tokens (I,) after the last token of rows (I,)."""
        row, token = self._tensor(rows), self._tensor(tokens.astype(np.int64))
        if not self._by_states:
            found: Tensor = self._ends[row, token]
            return found
        head = self.model.get_output_embeddings()
        wanted, place = torch.unique(token, return_inverse=True)
        table = self._ends @ head.weight[wanted].T  # (B, number of different tokens)
        if head.bias is not None:
            table = table + head.bias[wanted]
        return checked_logits(table.float())[row, place]

    def all_logits(self) -> Tensor:
        """Return the logits (B, V) float32 of what follows every row."""
        if not self._by_states:
            return self._ends
        return checked_logits(self.model.get_output_embeddings()(self._ends).float())

    def _repeat(self, copies: int) -> None:
        seen = int(self.lengths.max())

        def repeated(states: Tensor) -> Tensor:
            room = states.new_zeros(len(states), copies, *states.shape[1:])
            room[..., :seen, :] = states[:, None, :, :seen]
            return room.flatten(0, 1)

        for layer in self._layers():
            layer.keys, layer.values = repeated(layer.keys), repeated(layer.values)
        self._ends = self._ends.repeat_interleave(copies, dim=0)
        self.lengths = np.repeat(self.lengths, copies)

    def _layers(self) -> list[_StreamLayer]:
        return [layer for layer in self._cache.layers if layer.is_initialized]

    def keep(self, rows: IntArray) -> None:
        """Drop all other rows.

        Args:
            rows: the rows that stay, in the order of `stay_in_front`.
        """
        for place, row in enumerate(rows.tolist()):
            if place != row:
                seen = int(self.lengths[row])
                for layer in self._layers():
                    layer.keys[place, :, :seen] = layer.keys[row, :, :seen]
                    layer.values[place, :, :seen] = layer.values[row, :, :seen]
        self.lengths = self.lengths[rows]
        self._ends = self._ends[self._tensor(rows)]

    def extend(self, chunks: Sequence[Sequence[int]]) -> None:
        """Append one or more tokens to every row; `logits` then tells what follows them."""
        sizes = np.array([len(chunk) for chunk in chunks])  # (B,)
        assert sizes.min() > 0, "every row of a pass gets at least one token"
        assert (self.lengths + sizes).max() <= self._step.capacity, "a row outgrew the room it asked for"
        tokens = np.concatenate([np.asarray(chunk, np.int64) for chunk in chunks])  # (T,)
        rows = np.repeat(np.arange(len(chunks)), sizes)
        offsets = np.arange(len(tokens)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        columns = self.lengths[rows] + offsets
        begins = not self.lengths.any()
        self.lengths = self.lengths + sizes
        step, width = self._step, int(sizes.max())
        step.shape, step.seen = (len(chunks), width), int(self.lengths.max())
        step.rows, step.columns = self._tensor(rows), self._tensor(columns)
        if self._flat:
            step.slots = self._tensor(rows * width + offsets)
            step.mask = None if begins else self._mask(rows, offsets, columns)
            states = self._run_flat(tokens, columns)  # (T, D)
            ends = self._tensor(np.cumsum(sizes) - 1)
            if isinstance(self.model, CopyLlama):
                self._ends = self._with_copies(self.model, tokens, states, ends, begins=begins)
            else:
                self._ends = states[ends]
        else:
            offsets = offsets + width - sizes[rows]  # on the right, so that one column ends all rows
            step.slots = self._tensor(rows * width + offsets)
            step.mask = self._mask(rows, offsets, columns)
            self._ends = self._run_padded(tokens, columns, rows, offsets)

    def _tensor(self, values: IntArray) -> Tensor:
        return torch.as_tensor(values, device=self.device)

    def _mask(self, rows: IntArray, offsets: IntArray, columns: IntArray) -> Tensor:
        """(B, 1, W, seen): a token sees its row up to itself; fillers see column 0, and are not read."""
        last = np.zeros(self._step.shape, np.int64)
        last[rows, offsets] = columns
        hidden = torch.arange(self._step.seen, device=self.device) > self._tensor(last)[:, :, None]
        mask = torch.zeros(hidden.shape, dtype=self.model.dtype, device=self.device)
        return mask.masked_fill_(hidden, torch.finfo(mask.dtype).min)[:, None]

    def _run_flat(self, tokens: IntArray, positions: IntArray) -> Tensor:
        with attention_of(self.model.config, _NAME):
            states: Tensor = self.model.get_decoder()(
                input_ids=self._tensor(tokens[None]),
                position_ids=self._tensor(positions[None]),
                past_key_values=self._cache,
                use_cache=True,
                stream=self._step,
            ).last_hidden_state
        self.forwards += 1
        return states[0]

    def _with_copies(
        self, model: CopyLlama, tokens: IntArray, states: Tensor, ends: Tensor, *, begins: bool
    ) -> Tensor:
        """Return logits (B, V) of what follows each row, its copy head's scores added.

        Args:
            model: its copy head keeps keys and notes in the last layer.
            tokens: (T,) the new ones.
            states: (T, D) of them.
            ends: (B,) which of them end a row.
            begins: no row had any token before.
        """
        step, layer = self._step, self._cache.layers[-1]
        new = self._tensor(tokens)
        if begins:
            notes = model.read_rows(new[None], step.columns[None] == 0)[0]
        else:
            by_rows = (
                new.new_zeros(step.shape[0] * step.shape[1]).index_copy(0, step.slots, new).view(step.shape)
            )
            first = step.columns[torch.cat([ends.new_zeros(1), ends[:-1] + 1])]  # (B,) columns
            before = layer.values[torch.arange(len(ends), device=self.device), 0, first - 1, 0].long()
            notes = model.read_after(by_rows, before).flatten()[step.slots]
        keys, noted = layer.update(
            model.copy_key(states).float()[None, None], notes.float()[None, None, :, None]
        )
        seen = torch.arange(step.seen, device=self.device) < self._tensor(self.lengths)[:, None]
        last, at = states[ends], notes[ends]
        wanted = torch.ones(len(ends), 1, dtype=torch.bool, device=self.device)
        copies = model.copies(
            last[:, None], at[:, None], keys[:, 0], noted[:, 0, :, 0].long(), seen[:, None], wanted
        )
        return checked_logits(copies.add_to(model.lm_head(last)))

    def _run_padded(self, tokens: IntArray, positions: IntArray, rows: IntArray, offsets: IntArray) -> Tensor:
        ids = np.full(self._step.shape, self.pad_id, np.int64)
        places = np.zeros(self._step.shape, np.int64)
        ids[rows, offsets], places[rows, offsets] = tokens, positions
        logits: Tensor = self.model(
            input_ids=self._tensor(ids),
            position_ids=self._tensor(places),
            attention_mask=self._step.mask,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        self.forwards += 1
        return checked_logits(logits.float())


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with alike; each keeps at least one of its own."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    limit = min(map(len, prompts)) - 1
    return next((k for k in range(limit) if first[k] != last[k]), limit)


def stay_in_front(goes_on: NDArray[np.bool_]) -> IntArray:
    """Return the rows that go on in the order in which `StreamCache.keep` lays them: the last ones fill gaps.

    Example:
        >>> stay_in_front(np.array([True, False, True, True])).tolist()
        [0, 3, 2]
    """
    size = int(goes_on.sum())
    order = np.arange(size)
    order[~goes_on[:size]] = size + np.flatnonzero(goes_on[size:])
    return order
