"""Self-Instruct: a few phrasings, grown to many by a language model (Wang et al. 2022, arXiv 2212.10560).

Every kind of sentence starts from its first phrasing. The language model is shown some of a kind and asked
for another; what lacks a slot, has a foreign one or is too like one that is known is thrown away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pydantic

from steerec.artifacts import write_json
from steerec.config import Config
from steerec.control.templates import PHRASES, SLOTS, check_slots
from steerec.errors import RequestError
from steerec.seeding import numpy_rng

Write = Callable[[Sequence[str], int], Sequence[str]]
"""Prompts and a seed -> one answer each."""

KINDS = tuple(kind for kind in SLOTS if not kind.startswith("which_"))
"""Kinds that are sentences; noun phrases keep all their phrasings."""
_SHOWN = 4
_LONGEST = 25
"""Words."""


class SelfInstructConfig(Config):
    """How many phrasings are grown, and how."""

    num_phrasings: pydantic.NonNegativeInt = 500
    """Phrasings in the end, seeds included, spread evenly over the kinds; 0 keeps the seeds alone."""
    rounds: pydantic.PositiveInt = 12
    """Times that every kind which still lacks phrasings is asked for."""
    asked: pydantic.PositiveInt = 16
    """Phrasings asked for at a time, per kind."""
    most_alike: float = pydantic.Field(0.7, gt=0, le=1)
    """ROUGE-L from which on a phrasing is too like one that is known."""
    seed: int = 0
    """Of what is shown, and of the writing."""


def seed_phrases() -> dict[str, list[str]]:
    """Return the first training phrasing of every kind of sentence."""
    return {kind: [PHRASES["train"][kind][0]] for kind in KINDS}


def grow_phrases(config: SelfInstructConfig, write: Write) -> dict[str, list[str]]:
    """Return phrasings by kind, the seeds first.

    Args:
        config: how many.
        write: the language model.
    """
    known = seed_phrases()
    wanted = max(1, round(config.num_phrasings / len(KINDS)))
    for number in range(config.rounds):
        short = [kind for kind in KINDS if len(known[kind]) < wanted]
        rng = numpy_rng(config.seed, "self-instruct", number)
        asked = [
            (kind, ask_for_another(kind, known[kind], rng)) for kind in short for _ in range(config.asked)
        ]
        answers = write([prompt for _, prompt in asked], number) if asked else []
        for (kind, _), answer in zip(asked, answers, strict=True):
            phrase = clean(answer)
            if len(known[kind]) < wanted and is_new(kind, phrase, known[kind], config.most_alike):
                known[kind].append(phrase)
    return known


def ask_for_another(kind: str, known: Sequence[str], rng: np.random.Generator) -> str:
    """Return the prompt that asks for one more phrasing."""
    shown = [known[int(i)] for i in rng.permutation(len(known))[:_SHOWN]]
    return ask_in_other_words(shown, [f"{{{slot}}}" for slot in sorted(SLOTS[kind])])


def ask_in_other_words(shown: Sequence[str], kept: Sequence[str]) -> str:
    """Return the prompt that asks for a request in other words.

    Args:
        shown: phrasings of it.
        kept: pieces that must stay.
    """
    examples = "\n".join(f"- {phrase}" for phrase in shown)
    keep = f" Keep {', '.join(kept)} exactly as written." if kept else ""
    said = "Say the same in one short sentence of other words."
    return f"Here is a request to a recommender:\n{examples}\n{said}{keep}"


def clean(answer: str) -> str:
    """Return the first line of an answer without bullets, quotes and numbers before it."""
    line = answer.strip().split("\n")[0]
    line = re.sub(r"^\s*(?:[-*]|\d+[.)])\s*", "", line).strip().strip('"“”').strip()
    return line[:1].upper() + line[1:]


def is_new(kind: str, phrase: str, known: Sequence[str], most_alike: float) -> bool:
    """Whether a phrasing has its slots, once each, is short, and is not too like one that is known."""
    try:
        check_slots(kind, phrase)
    except RequestError:
        return False
    slots = re.findall(r"\{(\w+)\}", phrase)
    words = phrase.split()
    stray = "{" in re.sub(r"\{\w+\}", "", phrase)
    if stray or len(slots) != len(set(slots)) or not 2 <= len(words) <= _LONGEST:
        return False
    return all(rouge_l(words, other.split()) < most_alike for other in known)


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the F measure of the longest common subsequence of words, 0..1 (Lin 2004, ROUGE-L).

    Example:
        >>> rouge_l("no horror please".split(), "please no horror".split())
        0.6666666666666666
    """
    before = [0] * (len(other) + 1)
    for word in one:
        row = [0]
        for place, against in enumerate(other):
            row.append(before[place] + 1 if word == against else max(row[-1], before[place + 1]))
        before = row
    return 2 * before[-1] / max(len(one) + len(other), 1)


def write_phrases(phrases: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write phrasings as a file that rows can be phrased by; kinds that are missing keep the trained ones."""
    write_json(path, {kind: list(phrases.get(kind, PHRASES["train"][kind])) for kind in SLOTS})
