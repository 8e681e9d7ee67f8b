"""Attention of buckets by plain batched products: what a CPU is fastest with, and its gradient by hand.

Queries, keys and values are gathered once, head by head, so that every product finds its operands in order,
and a prompt's once for all its branches. On a CPU torch's fused kernel takes 2 to 8 times as long with its
gradient, and automatic gradients spend as long in copies as in products.

Legend: F flat places, H heads, K key heads, G = H / K query heads of each, D head width, R rows of gathered
heads; of a bucket: P prompts of M tokens, C sequences of L tokens continue each (P of them, and C = 1, where
nothing is continued).
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steerec.networks.ragged import Ragged

_TOGETHER = 2**19
"""Products looked at together: 2 MiB."""


class Rows(NamedTuple):
    """Where flat heads (F * heads, D) lie bucket by bucket (R, D)."""

    take: Tensor
    """(R,) int64, the flat head of each row."""
    back: Tensor
    """(F * heads,) int64, the row of each flat head; where it has two, the one within its sequence."""
    fillers: Tensor
    """Rows that repeat another to fill a bucket."""
    twice: Tensor
    """Flat heads of prompts, which have a second row for their branches."""
    second: Tensor
    """That row."""

    def gathered(self, flat: Tensor) -> Tensor:
        """Return the rows of flat heads."""
        return flat.index_select(0, self.take)

    def returned(self, rows: Tensor) -> Tensor:
        """Return flat heads of rows; second ones are added."""
        flat = rows.index_select(0, self.back)
        return flat.index_add_(0, self.twice, rows.index_select(0, self.second))


class Share(NamedTuple):
    """Some prompts of a bucket, and their share of the rows."""

    queries: slice
    """By prompt, key head, sequence, query head of it, token."""
    keys: slice
    """By prompt, key head, sequence, token."""
    prompts: slice
    """Keys of prompts, by prompt, key head, token; none where nothing is continued."""
    unknown: Tensor | None
    """(P * K, 1, M) bool, which of them are fillers; None where nothing is continued."""
    many: int
    """P * K."""
    size: int
    """L."""

    def split(self) -> list[Share]:
        """Return shares whose products stay in a processor's cache from one step to the next."""
        asking, told = self._rows_each(self.queries), self._rows_each(self.prompts)
        step = max(1, _TOGETHER // (asking * (told + self.size)))
        return [self._part(first, min(first + step, self.many)) for first in range(0, self.many, step)]

    def _part(self, first: int, last: int) -> Share:
        def rows(whole: slice) -> slice:
            each = self._rows_each(whole)
            return slice(whole.start + first * each, whole.start + last * each)

        unknown = None if self.unknown is None else self.unknown[first:last]
        return Share(
            rows(self.queries), rows(self.keys), rows(self.prompts), unknown, last - first, self.size
        )

    def _rows_each(self, whole: slice) -> int:
        return int(whole.stop - whole.start) // self.many

    @property
    def _sequences(self) -> int:
        return int(self.keys.stop - self.keys.start) // self.size

    def whole(self, queries: Tensor) -> Tensor:
        """Return its queries by prompt, (P * K, C * G * L, D)."""
        return queries[self.queries].view(self.many, -1, queries.shape[1])

    def own(self, queries: Tensor) -> Tensor:
        """Return its queries by sequence, (P * K * C, G * L, D)."""
        return queries[self.queries].view(self._sequences, -1, queries.shape[1])

    def asked(self, keys: Tensor) -> Tensor:
        """Return its keys by sequence, (P * K * C, L, D)."""
        return keys[self.keys].view(-1, self.size, keys.shape[1])

    def told(self, keys: Tensor) -> Tensor:
        """Return its prompts' keys (P * K, M, D)."""
        return keys[self.prompts].view(self.many, -1, keys.shape[1])

    def apart(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Split weights (P * K, C * G * L, M + L) into those of prompts and (P * K * C, G * L, L) others."""
        told = weights.shape[2] - self.size
        return weights[:, :, :told], weights[:, :, told:].view(self._sequences, -1, self.size)


class Plan(NamedTuple):
    """The rows of a batch."""

    queries: Rows
    keys: Rows
    shares: tuple[Share, ...]


class RaggedPass:
    """The sequences of a batch in one pass of a model: what all its layers need is found once."""

    def __init__(self, ragged: Ragged) -> None:
        self.ragged = ragged
        self.plan = cache(lambda heads, key_heads: plan_rows(ragged, heads, key_heads))
        """See `plan_rows`."""


def plan_rows(ragged: Ragged, heads: int, key_heads: int) -> Plan:
    """Lay the heads of a batch out.

    Args:
        ragged: sequences that see all before them, and their prompts.
        heads: H.
        key_heads: K.
    """
    key_head = torch.arange(key_heads)
    query_head = torch.arange(heads).view(key_heads, 1, -1, 1)  # (K, 1, G, 1)
    queries, keys = _Laying(heads), _Laying(key_heads)
    own = []
    for bucket in ragged.buckets:
        assert bucket.visible is None, "sequences see all before them"
        prompts = len(bucket.places if bucket.before is None else bucket.before)
        places, valid = (one.view(prompts, 1, -1, one.shape[1]) for one in (bucket.places, bucket.valid))
        asking = queries.add(places[:, :, :, None], query_head, valid[:, :, :, None])
        own.append((asking, keys.add(places, key_head[:, None, None], valid)))
    once, shares = keys.size, []
    for bucket, (asking, asked) in zip(ragged.buckets, own, strict=True):
        prompts, told, unknown = len(bucket.places), slice(0, 0), None
        if bucket.before is not None and bucket.known is not None:
            prompts = len(bucket.before)
            told = keys.add(bucket.before[:, None], key_head[:, None], bucket.known[:, None])
            unknown = ~bucket.known.repeat_interleave(key_heads, dim=0)[:, None]
        shares += Share(asking, asked, told, unknown, prompts * key_heads, bucket.places.shape[1]).split()
    num_places = len(ragged.order)
    return Plan(queries.rows(num_places, queries.size), keys.rows(num_places, once), tuple(shares))


class _Laying:
    """Rows that are laid one after the other."""

    def __init__(self, heads: int) -> None:
        self.heads, self.size = heads, 0
        self._take: list[Tensor] = []
        self._valid: list[Tensor] = []

    def add(self, places: Tensor, head: Tensor, valid: Tensor) -> slice:
        """Lay heads of places, which broadcast, in row-major order; say where they lie."""
        rows = places * self.heads + head
        self._take.append(rows.flatten())
        self._valid.append(valid.expand(rows.shape).flatten())
        before, self.size = self.size, self.size + rows.numel()
        return slice(before, self.size)

    def rows(self, num_places: int, once: int) -> Rows:
        """Return the rows; those from `once` on are second ones."""
        take, valid = torch.cat(self._take), torch.cat(self._valid)
        first = valid[:once].nonzero()[:, 0]
        assert len(first) == num_places * self.heads, "every place belongs to one sequence"
        back = torch.empty_like(first)
        back[take[first]] = first
        second = once + valid[once:].nonzero()[:, 0]
        return Rows(
            take=take,
            back=back,
            fillers=(~valid).nonzero()[:, 0],
            twice=take[second],
            second=second,
        )


def attend(query: Tensor, key: Tensor, value: Tensor, plan: Plan, scale: float) -> Tensor:
    """Attend by buckets.

    Args:
        query: (F * H, D).
        key: (F * K, D).
        value: (F * K, D); its type is that of the products.
        plan: see `plan_rows`.
        scale: of products of queries and keys.

    Returns:
        (F * H, D).
    """
    alike = query.to(value.dtype), key.to(value.dtype), value
    found: Tensor = _Products.apply(*alike, plan, scale)  # type: ignore[no-untyped-call]
    return found


class _Products(torch.autograd.Function):
    """`attend`."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, plan: Plan, scale: float) -> Tensor:
        q, k, v = plan.queries.gathered(query).mul_(scale), plan.keys.gathered(key), plan.keys.gathered(value)
        found = torch.empty_like(q)
        kept = []
        with torch.autocast("cpu", enabled=False):  # products write into tensors of one type
            for share in plan.shares:
                weights = _weights(share, q, k)
                told, own = share.apart(weights)
                torch.bmm(own, share.asked(v), out=share.own(found))
                if share.unknown is not None:
                    share.whole(found).baddbmm_(told, share.told(v))
                kept.append(weights)
        ctx.save_for_backward(q, k, v, found, *kept)
        ctx.plan, ctx.scale = plan, scale
        return plan.queries.returned(found)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        plan: Plan = ctx.plan
        q, k, v, found, *kept = ctx.saved_tensors
        d = plan.queries.gathered(gradient).index_fill_(0, plan.queries.fillers, 0.0)
        mean = (d * found).sum(dim=1, keepdim=True)  # (R, 1), what softmax takes from the gradient of weights
        of_q, of_k, of_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        with torch.autocast("cpu", enabled=False):
            for share, weights in zip(plan.shares, kept, strict=True):
                told, own = share.apart(weights)
                scores = torch.bmm(share.own(d), share.asked(v).mT).sub_(share.own(mean)).mul_(own)
                torch.bmm(own.mT, share.own(d), out=share.asked(of_v))
                torch.bmm(scores.mT, share.own(q), out=share.asked(of_k))
                torch.bmm(scores, share.asked(k), out=share.own(of_q))
                if share.unknown is not None:
                    scores = torch.bmm(share.whole(d), share.told(v).mT).sub_(share.whole(mean)).mul_(told)
                    torch.bmm(told.mT, share.whole(d), out=share.told(of_v))
                    torch.bmm(scores.mT, share.whole(q), out=share.told(of_k))
                    share.whole(of_q).baddbmm_(scores, share.told(k))
        of_q.mul_(ctx.scale)
        return plan.queries.returned(of_q), plan.keys.returned(of_k), plan.keys.returned(of_v), None, None


def _weights(share: Share, queries: Tensor, keys: Tensor) -> Tensor:
    """Return how much each query looks at what it sees, (P * K, C * G * L, M + L)."""
    scores = torch.bmm(share.own(queries), share.asked(keys).mT)  # (P * K * C, G * L, L)
    size = share.size
    later = torch.ones(size, size, dtype=torch.bool).triu(1).repeat(scores.shape[1] // size, 1)
    scores = scores.masked_fill_(later, -torch.inf).view(share.many, -1, size)
    if share.unknown is not None:
        told = torch.bmm(share.whole(queries), share.told(keys).mT)
        told.masked_fill_(share.unknown, -torch.inf)
        scores = torch.cat([told, scores], dim=2)
    return scores.softmax(dim=2)
