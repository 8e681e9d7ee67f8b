"""Lists token by token, greedy or sampled, under the moving mask: the fastest decoder, and RL's.

At every branching of the trie the next token is taken among those that lead to an admissible item, with
probabilities renormalised over them; tokens that leave no choice are appended unasked and cost no pass of
their own. Rows walk independently: a pass serves every row's next *decision*, wherever in its list it is.

Masking token by token is not conditioning on whole items (`decode_lists` does that): a likely first word may
lead to an unlikely admissible title. What it loses is measured by `steerec bench search`.

Legend: B prompts, N items, K length of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from steerec.control.problem import Problem
from steerec.decode.paths import Path, Paths
from steerec.decode.room import check_requests, like_batches
from steerec.decode.stream import StreamCache, stay_in_front
from steerec.errors import ConfigError
from steerec.seeding import numpy_rng

if TYPE_CHECKING:
    from steerec.items.identifier import Identifier
    from steerec.llm.language_model import LanguageModel

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """A place where more than one token was allowed."""

    place: int
    """Index in the answer's tokens."""
    allowed: IntArray
    """Tokens that were allowed there, ascending: what the probability of the token is renormalised over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkedList:
    """A list that satisfies its problem, and how it was decided."""

    items: tuple[int, ...]
    """K item indices, best first."""
    tokens: tuple[int, ...]
    """The answer: markers, spellings, separators; without the end token."""
    log_probs: tuple[float, ...]
    """K log-probabilities of the items in nats: sums over their decisions, each renormalised over what was
    allowed there, at temperature 1."""
    decisions: tuple[Decision, ...]
    forwards: int
    """Forward passes of the batch that this list was decoded in, the prompts' included."""


def walk_lists(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    problems: Sequence[Problem],
    *,
    temperature: float = 0.0,
    samples: int = 1,
    seed: int = 0,
    batch_size: int = 64,
) -> list[list[WalkedList]]:
    """Decode lists token by token, each satisfying its problem.

    Args:
        lm: model, identifier, padding token, context length.
        prompts: B token sequences that end where the first marker is to be written.
        problems: B feasible problems over the identifier's N items.
        temperature: 0 takes the likeliest allowed token; above, tokens are drawn from the renormalised
            distribution with logits divided by it.
        samples: lists per prompt; the prompt is encoded once for all of them.
        seed: of the sampling; sample j of prompt i draws its own numbers, so the batch size changes no list.
        batch_size: rows decoded together, >= 1 and >= samples.

    Returns:
        For each prompt its lists.

    Raises:
        RequestError: a list might not fit in the context with its prompt.
        ConfigError: temperature, samples or batch size is out of range.
    """
    if not (np.isfinite(temperature) and temperature >= 0) or samples < 1 or batch_size < samples:
        raise ConfigError(
            f"temperature must be finite and >= 0, samples at least 1, batch_size at least samples; got "
            f"{temperature}, {samples} and {batch_size}."
        )
    check_requests(lm, prompts, problems)
    lists: dict[int, list[WalkedList]] = {}
    with torch.inference_mode():
        for chosen in like_batches(prompts, problems, batch_size // samples):
            draws = [numpy_rng(seed, "walk", i, sample) for i in chosen for sample in range(samples)]
            walk = _Walk(lm, [prompts[i] for i in chosen], [problems[i] for i in chosen], samples)
            found = walk.run(temperature, draws)
            lists |= {i: found[k * samples : (k + 1) * samples] for k, i in enumerate(chosen)}
    return [lists[i] for i in range(len(prompts))]


def retrace_lists(
    identifier: Identifier, problems: Sequence[Problem], lists: Sequence[Sequence[int]]
) -> list[tuple[Decision, ...]]:
    """Return the decisions at which given lists would have been walked, without asking a model.

    Args:
        identifier: spelling of N items; each item is spelled by its first spelling.
        problems: B feasible problems.
        lists: B lists that satisfy them.
    """
    paths = Paths(identifier, problems)
    trie, found = paths.trie, [list[Decision]() for _ in lists]
    moving = list(zip(range(len(lists)), paths.begin(range(len(lists))), strict=True))
    while moving := [(k, path) for k, path in moving if not path.is_complete]:
        chosen = []
        for k, path in moving:
            leaf = trie.find((*identifier.spell(lists[k][len(path.items)])[0], *identifier.separator))
            assert leaf is not None
            nodes = path.options
            found[k].append(Decision(place=len(path.tokens), allowed=trie.first_token[nodes]))
            chosen.append(int(nodes[(trie.low[nodes] <= leaf) & (leaf < trie.high[nodes])][0]))
        paths.take([path for _, path in moving], chosen)
    return [tuple(decisions) for decisions in found]


class _Row:
    """A path and what was decided on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read = len(path.tokens)
        """Tokens that are in the cache."""
        self.log_probs: list[float] = []
        self.decisions: list[Decision] = []

    def decide(self, tokens: IntArray, log_prob: float) -> None:
        """Note a decision before it is taken: what it was among, and the probability of what is taken."""
        self._reach(len(self.path.items) + 1)
        self.log_probs[-1] += log_prob
        self.decisions.append(Decision(place=len(self.path.tokens), allowed=tokens))

    def _reach(self, position: int) -> None:
        """Items that were never decided on have probability 1."""
        self.log_probs += [0.0] * (position - len(self.log_probs))

    def walked(self, forwards: int) -> WalkedList:
        path = self.path
        self._reach(len(path.items))
        return WalkedList(
            items=tuple(path.items),
            tokens=tuple(path.tokens),
            log_probs=tuple(self.log_probs),
            decisions=tuple(self.decisions),
            forwards=forwards,
        )


class _Walk:
    """A batch of requests, `samples` rows each."""

    def __init__(
        self,
        lm: LanguageModel,
        prompts: Sequence[Sequence[int]],
        problems: Sequence[Problem],
        samples: int,
    ) -> None:
        self._paths = Paths(lm.identifier, problems)
        begun = self._paths.begin(range(len(problems)))
        # What leaves no choice at the beginning is read with the prompt.
        self._cache = StreamCache(
            lm.model,
            [(*prompt, *path.tokens) for prompt, path in zip(prompts, begun, strict=True)],
            room=max(lm.identifier.answer_length(problem.count) for problem in problems),
            pad_id=lm.pad_id,
            copies=samples,
        )
        self._rows = [_Row(path.copy()) for path in begun for _ in range(samples)]

    def run(self, temperature: float, draws: Sequence[np.random.Generator]) -> list[WalkedList]:
        rows, active = self._rows, np.arange(len(self._rows))
        while True:
            goes_on = np.array([not rows[i].path.is_complete for i in active])
            if not goes_on.any():
                return [row.walked(self._cache.forwards) for row in rows]
            if not goes_on.all():
                kept = stay_in_front(goes_on)
                self._cache.keep(kept)
                active = active[kept]
            waiting = [rows[i] for i in active]
            unread = [row.path.tokens[row.read :] for row in waiting]
            if any(unread):  # before its first decision, a row was read with its prompt
                self._cache.extend(unread)
            for row in waiting:
                row.read = len(row.path.tokens)
            self._decide(waiting, temperature, [draws[int(i)] for i in active])

    def _decide(self, rows: Sequence[_Row], temperature: float, draws: Sequence[np.random.Generator]) -> None:
        """Take an option on every row."""
        sizes = np.array([row.path.options.size for row in rows])
        nodes = np.concatenate([row.path.options for row in rows])
        tokens = self._paths.trie.first_token[nodes]
        owner = np.repeat(np.arange(len(rows)), sizes)
        values = self._cache.logits(owner, tokens).double().cpu().numpy()
        uniform = None if temperature == 0 else np.array([rng.random() for rng in draws])
        taken, log_probs = _choose(values, sizes, temperature, uniform)
        offered = np.split(tokens, np.cumsum(sizes)[:-1])
        for row, among, log_prob in zip(rows, offered, log_probs.tolist(), strict=True):
            row.decide(among, log_prob)
        self._paths.take([row.path for row in rows], nodes[taken].tolist())


def _choose(
    values: FloatArray, sizes: IntArray, temperature: float, uniform: FloatArray | None
) -> tuple[IntArray, FloatArray]:
    """Choose one option of every row.

    Args:
        values: (I,) logits of all options, row by row.
        sizes: (R,) options of each row.
        temperature: logits are divided by it for drawing.
        uniform: (R,) numbers at which the rows' distribution functions are inverted; None: the likeliest.

    Returns:
        The place of the options taken (R,), and their log-probabilities at temperature 1.
    """
    owner, ends = np.repeat(np.arange(len(sizes)), sizes), np.cumsum(sizes)
    starts = ends - sizes
    top = np.maximum.reduceat(values, starts)
    # Where the model holds everything that is allowed to be impossible, all of it is as likely.
    values = np.where(np.isneginf(top)[owner], 0.0, values)
    values -= np.where(np.isneginf(top), 0.0, top)[owner]
    weights = np.exp(values)
    if uniform is None:
        best = np.flatnonzero(values == 0.0)
        taken = best[np.searchsorted(owner[best], np.arange(len(sizes)))]
    else:
        ladder = np.cumsum(weights if temperature == 1.0 else np.exp(values / temperature))
        below = np.where(starts > 0, ladder[starts - 1], 0.0)
        place = below + uniform * (ladder[ends - 1] - below)
        taken = np.clip(np.searchsorted(ladder, place, side="right"), starts, ends - 1)
    return taken, values[taken] - np.log(np.add.reduceat(weights, starts))
