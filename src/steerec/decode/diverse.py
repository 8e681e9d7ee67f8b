"""Several lists per request that differ: groups of searches, each told what the earlier ones chose.

Diverse beam search (Vijayakumar et al. 2018, arXiv 1610.02424) with items instead of tokens: at every
position the groups choose in turn, and an item costs `penalty` nats for each earlier group that chose it
there.

Legend: B requests, G groups, R = B * G rows, N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from steerec.control.problem import Problem
from steerec.decode.batch import Choose, ListBatch
from steerec.decode.beam import Choice
from steerec.decode.cache import RaggedCache
from steerec.decode.outcome import DecodedList
from steerec.decode.ranking import ItemRanking, Ranked
from steerec.decode.room import check_requests
from steerec.errors import ConfigError
from steerec.items.trie import IntervalTrie

if TYPE_CHECKING:
    from steerec.llm.language_model import LanguageModel

IntArray = NDArray[np.int64]


def decode_diverse(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    problems: Sequence[Problem],
    *,
    groups: int = 4,
    penalty: float = 1.0,
) -> list[list[DecodedList]]:
    """Decode `groups` lists per prompt, each satisfying its problem; one batch, prompts encoded once.

    The first list of every prompt is the one of an exact search without penalty.

    Args:
        lm: model, identifier, padding token, context length.
        prompts: B token sequences that end where the first marker is to be written.
        problems: B feasible problems over the identifier's N items.
        groups: G, lists per prompt, >= 1.
        penalty: nats an item loses for each earlier group that chose it at the same position, >= 0.

    Returns:
        For each prompt G lists; their `scores` have the penalties taken off.

    Raises:
        RequestError: a list might not fit in the context with its prompt.
        ConfigError: groups or penalty is out of range.
    """
    if groups < 1 or not (np.isfinite(penalty) and penalty >= 0):
        raise ConfigError(f"groups must be at least 1, penalty finite and >= 0; got {groups} and {penalty}.")
    check_requests(lm, prompts, problems)
    if not prompts:
        return []
    with torch.inference_mode():
        batch = ListBatch(lm, prompts, problems, copies=groups)
        lists = batch.decode(_in_turn(lm.identifier.trie, groups, penalty))
    return [lists[start : start + groups] for start in range(0, len(lists), groups)]


def _in_turn(trie: IntervalTrie, groups: int, penalty: float) -> Choose:
    def choose(cache: RaggedCache, rows: IntArray, admissible: NDArray[np.bool_]) -> Choice:
        # Earlier groups can spoil at most G - 1 items, so the best G hold every group's choice.
        ranking = ItemRanking(trie, cache, admissible, None, k=groups)
        ranked = ranking.rank()
        picked, scores = _pick(ranked, rows // groups, penalty)
        ranking.settle(ranked.chain[picked])
        return Choice(
            items=ranked.item[picked],
            leaves=ranked.leaf[picked],
            log_probs=ranked.log_prob[picked],
            scores=scores,
        )

    return choose


def _pick(ranked: Ranked, request: IntArray, penalty: float) -> tuple[IntArray, NDArray[np.float64]]:
    """Choose row after row; (R,) places in the ranking, and scores less penalties."""
    starts = np.searchsorted(ranked.row, np.arange(len(request) + 1))
    picked, scores = np.zeros(len(request), np.int64), np.zeros(len(request))
    taken: dict[tuple[int, int], int] = {}
    for row, (start, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        own = int(request[row])
        times = np.array([taken.get((own, item), 0) for item in ranked.item[start:end].tolist()])
        left = ranked.score[start:end] - penalty * times
        best = int(left.argmax())
        picked[row], scores[row] = start + best, left[best]
        key = own, int(ranked.item[start + best])
        taken[key] = taken.get(key, 0) + 1
    return picked, scores
