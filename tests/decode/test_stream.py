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


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("identifier", ["atomic", "title"])
@pytest.mark.parametrize("system", [[], SYSTEM * 2])
def test_a_copy_head_reads_rows_that_grow_apart(system: list[int], identifier: str, flat: bool) -> None:
    lm = tiny(identifier=identifier, copy_dim=4, context_length=256, initializer_range=0.3)
    assert is_flat(lm.model)
    lists = [([2, 4], [3, 5, 6, 1]), ([3], [1, 2, 0, 4]), ([5, 1, 0, 2], [7, 3, 4, 6])]
    rows = [[*system, *lm.encode_prompt(history, "Four.", 4)] for history, _ in lists for _ in range(2)]
    unread = [list(lm.encode_answer(items)) for _, items in lists for _ in range(2)]
    vocabulary = np.arange(lm.vocab_size)
    with torch.inference_mode():
        cache = StreamCache(lm.model, rows[::2], room=80, pad_id=lm.pad_id, copies=2, flat=flat)
        assert cache.forwards == (2 if system and flat else 1)
        for step in range(4):
            for number, row in enumerate(rows):
                alone = lm.model(torch.tensor([row])).logits[0, -1]
                found = cache.logits(np.full(len(vocabulary), number), vocabulary)
                torch.testing.assert_close(found, alone, atol=2e-4, rtol=1e-4)
            if step == 2:
                kept = stay_in_front(np.array([True, False, True, False, True, True]))
                rows, unread = [rows[k] for k in kept], [unread[k] for k in kept]
                cache.keep(kept)
            chunks = [row[: 1 + (k + step) % 3] for k, row in enumerate(unread)]
            unread = [row[len(chunk) :] for row, chunk in zip(unread, chunks, strict=True)]
            rows = [[*row, *chunk] for row, chunk in zip(rows, chunks, strict=True)]
            cache.extend(chunks)


def test_weights_that_overflowed_are_reported() -> None:
    lm = tiny_lm(atomic(20))
    with torch.no_grad():
        lm.model.lm_head.weight[11] = torch.nan
    cache = StreamCache(lm.model, [[11, 12]], room=1, pad_id=PAD_ID)
    with pytest.raises(SteerecError, match="not numbers"):
        cache.logits(np.array([0]), np.array([11]))
