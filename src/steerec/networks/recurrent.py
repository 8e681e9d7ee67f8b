"""Recurrent encoders of item sequences: GRU4Rec and NARM; and AttRec's attention, which keeps no state.

Legend: F flat places, S sequences of a bucket, L their longest, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from steerec.networks.attention import Sequences
from steerec.networks.ragged import Bucket, by_bucket


class GruEncoder(nn.Module):
    """GRU over the items (Hidasi et al. 2016, arXiv 1511.06939)."""

    def __init__(self, width: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(width, width, num_layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, batch: Sequences) -> Tensor:
        """(F, D) -> (F, D), the state after each item."""

        def run(bucket: Bucket, states: list[Tensor]) -> Tensor:
            lengths = bucket.valid.sum(dim=1).cpu()  # descend: buckets are sorted
            packed = pack_padded_sequence(states[0], lengths, batch_first=True)
            return pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]

        output: Tensor = self.dropout(by_bucket(batch.ragged, run, [hidden]))
        return output


class NarmEncoder(nn.Module):
    """GRU plus attention over its states (Li et al. 2017, arXiv 1711.04725, equations 5 to 9).

    The state after item t is B [h_t; sum_j a_tj h_j] with a_tj = v sigmoid(A1 h_t + A2 h_j): where the
    session stands, and what it was mainly about. The paper's weights are not normalised; nor are these.
    """

    def __init__(self, width: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = GruEncoder(width, num_layers, 0.0)
        self.ask, self.answer = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.importance = nn.Linear(width, 1, bias=False)
        self.project_out = nn.Linear(2 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, batch: Sequences) -> Tensor:
        """(F, D) -> (F, D)."""
        states = self.gru(hidden, batch)

        def attend(bucket: Bucket, found: list[Tensor]) -> Tensor:
            ask, answer, state = found  # (S, L, D) each
            weights = self.importance(torch.sigmoid(ask[:, :, None] + answer[:, None]))[..., 0]  # (S, L, L)
            mixed: Tensor = (weights * bucket.seen()) @ state
            return mixed

        purpose = by_bucket(batch.ragged, attend, [self.ask(states), self.answer(states), states])
        output: Tensor = self.project_out(self.dropout(torch.cat([states, purpose], dim=1)))
        return output


class AttRecEncoder(nn.Module):
    """Attention over recent items as they are, and the mean of all (Zhang et al. 2018, arXiv 1808.06414).

    Short-term intent is the mean over the last `recent` items of softmax(Q K^T / sqrt(D)) X, with Q and K one
    shared ReLU layer of X plus place; long-term taste is the mean of the items seen. `share` of the score is
    the long term's. The paper has a free vector per user for the long term, which a person who was not there
    at training has not.
    """

    waves: Tensor
    """(R, D) sines and cosines of a place in the window of recent items."""

    def __init__(self, width: int, recent: int, share: float, dropout: float) -> None:
        super().__init__()
        self.recent, self.share = recent, share
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        places = torch.arange(recent)[:, None] / 10_000 ** (torch.arange(0, width, 2) / width)  # (R, D / 2)
        waves = torch.cat([places.sin(), places.cos()], dim=1)[:, :width]
        self.register_buffer("waves", waves, persistent=False)

    def forward(self, hidden: Tensor, batch: Sequences) -> Tensor:
        """(F, D) -> (F, D)."""
        items = self.dropout(hidden)

        def attend(bucket: Bucket, found: list[Tensor]) -> Tensor:
            seen = bucket.seen()  # (S or 1, L, L)
            mean = seen.float() / seen.sum(dim=-1, keepdim=True)
            length = seen.shape[-1]
            age = torch.arange(length, device=seen.device)
            near = seen & ((age[:, None] - age) < self.recent)
            return self.share * (mean @ found[0]) + (1.0 - self.share) * self._intent(found[0], near)

        return by_bucket(batch.ragged, attend, [items])

    def _intent(self, items: Tensor, near: Tensor) -> Tensor:
        """(S, L, D) items, (S or 1, L, L) what is recent at each place -> (S, L, D).

        Every place has its own window of at most R items, laid out from its oldest.
        """
        size = min(self.recent, items.shape[1])
        back = torch.arange(size - 1, -1, -1, device=items.device)  # oldest first
        places = (torch.arange(items.shape[1], device=items.device)[:, None] - back).clamp(min=0)  # (L, R)
        windows = items[:, places]  # (S, L, R, D)
        there = near.gather(2, places.expand(near.shape[0], -1, -1))
        there = there & (torch.arange(items.shape[1], device=items.device)[:, None] >= back)  # (S or 1, L, R)
        keys = torch.relu(self.project(windows + self.waves[:size]))
        scores = keys @ keys.transpose(-1, -2) * keys.shape[-1] ** -0.5  # (S, L, R, R)
        weights = scores.masked_fill(~there[:, :, None], -torch.inf).softmax(dim=-1)
        kept = there[..., None].float()
        mean: Tensor = ((weights @ windows) * kept).sum(dim=2) / kept.sum(dim=2).clamp(min=1.0)
        return mean
