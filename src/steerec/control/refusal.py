"""Refusing a request that no list can satisfy: which controls contradict each other, and what would work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from steerec.control.conflict import Change, Conflict, Relaxation, explain
from steerec.control.control import Cap, Control
from steerec.control.feasibility import is_feasible
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.control.statement import state_control, state_place, state_where
from steerec.control.wording import alternatives, spoken_column
from steerec.data.catalog import Catalog
from steerec.errors import InfeasibleRequest

_BLOCKED = {
    "seen": "what was already seen is left out",
    "exclude": "what the request excludes is left out",
    "candidates": "only the candidates may be chosen",
}


def refuse(request: Request, catalog: Catalog, problem: Problem, quotes: Sequence[str | None] = ()) -> None:
    """Raise when no list satisfies a request; return when one does.

    Args:
        request: what was asked.
        catalog: the N items.
        problem: the request compiled for the user, by `compile_request`.
        quotes: for each control the words that a person said it in, None where there are none; empty for a
            request that came as data. The refusal names controls by them.

    Raises:
        InfeasibleRequest: no list satisfies it. The message names the fewest controls that contradict each
            other and the nearest change that works; `.conflict` and `.relaxation` hold the same as data.
    """
    if is_feasible(problem):
        return
    conflict, relaxation = explain(problem)
    if quotes:
        conflict = replace(conflict, quotes=tuple(quotes[place] for place in conflict.controls))
    if _num_works(problem.allowed, problem) < problem.count:
        # shares mean other numbers at another count, which the compiled problem no longer knows
        relaxation = replace(relaxation, largest_count=largest_count(request, catalog, problem))
        message = _too_many(catalog, problem, relaxation)
    else:
        offer = _offer(request, catalog, conflict, relaxation)
        message = f"{_reason(request, catalog, problem, conflict)} {offer}"
    raise InfeasibleRequest(message.strip(), conflict=conflict, relaxation=relaxation)


def largest_count(request: Request, catalog: Catalog, problem: Problem) -> int:
    """Return the largest count below the request's that some list satisfies, or 0 where there is none.

    Args:
        request: what was asked.
        catalog: the N items.
        problem: the request compiled for the user; its allowed items count.
    """
    most = min(problem.count - 1, _num_works(problem.allowed, problem))
    controls = [control for control in request.controls if isinstance(control, Control)]
    least = max([1, *(control.within[1] for control in controls if control.within)])
    masks = [quota.mask for quota in problem.quotas]
    inside = [_num_works(mask & problem.allowed, problem) for mask in masks]
    outside = [_num_works(~mask & problem.allowed, problem) for mask in masks]
    open_request = request.replace(candidates=None, exclude=())
    for count in range(most, least - 1, -1):
        shorter = compile_request(open_request.replace(count=count), catalog)
        if any(
            quota.lower > inside[place] or quota.last - quota.first + 1 - quota.upper > outside[place]
            for place, quota in enumerate(shorter.quotas)
        ):
            continue  # too few works on one side: no need to ask the solver
        if is_feasible(replace(shorter, allowed=problem.allowed)):
            return count
    return 0


def _num_works(items: np.ndarray, problem: Problem) -> int:
    return int(np.unique(problem.work[items]).size)


def _too_many(catalog: Catalog, problem: Problem, relaxation: Relaxation) -> str:
    available = _num_works(problem.allowed, problem)
    blocked = [name for name in _BLOCKED if getattr(problem, f"blocked_{name}").any()]
    why = f" when {alternatives([_BLOCKED[name] for name in blocked], 'and')}" if blocked else ""
    nouns = catalog.singular if available == 1 else catalog.noun
    number = f"Only {available}" if available else "No"
    offer = f"The largest count that works is {relaxation.largest_count}."
    if not relaxation.largest_count:
        offer = "No shorter list satisfies the controls either: let more be recommended."
    return f"{number} {nouns} can be recommended{why}, and the request asks for {problem.count}. {offer}"


def _reason(request: Request, catalog: Catalog, problem: Problem, conflict: Conflict) -> str:
    """Say which controls contradict each other, and what rules of the request narrow them."""
    said = any(conflict.quotes)
    if said:  # in the words of the person who asks; controls that came from no words are in ours
        named = [
            f'"{quote}"' if quote is not None else state_control(request.controls[place], catalog)
            for place, quote in zip(conflict.controls, conflict.quotes, strict=True)
        ]
    else:
        named = [f'"{state_control(request.controls[place], catalog)}"' for place in conflict.controls]
    rules = [_BLOCKED[name] for name in conflict.names if name in _BLOCKED]
    why = f" when {alternatives(rules, 'and')}" if rules else ""
    size = f"{problem.count} {catalog.singular if problem.count == 1 else catalog.noun}"
    if len(named) == 1:
        supply = _supply(conflict.controls[0], catalog, problem)
        if said:
            return f"You asked for {named[0]}, and no list of {size} can do that{why}{supply}."
        return f"No list of {size} satisfies {named[0]}{why}{supply}."
    both = "both hold" if len(named) == 2 else "all hold"
    if said:
        return f"You asked for {alternatives(named, 'and')}, which cannot {both} in a list of {size}{why}."
    return f"In a list of {size}, {alternatives(named, 'and')} cannot {both}{why}."


def _supply(place: int, catalog: Catalog, problem: Problem) -> str:
    """Say how many works there are for a control that fails by itself for want of them."""
    for quota in problem.quotas:
        available = _num_works(quota.mask & problem.allowed, problem)
        if quota.control == place and available < quota.lower:
            return f": only {available} can be recommended" if available else ": none can be recommended"
    return ""


def _offer(request: Request, catalog: Catalog, conflict: Conflict, relaxation: Relaxation) -> str:
    if not relaxation.changes:
        return ""
    changes = alternatives([_change(change, request, catalog) for change in relaxation.changes], "and")
    nearest = "that works" if any(conflict.quotes) else "request that can be satisfied"
    return f"The nearest {nearest}: {changes}."


def _change(change: Change, request: Request, catalog: Catalog) -> str:
    control = request.controls[change.control]
    if isinstance(control, Cap):
        column = spoken_column(control.each, catalog)
        nouns = catalog.singular if change.new == 1 else catalog.noun
        return f"allow {change.new} {nouns} of one {column} instead of {change.old}"
    which = state_where(control.where, catalog, singular=change.new == 1)
    place = state_place(control)
    if change.bound == "upper":
        return f"allow {change.new} {which} instead of {change.old}{place}"
    if change.new == 0:
        return f'do without "{state_control(control, catalog)}"'
    return f"ask for at least {change.new} {which} instead of {change.old}{place}"
