"""A Llama with a signed copy head over item tokens: the `tiny` model for atomic identifiers.

A softmax over item embeddings of width D cannot push down an arbitrary set of a hundred seen items: its
logits have rank D. Pointer networks (Vinyals et al. 2015, arXiv 1506.03134; See et al. 2017, arXiv
1704.04368) add weight to tokens that stand in the context. Here the weight is a signed score, learned like
everything else: the model learns to push seen and listed items down and named candidates up. Nothing is
enforced; obedience in free decoding stays a thing that is learned and measured.

Legend: B requests, T new tokens, S tokens of the context (cached and new), M predictions, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.modeling_outputs import CausalLMOutputWithPast


class CopyLlamaConfig(LlamaConfig):  # type: ignore[misc]
    """A Llama configuration with the copy head's width and the range of item tokens."""

    model_type = "steerec_copy_llama"

    def __init__(self, copy_dim: int = 32, first_item: int = 0, num_items: int = 0, **options: Any) -> None:
        self.copy_dim, self.first_item, self.num_items = copy_dim, first_item, num_items
        super().__init__(**options)


class CopyLlamaForCausalLM(LlamaForCausalLM):  # type: ignore[misc]
    """A Llama whose item logits get `q_t . k_j` for every place j where the item stands in the context."""

    config_class = CopyLlamaConfig

    def __init__(self, config: CopyLlamaConfig) -> None:
        super().__init__(config)
        self.copy_query = nn.Linear(config.hidden_size, config.copy_dim)
        self.copy_key = nn.Linear(config.hidden_size, config.copy_dim)
        self.post_init()

    def copy_scores(self, queries: Tensor, keys: Tensor, visible: Tensor) -> Tensor:
        """Return the signed score of every context token for every query; 0 where it is not visible.

        Args:
            queries: (B, T, D) last hidden states.
            keys: (B, S, copy_dim) projected states of the context.
            visible: (B, T, S) bool.

        Returns:
            (B, T, S) float32.
        """
        scores: Tensor = self.copy_query(queries) @ keys.transpose(1, 2) / math.sqrt(self.config.copy_dim)
        return scores.float().masked_fill(~visible, 0.0)

    def add_copies(self, logits: Tensor, scores: Tensor, context: Tensor) -> Tensor:
        """Add each context token's score to the logit of that token, item tokens only.

        Args:
            logits: (M, V).
            scores: (M, S).
            context: (M, S) int64 token ids.

        Returns:
            (M, V) float32.
        """
        return logits.float().scatter_add(1, context, self.item_scores(scores, context))

    def item_scores(self, scores: Tensor, context: Tensor) -> Tensor:
        """Return the scores with those of tokens that are no items set to 0; both arguments of one shape."""
        first, last = self.config.first_item, self.config.first_item + self.config.num_items
        is_item: Tensor = (context >= first) & (context < last)
        return scores * is_item

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
        keys, context = self._context(states, input_ids, past_key_values)
        if isinstance(logits_to_keep, int):
            kept = torch.arange(states.shape[1], device=states.device)[-logits_to_keep or None :]
        else:
            kept = logits_to_keep
        visible = _visible(attention_mask, input_ids.shape[1], context.shape[1], input_ids.device)
        visible = visible.expand(len(states), -1, -1)[:, kept]
        scores = self.copy_scores(states[:, kept], keys, visible)
        logits = self.lm_head(states[:, kept])
        sources = context[:, None].expand(-1, len(kept), -1)
        copied = self.add_copies(logits.flatten(0, 1), scores.flatten(0, 1), sources.flatten(0, 1))
        return CausalLMOutputWithPast(logits=copied.view_as(logits), past_key_values=output.past_key_values)

    def _context(self, states: Tensor, tokens: Tensor, cache: Cache | None) -> tuple[Tensor, Tensor]:
        """Return keys (B, S, copy_dim) and token ids (B, S) of the whole context.

        Both live in one more layer of the cache, so that whoever reorders, repeats or crops the cache does
        the right thing without knowing of it. Token ids are exact in float32.
        """
        keys = self.copy_key(states).float()
        if cache is None:
            return keys, tokens
        while len(cache.layers) <= self.config.num_hidden_layers:
            cache.layers.append(DynamicLayer())
        layer = cache.layers[self.config.num_hidden_layers]
        all_keys, ids = layer.update(keys[:, None], tokens[:, None, :, None].float())
        return all_keys[:, 0], ids[:, 0, :, 0].long()


def _visible(mask: Tensor | None, new: int, total: int, device: torch.device) -> Tensor:
    """Return (B or 1, T, S) bool: which context tokens a new token sees, from any mask a Llama takes."""
    if mask is not None and mask.ndim == 4:
        seen = mask[:, 0, :, :total]
        return seen if seen.dtype == torch.bool else seen > -1.0
    causal = torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)[None]
    return causal if mask is None else causal & mask[:, None, :total].bool()


AutoConfig.register(CopyLlamaConfig.model_type, CopyLlamaConfig, exist_ok=True)
AutoModelForCausalLM.register(CopyLlamaConfig, CopyLlamaForCausalLM, exist_ok=True)
