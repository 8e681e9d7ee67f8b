"""A conversation: each turn changes the standing request, and nothing that was shown comes again.

The state is plain data: it can be shown, edited, stored as JSON and taken up again. A turn is a pure function
of it; what a turn says is read by the same reader as a request of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from steerec.config import Config
from steerec.control.control import Cap, Control, Wish
from steerec.control.request import Request
from steerec.control.statement import state_control
from steerec.control.where import Where, mask
from steerec.data.catalog import Catalog
from steerec.data.title import fold
from steerec.understand.quotes import trimmed
from steerec.understand.reading import Reader, Reading
from steerec.understand.text import ORDINAL_WORDS, expand, lower, normalise

Did = Literal[
    "asked",
    "started over",
    "excluded",
    "readmitted",
    "likened",
    "forgot",
    "fewer",
    "more",
    "went on",
    "chatted",
    "nothing",
]

_LEAD = r"(?:(?:ok(?:ay)?|please|and|but|i want|give me|show me|let us|let's|i would like),? )*"
_RESTART = re.compile(
    rf"(?:no,? )?{_LEAD}(?:(?P<start>start (?:over|again|afresh|from scratch)|from scratch)"
    r"|reset(?: everything| it all)?"
    r"|forget (?:everything|all of (?:it|that))(?: i(?: have|'ve)? said| so far)*)"
    # "forget everything about horror" forgets horror, and does not start over with it
    r"(?P<rest>(?(start)\W|(?:\s*[,;:.!?-]|\s(?:with|and)\b)).*)?"
)
_ORDINAL = rf"(?:the )?(?:(?:{'|'.join(ORDINAL_WORDS)})|\d+(?:st|nd|rd|th)|last)(?: one)?"
_NUMBERED = r"(?:number |no\. ?|# ?)\d+"
_PLACE = rf"(?:{_ORDINAL}|{_NUMBERED})"
_ONE = rf"(?:{_PLACE}|(?:that|this)(?: last)? one|it)"
_SOME = rf"(?P<items>{_ONE}(?:(?:,|,? and|,? or|,? nor) {_ONE})*)(?: (?:again|either|already))?"
_REJECTS = re.compile(
    r"(?:(?:please|no|but),? )*(?:not|nope|drop|remove|skip|without|replace|swap|lose|get rid of|take out"
    rf"|i (?:hate|do not want|do not like|know)|i(?: have|'ve) seen) {_SOME}"
)
_LIKENS = re.compile(rf"{_LEAD}(?:more|something|others?|anything)(?: \w+)? (?:like|similar to) {_SOME}")
_FORGETS = re.compile(
    r"(?:please |i )?(?:(?P<takes_out>drop|remove)|forget|ignore|never mind|do not (?:mind|care))"
    r"(?: about)?(?: the)? (?P<what>.+)"
    r"|any (?P<any>\w+)(?: (?:is|are) (?:fine|ok(?:ay)?)| will do)?"
    r"|(?:the )?(?P<moot>.+?) (?:does|do) not matter"
)
_READMITS = re.compile(
    rf"{_LEAD}(?:bring|put|have|let)(?: me have)? (?P<what>.+?) (?:back|again)(?: (?:in|on)(?: the list)?)?"
    r"|(?:you (?:can|may) )?show (?:me )?(?P<shown>.+?) again(?: after all)?"
)
_UNSEEN = re.compile(
    rf"{_LEAD}(?:(?:only|just) (?:new ones|(?:the )?\w+ (?:that )?i have(?: not|n't|n’t) seen(?: yet)?)"
    r"|nothing (?:that )?i(?: have|'ve) (?:already )?seen|no repeats)(?: this time| any ?more)?"
)
_ANYTHING = re.compile(
    rf"{_LEAD}(?:not (?:only|just)(?: from| among)? (?:those|these)|anything(?: at all)?"
    r"|(?:from |among )(?:all|everything)(?: of them| \w+)?)"
)
_COMPARES = re.compile(
    rf"{_LEAD}(?:(?:fewer|less|not (?:so|as|that|too) many) (?!than\b)(?P<fewer>[^,;.\d]+)"
    r"|(?:some |a few )?more (?!than\b|like\b|of the same\b)(?P<more>[^,;.\d]+))"
)
_GOES_ON = re.compile(
    r"(?:more|next|again|another (?:list|one|round|batch)|go on|continue|show me more|what else|others?)"
)
_SWITCHES = re.compile(
    r"\b(?:instead|rather|actually|switch to|change (?:it|that) to|make (?:them|it all))\b"
)


class Quote(Config):
    """A control and the words of a turn that it came from."""

    control: Control | Cap
    words: str


class Turn(Config):
    """What one turn said and did."""

    said: str
    did: Did
    unplaced: tuple[str, ...] = ()
    """Words that changed nothing because they could not be placed."""
    reply: str | None = None
    """A plain answer to a turn that asked for nothing; then no list belongs to it."""
    quotes: tuple[Quote, ...] = ()
    """Controls that the turn asked for, each with its words of `said`."""


class Conversation(Config):
    """Everything a conversation is."""

    standing: Request = Request()
    """What is asked by now."""
    last: tuple[str, ...] = ()
    """Item ids of the list shown last, best first."""
    shown: tuple[str, ...] = ()
    """Item ids of everything shown since the conversation started over."""
    turns: tuple[Turn, ...] = ()

    @property
    def request(self) -> Request:
        """Return the standing request without what was shown already."""
        exclude = dict.fromkeys((*self.standing.exclude, *self.shown))
        return self.standing.replace(exclude=tuple(exclude))

    @property
    def quotes(self) -> tuple[str | None, ...]:
        """Return for each control of the standing request the words that asked for it last.

        None: no turn asked for it; it came from an edit.
        """
        said = {one.control: one.words for turn in self.turns for one in turn.quotes}
        return tuple(said.get(control) for control in self.standing.controls)

    def show(self, item_ids: Sequence[str]) -> Conversation:
        """Return the conversation after a list was shown."""
        shown = tuple(dict.fromkeys((*self.shown, *item_ids)))
        return self.replace(last=tuple(item_ids), shown=shown)


class _Change(NamedTuple):
    standing: Request
    did: Did
    unplaced: tuple[str, ...] = ()
    readmitted: tuple[str, ...] = ()
    """Item ids that may be shown again."""
    quotes: tuple[Quote, ...] = ()


def take_turn(
    conversation: Conversation,
    text: str,
    reader: Reader,
    catalog: Catalog,
    *,
    chat: Callable[[str], str | None] | None = None,
) -> Conversation:
    """Return a conversation after one more turn of the user.

    Args:
        conversation: as it was.
        text: what the user says now.
        reader: reads requests, and the items that a change is about.
        catalog: of the items.
        chat: answers a turn that asks for nothing in words, or returns None where a list is wanted.

    Raises:
        RequestError: the text is longer than the reader takes.
    """
    conversation = _within_catalogue(conversation, catalog)
    plain = " ".join(expand(lower(normalise(text))).split()).strip(" .!?,")
    plain = re.sub(r",? please$", "", plain)
    restart = _RESTART.fullmatch(plain)
    if restart is not None:
        rest = re.sub(r"^\W*(?:with|and)?\W*", "", restart["rest"] or "")
        change = (
            _merged(Request(), reader.reading(rest), rest, catalog) if rest else _Change(Request(), "asked")
        )
        turn = Turn(said=text, did="started over", unplaced=change.unplaced, quotes=_within(text, change))
        return Conversation(standing=change.standing, turns=(*conversation.turns, turn))
    change = _change(conversation, text, plain, reader, catalog)
    reply = chat(text) if chat is not None and change.did == "nothing" else None
    if reply is not None:
        turn = Turn(said=text, did="chatted", reply=reply)
    else:
        turn = Turn(said=text, did=change.did, unplaced=change.unplaced, quotes=_within(text, change))
    shown = tuple(one for one in conversation.shown if one not in change.readmitted)
    return conversation.replace(standing=change.standing, shown=shown, turns=(*conversation.turns, turn))


def _within_catalogue(conversation: Conversation, catalog: Catalog) -> Conversation:
    """Return the conversation without shown and excluded items that the catalogue has no more."""
    standing = conversation.standing
    held = (conversation.shown, conversation.last, standing.exclude)
    ids = frozenset(catalog.item_ids)
    # a title may stand for an id; all are looked up at once, for asking after each that is gone is slow
    strange = {fold(one) for references in held for one in references if one not in ids}
    named = strange and strange.intersection(map(fold, (*catalog.titles, *catalog.displays)))
    shown, last, exclude = (
        tuple(one for one in references if one in ids or fold(one) in named) for references in held
    )
    return conversation.replace(shown=shown, last=last, standing=standing.replace(exclude=exclude))


def _within(text: str, change: _Change) -> tuple[Quote, ...]:
    """Return the quotes of a change that stand in what was said, letter by letter."""
    return tuple(quote for quote in change.quotes if quote.words in text)


def _change(conversation: Conversation, text: str, plain: str, reader: Reader, catalog: Catalog) -> _Change:
    standing, last = conversation.standing, conversation.last
    if _GOES_ON.fullmatch(plain):
        return _Change(standing, "went on")
    if (found := _LIKENS.fullmatch(plain)) and (items := _pointed(found["items"], last)):
        return _Change(standing.replace(prefer=(*standing.prefer, Wish(like=tuple(items)))), "likened")
    if (found := _REJECTS.fullmatch(plain)) and (items := _pointed(found["items"], last)):
        return _Change(standing.replace(exclude=(*standing.exclude, *items)), "excluded")
    if standing.allow_seen and _UNSEEN.fullmatch(plain):
        return _Change(standing.replace(allow_seen=False), "asked")
    if standing.candidates is not None and _ANYTHING.fullmatch(plain):
        return _Change(standing.replace(candidates=None), "asked")
    if found := _READMITS.fullmatch(plain):
        back = _left_out(conversation, found["what"] or found["shown"], catalog)
        if back:
            kept = tuple(one for one in standing.exclude if one not in back)
            return _Change(standing.replace(exclude=kept), "readmitted", readmitted=tuple(back))
    if (found := _FORGETS.fullmatch(plain)) is not None:
        what = found["what"] or found["any"] or found["moot"]
        lighter = _without(standing, what, reader, catalog, keeps_bans=found["takes_out"] is not None)
        if lighter is not None:
            return _Change(lighter, "forgot")
    if (found := _COMPARES.fullmatch(plain)) is not None:
        compared = _compared(conversation, text, found, reader, catalog)
        if compared is not None:
            return compared
    switches = _SWITCHES.search(plain) is not None
    return _merged(standing, reader.reading(text, count=standing.count), text, catalog, switches=switches)


def _pointed(said: str, last: Sequence[str]) -> list[str]:
    """Return the ids of the items of the last list that a turn points at; none where one is not in it.

    Args:
        said: "the third", "number 2 and number 4", "that one" (the first), "the last".
        last: ids, best first.
    """
    items = []
    for one in re.split(r",? and |,? n?or |, ", said):
        words = one.removeprefix("the ").removesuffix(" one")
        number = re.search(r"\d+", words)
        place = int(number[0]) if number else ORDINAL_WORDS.get(words, 1)
        if words == "last":
            place = len(last)
        if not 1 <= place <= len(last):
            return []
        items.append(last[place - 1])
    return list(dict.fromkeys(items))


def _left_out(conversation: Conversation, what: str, catalog: Catalog) -> list[str]:
    """Return the ids of items that are left out or were shown and that a turn names.

    Args:
        conversation: as it is.
        what: titles; places in the last list; or "it", "that one": what was left out last.
        catalog: of the items.
    """
    excluded = conversation.standing.exclude
    if re.fullmatch(rf"{_PLACE}(?:(?:,|,? and) {_PLACE})*", what):
        return _pointed(what, conversation.last)
    if re.fullmatch(_ONE, what):
        return list(excluded[-1:])
    said = f" {fold(what)} "
    known = dict.fromkeys((*excluded, *conversation.shown))
    names = {one: (catalog.titles[place], catalog.displays[place]) for one in known
             for place in [catalog.resolve(one)]}  # fmt: skip
    return [one for one, both in names.items() if any(f" {fold(name)} " in said for name in both)]


def _without(
    standing: Request, what: str, reader: Reader, catalog: Catalog, *, keeps_bans: bool
) -> Request | None:
    """Return the request without what it says of a column or of a set of items; None if it says nothing.

    Args:
        standing: the request.
        what: names the column or the set.
        reader: reads the set.
        catalog: of the items.
        keeps_bans: whether what keeps that set out stays: "drop horror" never lets horror in.
    """
    columns = {name for name in catalog.columns if _is_named(name, what)}
    wheres = [one.where for one in _controls(reader, what) if isinstance(one, Control)]

    def is_meant(one: Control | Cap | Wish) -> bool:
        if isinstance(one, Cap):
            return one.each in columns
        if one.where is None:
            return False
        is_ban = one.at_most == 0 if isinstance(one, Control) else one.weight < 0
        return (one.where in wheres and not (keeps_bans and is_ban)) or bool(columns & _columns(one.where))

    controls = [one for one in standing.controls if not is_meant(one)]
    prefer = [wish for wish in standing.prefer if not is_meant(wish)]
    if len(controls) + len(prefer) == len(standing.controls) + len(standing.prefer):
        return None
    return standing.replace(controls=tuple(controls), prefer=tuple(prefer))


def _is_named(column: str, what: str) -> bool:
    words = set(re.findall(r"\w+", what))
    name = column.lower()
    return bool({name, name.rstrip("s"), f"{name}s", name.removesuffix("ies") + "y"} & words)


def _compared(
    conversation: Conversation, text: str, found: re.Match[str], reader: Reader, catalog: Catalog
) -> _Change | None:
    """Return the change of "fewer dramas": one less than the last list had; None where no set is named."""
    is_fewer = found["fewer"] is not None
    named = [one for one in _controls(reader, found["fewer"] or found["more"]) if isinstance(one, Control)]
    if len(named) != 1:
        return None
    where, standing = named[0].where, conversation.standing
    if not conversation.last:
        wish = Wish(where=where, weight=-1.0 if is_fewer else 1.0)
        return _Change(standing.replace(prefer=(*standing.prefer, wish)), "fewer" if is_fewer else "more")
    members = mask(where, catalog)
    had = int(np.sum(members[[catalog.resolve(item) for item in conversation.last]]))
    bound = (
        Control(where=where, at_most=max(had - 1, 0))
        if is_fewer
        else Control(where=where, at_least=min(had + 1, standing.count))
    )
    kept = tuple(one for one in standing.controls if isinstance(one, Cap) or one.within or one.where != where)
    words = trimmed(text)
    quotes = (Quote(control=bound, words=words),) if words else ()
    changed = standing.replace(controls=(*kept, bound))
    return _Change(changed, "fewer" if is_fewer else "more", quotes=quotes)


def _controls(reader: Reader, what: str) -> tuple[Control | Cap, ...]:
    """Return the controls of "only WHAT", from which a set of items is read."""
    return reader.reading(f"only {what}").request.controls


def _merged(
    standing: Request, reading: Reading, text: str, catalog: Catalog, *, switches: bool = False
) -> _Change:
    """Return the standing request with what a turn adds; what is said anew replaces what was said before."""
    new = reading.request
    if reading.is_empty:
        return _Change(standing, "nothing", tuple(reading.unplaced) or (text,))
    count = new.count if reading.says_count else standing.count
    replaced = [
        one for one in standing.controls if not any(_replaces(one, other, switches) for other in new.controls)
    ]
    asked = (*replaced, *new.controls)
    fitting = [one for one in asked if isinstance(one, Cap) or one.within is None or one.within[1] <= count]
    beyond = [state_control(one, catalog) for one in asked if one not in fitting]
    changed = standing.replace(
        count=count,
        controls=tuple(fitting),
        prefer=(*standing.prefer, *(wish for wish in new.prefer if wish not in standing.prefer)),
        candidates=new.candidates if new.candidates is not None else standing.candidates,
        exclude=tuple(dict.fromkeys((*standing.exclude, *new.exclude))),
        allow_seen=standing.allow_seen or new.allow_seen,
    )
    quotes = tuple(
        Quote(control=control, words=words)
        for control, words in zip(new.controls, reading.quotes, strict=False)
        if words is not None
    )
    return _Change(changed, "asked", (*reading.unplaced, *beyond), quotes=quotes)


def _replaces(old: Control | Cap, new: Control | Cap, switches: bool) -> bool:
    """Whether a new control takes the place of an old one."""
    if isinstance(old, Cap) or isinstance(new, Cap):
        return isinstance(old, Cap) and isinstance(new, Cap) and old.each == new.each
    if old.where == new.where:
        return old.within == new.within
    both_rule_all = old.at_least == "all" == new.at_least and old.within == new.within
    shares_columns = _columns(old.where) == _columns(new.where)
    return shares_columns and (switches or both_rule_all)


def _columns(where: Where) -> frozenset[str]:
    """Return every column that a description of items names."""
    inner = (*where.any, *where.all, *([where.negated] if where.negated is not None else []))
    return frozenset(name for name, _ in where.columns).union(*map(_columns, inner))
