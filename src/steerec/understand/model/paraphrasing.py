"""Training sentences in other words: a language model says composed ones again, a filter keeps the true ones.

What is kept has the numbers and the telling words of the sentence it came from and no others, is not that
sentence once more, and either is read back to the same request by a reader, or keeps the order of these
words, its negations and comparisons, and lies near in meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pydantic

from steerec.artifacts import read_json, write_json
from steerec.config import Config
from steerec.control.request import Request
from steerec.errors import RequestError
from steerec.instruct.self_instruct import Write, ask_in_other_words, clean, rouge_l
from steerec.seeding import numpy_rng
from steerec.understand.lines.choices import Offer
from steerec.understand.lines.line_form import read_tokens, write_tokens
from steerec.understand.lines.line_request import read_request
from steerec.understand.lines.number_words import find_numbers
from steerec.understand.model.batches import Embed
from steerec.understand.model.drawing import Sentence, compose_sentence, example
from steerec.understand.model.support import telling_pieces
from steerec.understand.model.worlds import World
from steerec.understand.patterns.comparison import compare
from steerec.understand.patterns.cues import MOSTLY, NEGATION, ONLY
from steerec.understand.reading import Reader
from steerec.understand.text import expand, lower, normalise, stem

Verdict = Literal["read back", "near", "words lost", "words added", "too alike", "means something else"]
KEPT: tuple[Verdict, ...] = ("read back", "near")
_LONGEST = 40
"""Words of a paraphrase."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


class ParaphraseConfig(Config):
    """How training sentences are grown by paraphrasing."""

    writer: str = "smollm2-135m"
    """The language model: "smollm2-135m", or a folder or Hugging Face id of a causal chat model."""
    num_tried: pydantic.PositiveInt = 2000
    """Sentences that are said again, once each."""
    share: float = pydantic.Field(0.1, gt=0, le=1)
    """Share of the training sentences that are paraphrases."""
    longest: pydantic.PositiveInt = 16
    """Words of a sentence that is tried: small models lose parts of longer ones."""
    most_alike: float = pydantic.Field(0.8, gt=0, le=1)
    """ROUGE-L from which on a paraphrase says the sentence again in its own words."""
    temperature: pydantic.PositiveFloat = 0.5
    """Of the writing."""
    least_near: float = pydantic.Field(0.85, ge=0, le=1)
    """Least cosine of a paraphrase that no reader reads back and the sentence."""
    seed: int = 0
    """Of the sentences, and of the writing."""


class Growth(NamedTuple):
    """What paraphrasing came to."""

    kept: list[Sentence]
    verdicts: Counter[Verdict]
    examples: list[tuple[str, str, Verdict]]
    """(sentence, paraphrase, verdict) of everything that was tried."""


def grow_sentences(
    config: ParaphraseConfig,
    worlds: Sequence[World],
    write: Write,
    embed: Embed,
    readers: Mapping[int, Reader] | None = None,
) -> Growth:
    """Return paraphrases of composed sentences, and what became of each that was tried.

    Args:
        config: how many, and what is kept.
        worlds: catalogues to write about.
        write: the language model.
        embed: texts (n) to unit vectors (n, D).
        readers: readers by the place of their world; they say whether a paraphrase still asks for the same.
    """
    composed = (compose_sentence(worlds, config.seed, number) for number in count())
    short = (one for one in composed if len(one.text.split()) <= config.longest)
    sentences = list(islice(short, config.num_tried))
    offers = [worlds[one.world].offering.offer(one.text) for one in sentences]
    kept_words = [words_to_keep(one, offer) for one, offer in zip(sentences, offers, strict=True)]
    growth = Growth([], Counter(), [])
    prompts = [
        ask_in_other_words([one.text], words) for one, words in zip(sentences, kept_words, strict=True)
    ]
    answers = [clean(answer) for answer in write(prompts, 0)]
    judge = Judge(config, worlds, embed, readers or {})
    for one, words, answer in zip(sentences, kept_words, answers, strict=True):
        verdict = judge.verdict(one, words, answer)
        growth.verdicts[verdict] += 1
        growth.examples.append((one.text, answer, verdict))
        if verdict in KEPT:
            growth.kept.append(Sentence(one.world, answer, one.tokens))
    return growth


def words_to_keep(sentence: Sentence, offer: Offer) -> list[str]:
    """Return the values and titles that a sentence spells for its lines, and its telling words.

    Numbers are compared apart: "2" may become "two".

    Args:
        sentence: as it was composed.
        offer: of the sentence, in which its words are found.

    Returns:
        Pieces of the sentence, in its order, each once.
    """
    pointed = [
        one
        for one in offer.choices
        if one.token in sentence.tokens and one.token.kind in ("value", "title", "series")
    ]
    spans = {span for one in pointed for span in one.spans}
    numbers = [(found.start, found.end) for found in find_numbers(lower(offer.sentence))]
    telling = [
        (one.start, one.end)
        for one in telling_pieces(offer.sentence)
        if " " not in one.text and not any(a < one.end and one.start < b for a, b in numbers)
    ]
    spans |= {own for own in telling if not any(a < own[1] and own[0] < b for a, b in spans)}
    inner = {one for one in spans if any(o != one and o[0] <= one[0] and one[1] <= o[1] for o in spans)}
    return list(dict.fromkeys(offer.sentence[a:b] for a, b in sorted(spans - inner)))


class Judge:
    """Decides what becomes of a paraphrase."""

    def __init__(
        self, config: ParaphraseConfig, worlds: Sequence[World], embed: Embed, readers: Mapping[int, Reader]
    ) -> None:
        """Take what `grow_sentences` takes."""
        self._config, self._worlds, self._embed, self._readers = config, worlds, embed, readers

    def verdict(self, sentence: Sentence, words: Sequence[str], answer: str) -> Verdict:
        """Return what becomes of an answer.

        Args:
            sentence: what was to be said again.
            words: what must stay, see `words_to_keep`.
            answer: the paraphrase.
        """
        said, again = (_WORD.findall(normalise(text).lower()) for text in (sentence.text, answer))
        if not 2 <= len(again) <= _LONGEST or not self._keeps_words(sentence, words, answer):
            return "words lost"
        if _telling(answer) - _telling(sentence.text):
            return "words added"
        if rouge_l(said, again) >= self._config.most_alike:
            return "too alike"
        reader = self._readers.get(sentence.world)
        if reader is not None and _reads_back(reader, sentence, answer, self._worlds[sentence.world]):
            return "read back"
        places = [_place(word, answer) for word in words]
        in_order = places == sorted(places) and _numbers(sentence.text) == _numbers(answer)
        if not in_order or _cues(sentence.text) != _cues(answer):
            return "means something else"
        one, other = self._embed([sentence.text.lower(), answer.lower()])
        return "near" if float(one @ other) >= self._config.least_near else "means something else"

    def _keeps_words(self, sentence: Sentence, words: Sequence[str], answer: str) -> bool:
        """Whether a paraphrase has the words, no other numbers, and can be written with the same lines."""
        if any(_place(word, answer) < 0 for word in words):
            return False
        if Counter(_numbers(sentence.text)) != Counter(_numbers(answer)):
            return False
        world = self._worlds[sentence.world]
        try:
            example(world, answer, sentence.tokens, numpy_rng(0, "paraphrase"))
        except RequestError:
            return False
        return True


def _telling(text: str) -> set[str]:
    """Return the words of a text that are no plain words of asking, in the singular."""
    return {stem(one.text) for one in telling_pieces(normalise(text)) if " " not in one.text}


def _place(word: str, text: str) -> int:
    """Return at which word of a text a word stands, in the singular or the plural; -1: nowhere."""
    own, whole = ([stem(found) for found in _WORD.findall(normalise(one))] for one in (word, text))
    starts = (place for place in range(len(whole) - len(own) + 1) if whole[place : place + len(own)] == own)
    return next(starts, -1)


def _numbers(text: str) -> list[Any]:
    """Return the numbers of a text in its order."""
    found = sorted(find_numbers(lower(normalise(text))), key=lambda one: (one.start, -one.end))
    return [one.token for one in found]


def _cues(text: str) -> tuple[int, bool, bool, str | None]:
    """Return the negations and the comparison of a text: what turns a meaning over without a telling word."""
    plain = expand(lower(normalise(text)))
    only, mostly = ONLY.search(plain) is not None, MOSTLY.search(plain) is not None
    return len(NEGATION.findall(plain)), only, mostly, compare(plain)


def _reads_back(reader: Reader, sentence: Sentence, answer: str, world: World) -> bool:
    try:
        reading = reader.reading(answer)
    except RequestError:
        return False
    meant = read_request(sentence.tokens, world.schema.kinds).request
    return not reading.unplaced and _said(reading.request) == _said(meant)


def _said(request: Request) -> tuple[Any, ...]:
    """Return a request in which the order of its parts says nothing."""
    parts = (frozenset(request.controls), frozenset(request.prefer), frozenset(request.exclude))
    candidates = None if request.candidates is None else frozenset(request.candidates)
    return (request.count, *parts, candidates, request.allow_seen)


def grown_sentences(
    config: ParaphraseConfig,
    worlds: Sequence[World],
    folder: Path,
    embed: Embed,
    readers: Mapping[int, Reader],
    writer: Callable[[ParaphraseConfig], Write],
) -> list[Sentence]:
    """Return the paraphrases of a folder, grown first where they are not there.

    Args:
        config: how many, and what is kept.
        worlds: the same ones for the same config, whenever it is asked for.
        folder: receives paraphrases.json, with what was tried and kept.
        embed: texts to unit vectors.
        readers: readers by the place of their world.
        writer: loads the language model.
    """
    path = folder / "paraphrases.json"
    if not path.is_file():
        growth = grow_sentences(config, worlds, writer(config), embed, readers)
        rows = [
            {"world": one.world, "text": one.text, "lines": write_tokens(one.tokens)} for one in growth.kept
        ]
        tried = [{"sentence": a, "paraphrase": b, "verdict": verdict} for a, b, verdict in growth.examples]
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, {"schema": 1, "verdicts": dict(growth.verdicts), "kept": rows, "tried": tried})
    kept = read_json(path)["kept"]
    return [Sentence(row["world"], row["text"], tuple(read_tokens(row["lines"]))) for row in kept]
