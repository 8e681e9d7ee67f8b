"""Attention inside each sequence of a packed batch, without computing what a mask would throw away.

A block-diagonal mask costs the square of a row's length; here sequences attend by buckets of like length (see
`networks.ragged`). `block_causal_mask` is the slow definition it is tested against.

Legend: B rows, T tokens of a row, F = B * T flat places, H heads, D head width, S sequences of a bucket, L
their longest, M the longest prompt that one of them continues.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from steerec.llm.products import RaggedPass, attend
from steerec.networks.ragged import Bucket, by_bucket

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
    sequences: RaggedPass = options.pop("ragged")
    flat = [states.transpose(1, 2).flatten(0, 1) for states in (query, key, value)]  # (F, H, D) each
    by_library = query.device.type != "cpu" or options.get("dropout") or options.get("softcap")
    if by_library:
        together = by_bucket(sequences.ragged, partial(_by_library, module, options), flat)  # (F, H, D)
    else:
        scale = options.get("scaling") or query.shape[3] ** -0.5
        plan = sequences.plan(query.shape[1], key.shape[1])
        q, k, v = (states.flatten(0, 1) for states in flat)
        together = attend(q, k, v, plan, scale)
    return together.view(query.shape[0], query.shape[2], query.shape[1], -1), None


def _by_library(module: Any, options: dict[str, Any], bucket: Bucket, states: list[Tensor]) -> Tensor:
    """Return (S, L, H, D)."""
    q, k, v = (one.transpose(1, 2) for one in states)  # (S, H, L or M + L, D) each
    mask = None if bucket.before is None else bucket.seen()[:, None]
    attended: Tensor = sdpa_attention_forward(module, q, k, v, attention_mask=mask, **options)[0]
    return attended


AttentionInterface.register(_NAME, _attend)
