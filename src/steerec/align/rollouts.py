"""Rollouts: lists that the current model samples, with what the probability of each token is over.

Free rollouts write over the whole vocabulary, so they train format and obedience. Constrained ones choose
among the tokens that still lead to a satisfied list, so they train ranking. Both keep the tokens that were
really sampled: nothing is parsed and spelled again.

Legend: P prompts, S samples of each, M decisions of a list, E its entries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.control.feasibility import is_feasible
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.decode.diverse import decode_diverse
from steerec.decode.free import sample_free
from steerec.decode.outcome import FreeAnswer
from steerec.decode.walk import Decision, WalkedList, retrace_lists, walk_lists
from steerec.errors import DataError
from steerec.llm.language_model import LanguageModel

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask:
    """A request in words at a moment of a user, as a prompt."""

    tokens: tuple[int, ...]
    """The prompt; it ends where the answer begins."""
    request: Request
    problem: Problem
    """The request compiled against the catalogue and the user's whole history."""
    history: tuple[int, ...]
    target: int | None
    """The item that came next; None where nobody knows."""
    user: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollout:
    """One sampled list."""

    items: tuple[int | None, ...]
    """E entries in the order written; None where an entry is no item."""
    tokens: tuple[int, ...]
    """Sampled tokens, the end token included where the model wrote it."""
    ends: IntArray
    """(E,) place of the token that ends each entry."""
    decided: IntArray
    """(M,) ascending places of the tokens that were a choice."""
    allowed: tuple[IntArray, ...] | None
    """What each choice was among, M arrays of token ids; None: the whole vocabulary."""


def in_halves(asks: Sequence[Ask], rng: np.random.Generator) -> tuple[list[Ask], list[Ask]]:
    """Return what is asked in two random halves: one to learn a reward from, one to train the policy on."""
    first, second = np.array_split(rng.permutation(len(asks)), 2)
    return [asks[int(i)] for i in first], [asks[int(i)] for i in second]


def read_asks(
    lm: LanguageModel,
    rows: pl.DataFrame,
    catalog: Catalog,
    *,
    max_prompt_tokens: int,
    tasks: Collection[str] | None = None,
    present: Sequence[IntArray] | None = None,
) -> list[Ask]:
    """Turn instruction rows into prompts; rows that know no user or ask for no list are left out.

    Args:
        lm: spelling and prompt layout.
        rows: `history`, `instruction`, `request`, `target`, `user`, as in `instruct.row_file`.
        catalog: N items.
        max_prompt_tokens: longest prompt; older history is left out to fit.
        tasks: values of the column `task` that are asked; None: all.
        present: user -> whole history so far. Given, each request is asked now, not at its row's moment:
            nobody knows the next item, and what can no longer be satisfied is left out.

    Raises:
        DataError: no row asks for a list within that many tokens.
    """
    asks = []
    asked = rows.filter(pl.col("request").is_not_null() & pl.col("user").is_not_null())
    if tasks is not None:
        asked = asked.filter(pl.col("task").is_in(list(tasks)))
    for row in asked.iter_rows(named=True):
        request = Request.from_json(row["request"])
        length = lm.answer_length(request.count)
        spare = max(lm.context_length - max_prompt_tokens, length)
        history = tuple(int(item) for item in row["history"] or ())
        if present is not None:
            history = tuple(present[row["user"]].tolist())
        tokens, _ = lm.encode_parts(history, row["instruction"], spare)
        if tokens is not None:
            problem = compile_request(request, catalog, history)
            if present is not None and not is_feasible(problem):
                continue
            asks.append(
                Ask(
                    tokens=tuple(tokens),
                    request=request,
                    problem=problem,
                    history=history,
                    target=row["target"] if present is None else None,
                    user=row["user"],
                )
            )
    if not asks:
        raise DataError(
            f"None of the {len(rows)} rows asks for a list in at most {max_prompt_tokens} tokens. "
            "Raise max_prompt_tokens."
        )
    return asks


def roll_free(
    lm: LanguageModel,
    asks: Sequence[Ask],
    *,
    samples: int,
    temperature: float,
    seed: int,
    batch_size: int = 256,
) -> list[list[Rollout]]:
    """Sample answers without constraint; every token is a decision.

    Returns:
        For each of the P asks its S rollouts.
    """
    found = sample_free(
        lm,
        [ask.tokens for ask in asks],
        [ask.problem.count for ask in asks],
        temperature=temperature,
        samples=samples,
        seed=seed,
        batch_size=max(batch_size, samples),
    )
    return [[_free(lm, answer) for answer in answers] for answers in found]


def roll_constrained(
    lm: LanguageModel,
    asks: Sequence[Ask],
    *,
    samples: int,
    temperature: float,
    seed: int,
    batch_size: int = 256,
) -> list[list[Rollout]]:
    """Sample lists that satisfy their requests, token by token among what is allowed.

    Args:
        lm: the model.
        asks: P asks whose requests can be satisfied.
        samples: S; 0 is not allowed.
        temperature: 0 takes the likeliest token each time.
        seed: of the sampling.
        batch_size: rows decoded together.

    Returns:
        For each ask its S rollouts.
    """
    found = walk_lists(
        lm,
        [ask.tokens for ask in asks],
        [ask.problem for ask in asks],
        temperature=temperature,
        samples=samples,
        seed=seed,
        batch_size=max(batch_size, samples),
    )
    return [[_walked(lm, walked) for walked in lists] for lists in found]


def roll_unique(
    lm: LanguageModel, asks: Sequence[Ask], *, samples: int, penalty: float = 1.0
) -> list[list[Rollout]]:
    """Return the likeliest list under each request and others that differ from it, without sampling.

    Groups of diverse beam search (`decode.diverse`) in place of draws, as generative recommenders reinforce
    them: no list is worth looking at twice. What is learned from them is not an unbiased gradient.

    Args:
        lm: the model.
        asks: P asks whose requests can be satisfied.
        samples: S, lists per ask; equal ones are kept once, so that some asks may have fewer.
        penalty: nats an item loses for each earlier list that has it in the same place.
    """
    prompts, problems = [ask.tokens for ask in asks], [ask.problem for ask in asks]
    groups = decode_diverse(lm, prompts, problems, groups=samples, penalty=penalty)
    found = []
    for ask, group in zip(asks, groups, strict=True):
        lists = list(dict.fromkeys(one.items for one in group))
        decisions = retrace_lists(lm.identifier, [ask.problem] * len(lists), lists)
        found.append([_rolled(lm, items, decided) for items, decided in zip(lists, decisions, strict=True)])
    return found


def _free(lm: LanguageModel, answer: FreeAnswer) -> Rollout:
    tokens = (*answer.tokens, lm.end_id) if answer.ended else answer.tokens
    ends = lm.identifier.ends(answer.tokens, lm.tokenizer.decode)
    return Rollout(
        items=answer.items,
        tokens=tokens,
        ends=np.array(ends, np.int64),
        decided=np.arange(len(tokens)),
        allowed=None,
    )


def _walked(lm: LanguageModel, walked: WalkedList) -> Rollout:
    return _rolled(lm, walked.items, walked.decisions, walked.tokens)


def _rolled(
    lm: LanguageModel,
    items: Sequence[int],
    decisions: Sequence[Decision],
    tokens: Sequence[int] | None = None,
) -> Rollout:
    """Return a list under a request as a rollout; without tokens, each item has its first spelling."""
    lines = [lm.identifier.line(place, len(items), item) for place, item in enumerate(items, start=1)]
    return Rollout(
        items=tuple(items),
        tokens=tuple(token for line in lines for token in line) if tokens is None else tuple(tokens),
        ends=np.cumsum([len(line) for line in lines]) - 1,
        decided=np.array([decision.place for decision in decisions], np.int64),
        allowed=tuple(decision.allowed for decision in decisions),
    )
