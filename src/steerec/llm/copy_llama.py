"""Llamas with a signed copy head over items: the `tiny` model, for atomic identifiers and for titles.

A softmax over item embeddings of width D cannot push down an arbitrary set of a hundred seen items: its
logits have rank D. Pointer networks (Vinyals et al. 2015, arXiv 1506.03134; See et al. 2017, arXiv
1704.04368) add weight to tokens that stand in the context. Here the weight is a signed score, learned like
everything else: the model learns to push seen and listed items down and named candidates up. Nothing is
enforced; obedience in free decoding stays a thing that is learned and measured.

Legend: B requests, K queries of each, T new tokens, S tokens of the context (cached and new), R wanted
queries, P changed logits, V vocabulary, D width of the model, E width of the copy head.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.modeling_outputs import CausalLMOutputWithPast

from steerec.llm.spelling_reader import Interval, SpellingReader, SpellingTables


class Copies(NamedTuple):
    """What a copy head adds to logits."""

    query: Tensor
    """(P,) int64, number of the wanted query in row-major order."""
    token: Tensor
    """(P,) int64; a token may occur more than once for a query."""
    added: Tensor
    """(P,) float32."""

    def add_to(self, logits: Tensor) -> Tensor:
        """Return the queries' logits (R, V) in float32, copies added: in place, if they are float32."""
        places = self.query * logits.shape[1] + self.token
        added: Tensor = _Added.apply(logits.float(), places, self.added)  # type: ignore[no-untyped-call]
        return added


class _Added(torch.autograd.Function):
    """Adds numbers (P,) at flat places of logits, in place; automatic gradients would copy them twice."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, places: Tensor, numbers: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.mark_dirty(logits)
        logits.view(-1).scatter_add_(0, places, numbers)
        return logits

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        (places,) = ctx.saved_tensors
        return gradient, None, gradient.reshape(-1)[places]


class CopyLlama(LlamaForCausalLM):  # type: ignore[misc]
    """A Llama that scores the places of its context with `q_t . k_j` and changes logits by the scores.

    Every token leaves a note of one integer in the cache: what the head must know of it later.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.copy_query = nn.Linear(config.hidden_size, config.copy_dim)
        self.copy_key = nn.Linear(config.hidden_size, config.copy_dim)

    @abstractmethod
    def read_rows(self, tokens: Tensor, begins: Tensor, opened: Tensor | None = None) -> Tensor:
        """Return the notes of whole sequences.

        Args:
            tokens: (B, T) int64; several sequences may stand in one row.
            begins: (B, T) bool, True where one begins.
            opened: (B, T) bool, True where an answer begins that does not stand right after its prompt.

        Returns:
            (B, T) int64.
        """

    @abstractmethod
    def read_on(self, tokens: Tensor, visible: Tensor, old: Tensor) -> Tensor:
        """Return the notes of new tokens, each after the last token that it sees.

        Args:
            tokens: (B, T) int64.
            visible: (B, T, S) bool; the last token that one sees is itself.
            old: (B, columns) float32, the notes in the cache.

        Returns:
            (B, T) int64; anything where a filler sees nothing.
        """

    @abstractmethod
    def read_after(self, tokens: Tensor, before: Tensor) -> Tensor:
        """Return the notes of tokens that follow each other.

        Args:
            tokens: (B, T) int64.
            before: (B,) int64, the note of the token before the first.

        Returns:
            (B, T) int64.
        """

    @abstractmethod
    def copies(
        self, queries: Tensor, at: Tensor, keys: Tensor, notes: Tensor, visible: Tensor, wanted: Tensor
    ) -> Copies:
        """Return what is added to the logits.

        Args:
            queries: (B, K, D) last hidden states.
            at: (B, K) notes of the same tokens.
            keys: (B, S, E) projected states of the context.
            notes: (B, S) of the context.
            visible: (B, K, S) bool, which tokens of the context a query sees.
            wanted: (B, K) bool, whose logits are asked for.
        """

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return signed scores (B, K, J) float32 of keys (B, J, E) for queries (B, K, D)."""
        found: Tensor = self.copy_query(queries) @ keys.transpose(1, 2) / math.sqrt(self.config.copy_dim)
        return found.float()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **options: Any,
    ) -> CausalLMOutputWithPast:
        """Return logits (B, kept T, V) and the cache; arguments as in `LlamaForCausalLM`, input ids only."""
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **options,
        )
        states = output.last_hidden_state  # (B, T, D)
        if isinstance(logits_to_keep, int):
            kept = torch.arange(states.shape[1], device=states.device)[-logits_to_keep or None :]
        else:
            kept = logits_to_keep
        keys, notes, new, visible = self._context(states, input_ids, attention_mask, past_key_values)
        logits = self.lm_head(states[:, kept])
        wanted = torch.ones(logits.shape[:2], dtype=torch.bool, device=logits.device)
        found = self.copies(states[:, kept], new[:, kept], keys, notes, visible[:, kept], wanted)
        copied = found.add_to(logits.flatten(0, 1)).view(logits.shape)
        return CausalLMOutputWithPast(logits=copied, past_key_values=output.past_key_values)

    def _context(
        self, states: Tensor, tokens: Tensor, mask: Tensor | None, cache: Cache | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return keys (B, S, E) and notes (B, S) of the whole context, new notes (B, T), visible (B, T, S).

        Keys and notes live in one more layer of the cache, so that whoever reorders, repeats or crops the
        cache does the right thing without knowing of it. Notes are exact in float32.
        """
        keys = self.copy_key(states).float()
        rows, size = tokens.shape
        if cache is None:
            new = self.read_rows(tokens, _begins(tokens, mask))
            return keys, new, new, _visible(mask, size, size, tokens.device).expand(rows, -1, -1)
        new_layer = cache.layer_class_to_replicate or DynamicLayer
        while len(cache.layers) <= self.config.num_hidden_layers:
            cache.layers.append(new_layer())
        layer = cache.layers[self.config.num_hidden_layers]
        if layer.is_initialized:
            total = mask.shape[3] if mask is not None and mask.ndim == 4 else layer.keys.shape[2] + size
            visible = _visible(mask, size, total, tokens.device).expand(rows, -1, -1)
            new = self.read_on(tokens, visible, layer.values[:rows, 0, :, 0])
        else:
            new = self.read_rows(tokens, _begins(tokens, mask))
        all_keys, noted = layer.update(keys[:, None], new[:, None, :, None].float())
        visible = _visible(mask, size, all_keys.shape[2], tokens.device).expand(rows, -1, -1)
        return all_keys[:, 0], noted[:, 0, :, 0].long(), new, visible


class CopyLlamaConfig(LlamaConfig):  # type: ignore[misc]
    """A Llama configuration with the copy head's width and the range of item tokens."""

    model_type = "steerec_copy_llama"

    def __init__(self, copy_dim: int = 32, first_item: int = 0, num_items: int = 0, **options: Any) -> None:
        self.copy_dim, self.first_item, self.num_items = copy_dim, first_item, num_items
        super().__init__(**options)


class CopyLlamaForCausalLM(CopyLlama):
    """Items are tokens: an item's logit gets the score of every place where it stands in the context."""

    config_class = CopyLlamaConfig

    def __init__(self, config: CopyLlamaConfig) -> None:
        super().__init__(config)
        self.post_init()

    def read_rows(self, tokens: Tensor, begins: Tensor, opened: Tensor | None = None) -> Tensor:
        """Return the tokens: they say all there is to know."""
        return tokens

    def read_on(self, tokens: Tensor, visible: Tensor, old: Tensor) -> Tensor:
        """Return the tokens."""
        return tokens

    def read_after(self, tokens: Tensor, before: Tensor) -> Tensor:
        """Return the tokens."""
        return tokens

    def copies(
        self, queries: Tensor, at: Tensor, keys: Tensor, notes: Tensor, visible: Tensor, wanted: Tensor
    ) -> Copies:
        """Return every visible place's score for the token that stands there, 0 if that is no item."""
        first, last = self.config.first_item, self.config.first_item + self.config.num_items
        scores = self.scores(queries, keys).masked_fill(~visible, 0.0)[wanted]  # (R, S)
        tokens = notes[:, None].expand_as(visible)[wanted]  # (R, S)
        query = torch.arange(len(scores), device=scores.device)[:, None].expand_as(scores)
        added = scores * ((tokens >= first) & (tokens < last))
        return Copies(query.flatten(), tokens.flatten(), added.flatten())


class TitleCopyLlamaConfig(LlamaConfig):  # type: ignore[misc]
    """A Llama configuration with the copy head's width and the sizes of the tables that read spellings."""

    model_type = "steerec_title_copy_llama"

    def __init__(
        self, copy_dim: int = 32, spelling_sizes: dict[str, int] | None = None, **options: Any
    ) -> None:
        self.copy_dim, self.spelling_sizes = copy_dim, spelling_sizes or {}
        super().__init__(**options)


class TitleCopyLlamaForCausalLM(CopyLlama):
    """Items are spelled: a score belongs to an item, and goes to the tokens that lead to it.

    Let `s_i` be the score of item i, 0 if it does not stand in the context, and `A(v)` the logarithm of the
    mean of `exp(s_i)` over the items whose spelling passes through node v, weighted by `exp(b_i)`. Where node
    n has been written, the token that leads to its child v gets `A(v) - A(n)`: the product over a spelling is
    what an atomic copy head gives the item, marginalised over spellings. So "The" is hardly pushed down by
    three seen films that begin with it, and the token at which only seen films are left is. The prior `b` is
    learned: films that many people have seen carry more of a beginning's weight.
    """

    config_class = TitleCopyLlamaConfig

    def __init__(self, config: TitleCopyLlamaConfig) -> None:
        super().__init__(config)
        self.spelling = SpellingReader(**config.spelling_sizes, vocab_size=config.vocab_size)
        self.item_prior = nn.Parameter(torch.zeros(config.spelling_sizes["num_items"]))
        self.post_init()

    @classmethod
    def with_tables(cls, tables: SpellingTables, **options: Any) -> TitleCopyLlamaForCausalLM:
        """Build an untrained model that reads the given spellings; options as of the configuration."""
        model = cls(TitleCopyLlamaConfig(spelling_sizes=tables.sizes, **options))
        model.spelling.fill(tables)
        return model

    def read_rows(self, tokens: Tensor, begins: Tensor, opened: Tensor | None = None) -> Tensor:
        """Return where each token stands in the spelling of an item."""
        return self.spelling.read_rows(tokens, begins, opened)

    def read_on(self, tokens: Tensor, visible: Tensor, old: Tensor) -> Tensor:
        """Return where each new token stands in the spelling of an item."""
        columns = torch.arange(1, visible.shape[2] + 1, device=visible.device)
        own = (visible * columns).amax(dim=2)  # (B, T), counted from 1
        parent = (visible & (columns < own[:, :, None])).mul(columns).amax(dim=2)
        stored = old.gather(1, (parent - 1).clamp(0, old.shape[1] - 1)).long()
        new = torch.zeros_like(tokens)
        for t in range(tokens.shape[1]):
            before = stored[:, t]
            for earlier in range(t):
                before = torch.where(own[:, earlier] == parent[:, t], new[:, earlier], before)
            new[:, t] = self.spelling.read_next(before, tokens[:, t])
        return new

    def read_after(self, tokens: Tensor, before: Tensor) -> Tensor:
        """Return where each token stands in the spelling of an item."""
        new = torch.empty_like(tokens)
        for t in range(tokens.shape[1]):
            before = new[:, t] = self.spelling.read_next(before, tokens[:, t])
        return new

    def copies(
        self, queries: Tensor, at: Tensor, keys: Tensor, notes: Tensor, visible: Tensor, wanted: Tensor
    ) -> Copies:
        """Return `A(v) - A(n)` for the children v of nodes n that have an item of the context below them.

        Children without one (their A is 0) of nodes with many children are left out: see `children_of`.
        """
        items, place = self.spelling.finished(notes)  # (B, J) each
        index = place[:, None].expand(-1, visible.shape[1], -1)
        seen = visible.gather(2, index) & (items >= 0)[:, None] & wanted[:, :, None]
        seen = self.spelling.last_mentions(seen, items) & self.spelling.below(at, items)  # (B, K, J)
        scores = self.scores(queries, keys.gather(1, place[:, :, None].expand(-1, -1, keys.shape[2])))
        number = wanted.flatten().cumsum(0).view(wanted.shape) - 1  # (B, K)
        b, k, j = seen.nonzero(as_tuple=True)  # (P,) each
        step = self.spelling.step(at[b, k], items[b, j])
        prior = self.item_prior.float().exp()  # (N,)
        before = self.spelling.below_rank(prior)
        listed = prior[items[b, j]]
        weights = listed * scores[b, k, j].clamp(-_LARGEST, _LARGEST).exp()
        size = self.config.vocab_size
        pairs, child = torch.unique(
            number[b, k] * size + step.token, return_inverse=True
        )  # (children,), (P,)
        query, node = torch.unique_consecutive(pairs // size, return_inverse=True)  # (nodes,), (children,)
        below = _mean_logs(before, step.child, child, len(pairs), listed, weights)
        here = _mean_logs(before, step.here, node[child], len(query), listed, weights)
        copies = Copies(pairs // size, pairs % size, below - here[node])
        # The other children share what the listed ones lose, so that no invented word profits from it.
        first = torch.searchsorted(pairs, query * size)  # a child of each node, and so an entry of it
        entry = torch.zeros(len(pairs), dtype=torch.int64, device=pairs.device)
        entry = entry.scatter(0, child, torch.arange(len(child), device=pairs.device))[first]
        owner, token = self.spelling.children_of(at[b[entry], k[entry]])
        is_listed = torch.isin(query[owner] * size + token, pairs)
        owner, token = owner[~is_listed], token[~is_listed]
        return Copies(*map(torch.cat, zip(copies, (query[owner], token, -here[owner]), strict=True)))


_LARGEST = 30.0
"""Scores beyond it are cut: their exponential must be finite."""


def _mean_logs(
    before: Tensor, interval: Interval, group: Tensor, size: int, listed: Tensor, weights: Tensor
) -> Tensor:
    """Return the log of the mean weight below each node: (size,).

    Args:
        before: (N + 1,) summed prior of the items before each rank.
        interval: ranks of the items below the node of each pair.
        group: (P,) number of that node.
        size: number of nodes.
        listed: (P,) prior of the items that have a score.
        weights: (P,) prior times exp(score).
    """
    zeros = torch.zeros(size, device=weights.device)
    first = torch.zeros(size, dtype=torch.int64, device=group.device)
    low, high = first.scatter(0, group, interval.low), first.scatter(0, group, interval.high)
    whole = before[high] - before[low]
    rest = (whole - zeros.index_add(0, group, listed)).clamp(min=0.0)
    # What rounding leaves of nothing must not outweigh scores of -20.
    is_full = torch.bincount(group, minlength=size) == high - low
    rest = torch.where(is_full, 0.0, rest)
    return torch.log((rest + zeros.index_add(0, group, weights)) / whole)


def _begins(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Return (B, T) bool, True at the first token of every row; padding before it is read as words."""
    begins = torch.zeros_like(tokens, dtype=torch.bool)
    begins[:, 0] = True
    if mask is not None and mask.ndim == 2:
        first = mask[:, -tokens.shape[1] :].bool().int().argmax(dim=1)
        begins[torch.arange(len(tokens), device=tokens.device), first] = True
    return begins


def _visible(mask: Tensor | None, new: int, total: int, device: torch.device) -> Tensor:
    """Return (B or 1, T, S) bool: which context tokens a new token sees, from any mask a Llama takes."""
    if mask is not None and mask.ndim == 4:
        seen = mask[:, 0, :, :total]
        return seen if seen.dtype == torch.bool else seen > -1.0
    causal = torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)[None]
    return causal if mask is None else causal & mask[:, None, :total].bool()


for _config, _model in (
    (CopyLlamaConfig, CopyLlamaForCausalLM),
    (TitleCopyLlamaConfig, TitleCopyLlamaForCausalLM),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModelForCausalLM.register(_config, _model, exist_ok=True)
