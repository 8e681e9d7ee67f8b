"""Attention inside each sequence of a packed batch, without computing what a mask would throw away.

A block-diagonal mask costs the square of a row's length; here sequences attend by buckets of like length (see
`networks.ragged`). `block_causal_mask` is the slow definition it is tested against.

Legend: B rows, T tokens of a row, F = B * T flat places, H heads, D head width, S sequences of a bucket, L
their longest, M the most that one of them looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from steerec.networks.ragged import Bucket, Ragged, by_bucket

_NAME = "steerec_ragged"


def supports_ragged(config: Any) -> bool:
    """Say whether every layer of a model attends causally to everything before, as buckets do."""
    return getattr(config, "sliding_window", None) is None and not getattr(config, "layer_types", None)


@contextmanager
def attention_of(config: Any, name: str) -> Iterator[None]:
    """Make the layers of a model attend by a registered function.

    Args:
        config: the decoder's configuration, put back as it was.
        name: as registered with transformers' `AttentionInterface`.
    """
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def ragged_attention(config: Any) -> AbstractContextManager[None]:
    """Make the layers of a model attend by buckets: they are given as `ragged=` to its decoder."""
    return attention_of(config, _NAME)


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, **options: Any
) -> tuple[Tensor, None]:
    """Attention function of transformers' interface: (B, H, T, D) each -> (B, T, H, D)."""
    ragged: Ragged = options.pop("ragged")
    flat = [states.transpose(1, 2).flatten(0, 1) for states in (query, key, value)]  # (F, H, D) each
    attend = _by_products if query.device.type == "cpu" else _by_library

    def of_bucket(bucket: Bucket, states: list[Tensor]) -> Tensor:
        q, k, v = (one.transpose(1, 2) for one in states)  # (S, H, L or M, D) each
        return attend(module, q, k, v, bucket.visible, **options)

    together = by_bucket(ragged, of_bucket, flat)  # (F, H, D)
    return together.view(query.shape[0], query.shape[2], *together.shape[1:]), None


def _by_library(
    module: Any, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, **options: Any
) -> Tensor:
    mask = None if visible is None else visible[:, None]
    attended: Tensor = sdpa_attention_forward(module, query, key, value, attention_mask=mask, **options)[0]
    return attended


def _by_products(
    module: Any, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, **options: Any
) -> Tensor:
    """Plain batched products: on a CPU 2 to 8 times faster than torch's fused kernel with its gradient.

    Returns:
        (S, L, H, D).
    """
    if options.get("dropout") or options.get("softcap"):
        return _by_library(module, query, key, value, visible, **options)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    seen = visible
    if seen is None:
        seen = torch.ones(1, query.shape[2], query.shape[2], dtype=torch.bool, device=query.device).tril()
    hidden = torch.zeros(seen.shape, dtype=query.dtype).masked_fill_(~seen, -torch.inf)  # (S or 1, L, M)
    scores = (query * (options.get("scaling") or query.shape[3] ** -0.5)) @ key.transpose(2, 3)
    attended: Tensor = scores.add_(hidden[:, None]).softmax(dim=-1) @ value
    return attended.transpose(1, 2)


AttentionInterface.register(_NAME, _attend)
