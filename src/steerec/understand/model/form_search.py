"""The likeliest form of a sentence: a small beam under the grammar, which would rather leave nothing out.

Legend: W beams, C choices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from steerec.understand.lines.choices import KEYWORDS, Offer
from steerec.understand.lines.form import left_out
from steerec.understand.lines.grammar import Grammar, State
from steerec.understand.lines.line_form import Token
from steerec.understand.lines.schema import Schema
from steerec.understand.model.batches import Batcher, Written
from steerec.understand.model.network import Memory, ReaderNetwork

BEAM = 4
LEFT_OUT = 3.0
"""Nats that a form loses for every number, share, value or title that the sentence spells and the form does
not use; chosen on `tests/understand/development`."""


class Form(NamedTuple):
    """Lines that were written, the end included."""

    tokens: tuple[Token, ...]
    log_probability: float
    """Nats, of all decisions under the grammar."""
    least: float
    """Probability of the least sure decision; 1 where there was none."""


class _Beam(NamedTuple):
    state: State
    places: tuple[int, ...]
    chances: tuple[float, ...]
    """Log-probabilities of the decisions."""


def write_form(
    network: ReaderNetwork,
    batcher: Batcher,
    schema: Schema,
    offer: Offer,
    *,
    count: int = 10,
    beam: int = BEAM,
) -> Form:
    """Return the form about a sentence with the highest log-probability minus what it leaves out.

    Args:
        network: trained.
        batcher: makes its inputs.
        schema: of the catalogue.
        offer: the sentence and what may be written about it.
        count: length of the list where no line says it.
        beam: forms that are kept at every step, >= 1; 1 is greedy.

    Returns:
        The best of the forms that the search finishes; ties go to the one that ended first.
    """
    forms = search_forms(network, batcher, schema, offer, count=count, beam=beam)
    return max(forms, key=lambda form: form.log_probability - LEFT_OUT * len(left_out(form.tokens, offer)))


@torch.inference_mode()
def search_forms(
    network: ReaderNetwork, batcher: Batcher, schema: Schema, offer: Offer, *, count: int, beam: int
) -> list[Form]:
    """Return up to `beam` finished forms, the one that ended first first; see `write_form`.

    Where the grammar leaves all beams one token, the network is not asked.
    """
    choices = [*KEYWORDS, *(choice.token for choice in offer.choices)]
    grammar = Grammar(schema, choices, count=count, any_count=True)
    memory = network.encode(batcher.batch([Written(offer)]))
    active, finished = [_Beam(grammar.first, (), ())], list[_Beam]()
    while active and len(finished) < beam:
        masks = np.stack([grammar.may_follow(one.state) for one in active])  # (W, C)
        scores = _scores(network, memory, active, masks)
        active = _best(active, scores, beam, grammar, choices)
        finished += [one for one in active if one.state.needs == "nothing"]
        active = [one for one in active if one.state.needs != "nothing"]
    return [_form(one, choices) for one in finished]


def _scores(
    network: ReaderNetwork, memory: Memory, active: list[_Beam], masks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(W, C) log-probabilities under the grammar; -inf where a choice may not follow."""
    if (masks.sum(1) == 1).all():
        return np.where(masks, 0.0, -np.inf)
    longest = network.config.max_steps - 1  # longer than anything that is said: the beginning is forgotten
    written = torch.tensor([one.places[-longest:] for one in active], dtype=torch.int64)
    several = Memory(*(part.expand(len(active), *part.shape[1:]) for part in memory))
    scores = network.decode(several, written.reshape(len(active), -1))[:, -1, : masks.shape[1]]
    scores = scores.masked_fill(~torch.from_numpy(masks), float("-inf"))
    return scores.double().log_softmax(-1).numpy()


def _best(
    active: list[_Beam], scores: NDArray[np.float64], beam: int, grammar: Grammar, choices: list[Token]
) -> list[_Beam]:
    """Return the likeliest continuations, each a beam of its own."""
    before = np.array([sum(one.chances) for one in active])
    total = before[:, None] + scores  # (W, C)
    order = np.argsort(-total, axis=None, kind="stable")[:beam]
    found = []
    for flat in order:
        row, place = divmod(int(flat), total.shape[1])
        if np.isfinite(total[row, place]):
            one = active[row]
            state = grammar.step(one.state, choices[place])
            found.append(_Beam(state, (*one.places, place), (*one.chances, float(scores[row, place]))))
    return found


def _form(one: _Beam, choices: list[Token]) -> Form:
    least = float(np.exp(min(one.chances, default=0.0)))
    return Form(tuple(choices[place] for place in one.places), float(sum(one.chances)), least)
