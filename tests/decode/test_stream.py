"""The cache whose rows grow at their own pace: flat, padded and shared, it equals one pass over all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import PAD_ID, TinyLM, atomic, sequence_log_prob, tiny_lm

from steerec.decode.stream import StreamCache, is_flat, stay_in_front
from steerec.errors import SteerecError
from tiny_shelf import tiny

SYSTEM = list(range(10, 30)) * 2


def after(lm: TinyLM, cache: StreamCache, written: list[list[int]]) -> None:
    """Check the cache's next-token log-probabilities against a pass without any cache."""
    tokens = np.arange(10, 20)
    for row, sequence in enumerate(written):
        logits = cache.logits(np.full(10, row), tokens)
        ours = (logits - torch.logsumexp(logits, 0)).tolist()
        theirs = np.array([sequence_log_prob(lm, sequence, (int(token),)) for token in tokens])
        np.testing.assert_allclose(ours, theirs - np.logaddexp.reduce(theirs), atol=2e-4)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("system", [[], SYSTEM])
def test_rows_that_grow_apart_equal_one_pass(flat: bool, system: list[int]) -> None:
    lm = tiny_lm(atomic(20), sharpness=1.0)
    written = [[*system, 11, 12], [*system, 13], [*system, 14, 15, 16, 17], [*system, 18, 19], [*system, 21]]
    with torch.inference_mode():
        cache = StreamCache(lm.model, written, room=8, pad_id=PAD_ID, flat=flat)
        assert cache.forwards == (2 if system and flat else 1)  # what all begin with is read once
        after(lm, cache, written)
        chunks = [[12], [14, 15, 16], [11, 11], [20], [22, 23]]
        cache.extend(chunks)
        written = [[*row, *chunk] for row, chunk in zip(written, chunks, strict=True)]
        after(lm, cache, written)
        kept = stay_in_front(np.array([False, True, False, True, True]))
        cache.keep(kept)
        written = [written[row] for row in kept]
        after(lm, cache, written)
        chunks = [[17, 18], [12], [13, 14, 15]]
        cache.extend(chunks)
        after(lm, cache, [[*row, *chunk] for row, chunk in zip(written, chunks, strict=True)])


def test_copies_go_their_own_ways() -> None:
    lm = tiny_lm(atomic(20), sharpness=1.0)
    with torch.inference_mode():
        cache = StreamCache(lm.model, [[11, 12], [13]], room=4, pad_id=PAD_ID, copies=2)
        cache.extend([[14], [15, 16], [17], [18]])
        after(lm, cache, [[11, 12, 14], [11, 12, 15, 16], [13, 17], [13, 18]])


def test_those_that_stay_fill_the_gaps_in_front() -> None:
    for goes_on in (
        [True, False, True, True],
        [False, False, True],
        [True],
        [False, True, True, False, True],
    ):
        rows = stay_in_front(np.array(goes_on))
        assert sorted(rows.tolist()) == np.flatnonzero(goes_on).tolist()
        assert all(row == place for place, row in enumerate(rows) if goes_on[place])


def test_a_copy_head_is_run_by_rows() -> None:
    assert not is_flat(tiny(copy_dim=4).model)
    assert is_flat(tiny_lm(atomic(4)).model)


def test_weights_that_overflowed_are_reported() -> None:
    lm = tiny_lm(atomic(20))
    with torch.no_grad():
        lm.model.lm_head.weight[11] = torch.nan
    cache = StreamCache(lm.model, [[11, 12]], room=1, pad_id=PAD_ID)
    with pytest.raises(SteerecError, match="not numbers"):
        cache.logits(np.array([0]), np.array([11]))
