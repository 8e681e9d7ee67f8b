"""The ranking of next items equals scoring every admissible item from scratch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import (
    PAD_ID,
    CodeIdentifier,
    TinyLM,
    atomic,
    item_log_prob,
    random_codes,
    random_prompts,
    sequence_log_prob,
    tiny_lm,
)

from steerec.decode.cache import RaggedCache
from steerec.decode.ranking import ItemRanking, Ranked
from steerec.items.identifier import Identifier

N, B = 9, 4
KINDS = ["atomic", "codes", "several spellings"]


def identifier_of(kind: str, rng: np.random.Generator) -> Identifier:
    if kind == "atomic":
        return atomic(N)
    return random_codes(N, rng, letters=3, extra=1.5 if kind == "several spellings" else 0.0)


def ranked_rows(ranked: Ranked) -> list[list[tuple[int, float, float, int]]]:
    """(item, log-probability, score, leaf) of each row, best first."""
    assert (np.diff(ranked.row) >= 0).all()
    entries = zip(
        ranked.item.tolist(),
        ranked.log_prob.tolist(),
        ranked.score.tolist(),
        ranked.leaf.tolist(),
        strict=True,
    )
    rows: list[list[tuple[int, float, float, int]]] = [[] for _ in range(B)]
    for row, entry in zip(ranked.row.tolist(), entries, strict=True):
        rows[row].append(entry)
    return rows


def check_row(
    lm: TinyLM,
    before: list[int],
    admissible: np.ndarray,
    additions: np.ndarray,
    k: int,
    found: list[tuple[int, float, float, int]],
) -> None:
    """Compare with enumeration; items whose scores differ by rounding may change places."""
    log_probs = np.full(N, -np.inf)
    for item in np.flatnonzero(admissible):
        log_probs[item] = item_log_prob(lm, before, int(item))
    scores = log_probs + additions
    best = np.sort(scores[admissible])[::-1][:k]
    items = [entry[0] for entry in found]
    assert len(items) == len(set(items)) == min(k, int(admissible.sum()))
    assert admissible[items].all()
    np.testing.assert_allclose(scores[items], best, atol=2e-4)
    np.testing.assert_allclose([entry[1] for entry in found], log_probs[items], atol=2e-4)
    np.testing.assert_allclose([entry[2] for entry in found], scores[items], atol=2e-4)
    for item, _, _, leaf in found:
        forms = [(*form, *lm.identifier.separator) for form in lm.identifier.spell(item)]
        own = {form: sequence_log_prob(lm, before, form) for form in forms}
        assert own[lm.identifier.trie.spelling(leaf)] == pytest.approx(max(own.values()), abs=2e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_additions", [False, True])
@pytest.mark.parametrize("k", [1, 2, 4, N, N + 5])
def test_the_best_items_equal_exhaustive_enumeration(kind: str, with_additions: bool, k: int) -> None:
    for seed in range(6):
        rng = np.random.default_rng([seed, k])
        lm = tiny_lm(identifier_of(kind, rng), seed=seed, sharpness=(8.0, 2.0, 0.2)[seed % 3])
        begun = [[*prompt, *lm.identifier.marker(1, 2)] for prompt in random_prompts(B, rng)]
        admissible = rng.random((B, N)) < (1.0 if seed == 0 else 0.6)
        admissible[np.arange(B), rng.integers(N, size=B)] = True
        additions = rng.standard_normal((B, N)) * (0.1, 3.0, 40.0)[seed % 3] if with_additions else None
        with torch.inference_mode():
            cache = RaggedCache(lm.model, begun, pad_id=PAD_ID)
            ranked = ItemRanking(lm.identifier.trie, cache, admissible, additions, k=k).rank()
        rows = ranked_rows(ranked)
        for row in range(B):
            added = np.zeros(N) if additions is None else additions[row]
            check_row(lm, begun[row], admissible[row], added, k, rows[row])


@pytest.mark.parametrize("kind", KINDS)
def test_any_ranked_item_can_be_settled_and_continued(kind: str) -> None:
    for place in range(3):
        rng = np.random.default_rng(place)
        lm = tiny_lm(identifier_of(kind, rng), seed=place)
        trie = lm.identifier.trie
        begun = [[*prompt, *lm.identifier.marker(1, 2)] for prompt in random_prompts(B, rng)]
        everything = np.ones((B, N), np.bool_)
        with torch.inference_mode():
            cache = RaggedCache(lm.model, begun, pad_id=PAD_ID)
            ranking = ItemRanking(trie, cache, everything, None, k=3)
            ranked = ranking.rank()
            picked = 3 * np.arange(B) + place
            ranking.settle(ranked.chain[picked])
            leaves = ranked.leaf[picked]
            last = trie.tokens[leaves, trie.lengths[leaves] - 1]
            cache.extend(np.column_stack([last, np.tile(lm.identifier.marker(2, 2), (B, 1))]))
            again = ItemRanking(trie, cache, everything, None, k=2).rank()
        rows = ranked_rows(again)
        for row in range(B):
            before = [*begun[row], *trie.spelling(int(leaves[row])), *lm.identifier.marker(2, 2)]
            check_row(lm, before, everything[row], np.zeros(N), 2, rows[row])


def test_items_win_by_spellings_that_would_lose_alone() -> None:
    """Twelve equally likely codes: item 2 has six, items 0 and 1 three each."""
    codes = [(10 + first, 10 + second) for first in range(3) for second in range(4)]
    shares = [codes[0:3], codes[3:6], codes[6:12]]
    lm = tiny_lm(CodeIdentifier(shares), sharpness=0.0)
    with torch.inference_mode():
        cache = RaggedCache(lm.model, [[11, *lm.identifier.marker(1, 2)]], pad_id=PAD_ID)
        ranking = ItemRanking(lm.identifier.trie, cache, np.ones((1, 3), np.bool_), None, k=1)
        (item,), (log_prob,) = ranking.rank()[1:3]
    assert item == 2
    assert log_prob == pytest.approx(np.log(6) - 3 * np.log(40), abs=1e-4)  # two letters and a line break


def test_equals_go_to_the_lower_item() -> None:
    lm = tiny_lm(atomic(N), sharpness=0.0)
    admissible = np.ones((1, N), np.bool_)
    admissible[0, [0, 3]] = False
    with torch.inference_mode():
        cache = RaggedCache(lm.model, [[11, *lm.identifier.marker(1, 2)]], pad_id=PAD_ID)
        ranked = ItemRanking(lm.identifier.trie, cache, admissible, None, k=4).rank()
    assert ranked.item.tolist() == [1, 2, 4, 5]


def test_impossible_items_come_last() -> None:
    for kind in KINDS:
        rng = np.random.default_rng(5)
        lm = tiny_lm(identifier_of(kind, rng), seed=5)
        lm.model.lm_head.bias = torch.nn.Parameter(torch.zeros(40))
        lm.model.lm_head.bias.data[10] = -torch.inf
        with torch.inference_mode():
            cache = RaggedCache(lm.model, [[11, *lm.identifier.marker(1, 2)]], pad_id=PAD_ID)
            ranked = ItemRanking(lm.identifier.trie, cache, np.ones((1, N), np.bool_), None, k=N).rank()
        assert sorted(ranked.item.tolist()) == list(range(N))
        is_possible = [
            any(10 not in form for form in lm.identifier.spell(item)) for item in ranked.item.tolist()
        ]
        np.testing.assert_array_equal(np.isfinite(ranked.log_prob), is_possible)
        assert is_possible == sorted(is_possible, reverse=True)
