"""How items are written in tokens: one added token each, or their titles.

A list is a line per item: marker (place), spelling, separator. Rows for training, prompts and tries are
all built from these pieces, and pieces are tokenised once and concatenated as ids, never re-tokenised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from steerec.errors import DataError, did_you_mean
from steerec.items.titles import normalise, strip_number
from steerec.items.trie import IntervalTrie

Spelling = tuple[int, ...]
Encode = Callable[[str], Sequence[int]]
Decode = Callable[[list[int]], str]


class Identifier(ABC):
    """Token pieces of N items; immutable, and checked when it is built."""

    name: ClassVar[str]
    num_items: int
    longest: int
    """Longest spelling in tokens, without marker and separator."""
    separator: Spelling
    """Tokens that end a line."""

    @abstractmethod
    def spell(self, item: int) -> tuple[Spelling, ...]:
        """Return all spellings of an item; the first is the one that rows and prompts use."""

    @abstractmethod
    def marker(self, position: int, count: int) -> Spelling:
        """Return the tokens that begin line `position` (1-based) of a list of `count` items."""

    @abstractmethod
    def history(self, items: Sequence[int]) -> list[int]:
        """Return the tokens of a history, oldest first: the same spellings, without positions."""

    @abstractmethod
    def parse(self, tokens: Sequence[int], decode: Decode) -> list[int | None]:
        """Read a freely written answer.

        Args:
            tokens: the answer, without its end token.
            decode: text of token ids, special tokens included.

        Returns:
            The items in the order written, repeats kept; None where something else stands.
        """

    @abstractmethod
    def ends(self, tokens: Sequence[int], decode: Decode) -> list[int]:
        """Return the place of the token that ends each entry of a freely written answer, as `parse` reads it.

        Args:
            tokens: the answer, without its end token.
            decode: text of token ids, special tokens included.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what `identifier_from_dict` rebuilds it from, as plain JSON values."""

    def line(self, position: int, count: int, item: int) -> list[int]:
        """Return marker, first spelling and separator of one line of a list of `count` items."""
        return [*self.marker(position, count), *self.spell(item)[0], *self.separator]

    def answer(self, items: Sequence[int]) -> list[int]:
        """Return the tokens of a list, without the token that ends an answer."""
        count = len(items)
        return [token for j, item in enumerate(items, start=1) for token in self.line(j, count, item)]

    def answer_length(self, count: int) -> int:
        """Return how many tokens a list of `count` items may need at most, without the end token."""
        return sum(len(self.marker(j, count)) for j in range(1, count + 1)) + count * self._longest_line

    def largest_count(self, room: int) -> int:
        """Return the largest count whose list fits in `room` tokens whatever its items; 0 if none does."""
        count = 0
        while (room := room - len(self.marker(count + 1, count + 1)) - self._longest_line) >= 0:
            count += 1
        return count

    @property
    def _longest_line(self) -> int:
        return self.longest + len(self.separator)

    @cached_property
    def trie(self) -> IntervalTrie:
        """Spellings with their separator, which makes a title that begins another one end."""
        leaves = [[(*form, *self.separator) for form in self.spell(i)] for i in range(self.num_items)]
        return IntervalTrie(leaves)

    def _check(self) -> None:
        """Raise DataError unless every spelling leads back to its own item and to no other."""
        if not self.trie.is_prefix_free:
            raise DataError(
                "A spelling with its separator begins another one, so its end could not be told. "
                "Use a separator that no spelling contains."
            )
        for item in range(self.num_items):
            for form in self.spell(item):
                leaf = self.trie.find((*form, *self.separator))
                assert leaf is not None
                assert self.trie.items[leaf] == item


class AtomicIdentifier(Identifier):
    """Every item is one added token; lines need no separator, and their markers count down.

    The slot token before an item says how many items are left, this one included: a list of three is
    `3 item 2 item 1 item`. Its first slot is the number that was asked for, and it ends after slot 1 whatever
    its length; counting up, a list would end at a different slot for every number asked.
    """

    name = "atomic"

    def __init__(self, *, num_items: int, first_item_id: int, first_slot_id: int, num_slots: int) -> None:
        """Lay items and slots over two ranges of the vocabulary.

        Args:
            num_items: N; item i is token `first_item_id + i`.
            first_item_id: token of item 0.
            first_slot_id: token of the last place, "1 left".
            num_slots: places with a token of their own; those further from the end share the last one.

        Raises:
            DataError: a number is out of range or the two ranges overlap.
        """
        if min(num_items, num_slots) < 1 or min(first_item_id, first_slot_id) < 0:
            raise DataError(
                f"An atomic identifier needs at least one item and one slot and no negative ids; got "
                f"{num_items} items from id {first_item_id}, {num_slots} slots from id {first_slot_id}."
            )
        if first_item_id < first_slot_id + num_slots and first_slot_id < first_item_id + num_items:
            raise DataError(
                f"Item tokens {first_item_id}..{first_item_id + num_items - 1} and slot tokens "
                f"{first_slot_id}..{first_slot_id + num_slots - 1} overlap; give each its own range."
            )
        self.num_items, self.num_slots = num_items, num_slots
        self.first_item_id, self.first_slot_id = first_item_id, first_slot_id
        self.longest, self.separator = 1, ()

    def spell(self, item: int) -> tuple[Spelling, ...]:
        """Return the item's one token."""
        return ((self.first_item_id + _index(item, self.num_items),),)

    def marker(self, position: int, count: int) -> Spelling:
        """Return the slot token of what is left from a position on."""
        assert 1 <= position <= count
        return (self.first_slot_id + min(count - position + 1, self.num_slots) - 1,)

    @property
    def numbers(self) -> dict[int, int]:
        """Return the token of every number of items that can be left."""
        return {left: self.marker(1, left)[0] for left in range(1, self.num_slots + 1)}

    def history(self, items: Sequence[int]) -> list[int]:
        """Return the item tokens, oldest first."""
        return [self.spell(item)[0][0] for item in items]

    def parse(self, tokens: Sequence[int], decode: Decode) -> list[int | None]:
        """Read item tokens; slots are skipped, a run of other tokens is one unknown entry."""
        return [item for item, _ in self._entries(tokens)]

    def ends(self, tokens: Sequence[int], decode: Decode) -> list[int]:
        """Return the item tokens' own places, and the last of each run of other tokens."""
        return [end for _, end in self._entries(tokens)]

    def _entries(self, tokens: Sequence[int]) -> list[tuple[int | None, int]]:
        entries: list[tuple[int | None, int]] = []
        in_unknown = False
        for place, token in enumerate(tokens):
            item, slot = token - self.first_item_id, token - self.first_slot_id
            known, marker = 0 <= item < self.num_items, 0 <= slot < self.num_slots
            if known:
                entries.append((int(item), place))
            elif not marker:
                if in_unknown:
                    entries.pop()
                entries.append((None, place))
            in_unknown = not known and not marker
        return entries

    def to_dict(self) -> dict[str, Any]:
        """Return the name, which way slots count, and the constructor's arguments."""
        fields = ("name", "num_items", "first_item_id", "first_slot_id", "num_slots")
        return {field: getattr(self, field) for field in fields} | {"slots": _SLOTS}


class TitleIdentifier(Identifier):
    r"""Every item is its title: "1. Toy Story\n" is the pieces "1.", " Toy Story" and "\n".

    The blank belongs to the title: byte-pair vocabularies hold words with the blank before them.
    """

    name = "title"

    def __init__(
        self,
        texts: Sequence[str],
        encode: Encode,
        *,
        decode: Decode | None = None,
        control_ids: Collection[int] = (),
    ) -> None:
        """Tokenise every title once.

        Args:
            texts: N titles, distinct after NFKC and blanks (see `items.titles.title_texts`).
            encode: token ids of a text. It must add no special tokens, and must not read control tokens
                out of titles (transformers: `add_special_tokens=False, split_special_tokens=True`).
            decode: text of token ids; when given, every title must come back from its tokens.
            control_ids: tokens that no title may contain, such as the end of an answer.

        Raises:
            DataError: two titles are the same or are spelled the same, a title is empty, contains the
                separator or a control token, or does not come back from its tokens.
        """
        self.texts = tuple(texts)
        self.num_items = len(self.texts)
        self._encode = encode
        self._by_text = _distinct(self.texts)
        self.separator = tuple(encode("\n"))
        self._spellings = tuple(tuple(encode(f" {text}")) for text in self.texts)
        self._bullet = tuple(encode("-"))
        self._markers: dict[int, Spelling] = {}
        self._check_spellings(decode, frozenset(control_ids))
        self.longest = max(map(len, self._spellings))
        self._check()

    def spell(self, item: int) -> tuple[Spelling, ...]:
        """Return the tokens of the title, with the blank before it."""
        return (self._spellings[_index(item, self.num_items)],)

    def marker(self, position: int, count: int) -> Spelling:
        """Return the tokens of "3.", however long the list is."""
        assert 1 <= position <= count
        if position not in self._markers:
            self._markers[position] = tuple(self._encode(f"{position}."))
        return self._markers[position]

    def history(self, items: Sequence[int]) -> list[int]:
        r"""Return the tokens of "- Toy Story\n" for each item, oldest first."""
        pieces = ((*self._bullet, *self.spell(item)[0], *self.separator) for item in items)
        return [token for piece in pieces for token in piece]

    def parse(self, tokens: Sequence[int], decode: Decode) -> list[int | None]:
        """Read one title a line: NFKC, single blanks, a leading "3. " dropped, then the exact title."""
        return [self._by_text.get(title) for title in _lines(decode(list(tokens)))]

    def ends(self, tokens: Sequence[int], decode: Decode) -> list[int]:
        """Return the places of the line breaks that end a title, and the last token if none ends the last."""
        found: list[int] = []
        for place, token in enumerate(tokens):
            if place + 1 == len(tokens) or "\n" in decode([token]):
                lines = sum(1 for _ in _lines(decode(list(tokens[: place + 1]))))
                found += [place] * (lines - len(found))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the name and the titles."""
        return {"name": self.name, "texts": list(self.texts)}

    def _check_spellings(self, decode: Decode | None, control_ids: frozenset[int]) -> None:
        if not self.separator:
            raise DataError("The tokenizer gives no token for a line break; titles need one to end.")
        for text, tokens in zip(self.texts, self._spellings, strict=True):
            if set(self.separator) & set(tokens):
                raise DataError(
                    f'The title "{text}" is spelled with a line-break token, so its end could not be told. '
                    "Remove line breaks from titles (items.titles.title_texts does)."
                )
            if control_ids & set(tokens):
                raise DataError(
                    f'The title "{text}" is read as a control token of the model. Encode titles so that '
                    "control tokens in them stay plain text (split_special_tokens=True)."
                )
            if decode is not None and decode(list(tokens)) != f" {text}":
                raise DataError(
                    f'The title "{text}" comes back from its tokens as "{decode(list(tokens)).strip()}". '
                    "Use a byte-level tokenizer, which can spell every title."
                )


def _distinct(texts: Sequence[str]) -> dict[str, int]:
    items: dict[str, int] = {}
    for item, text in enumerate(texts):
        key = normalise(text)
        if not key:
            raise DataError(f"Item {item} has an empty title. Use items.titles.title_texts, which names it.")
        other = items.setdefault(key, item)
        if other != item:
            raise DataError(
                f'Items {other} and {item} have the same title "{text}". '
                "Use items.titles.title_texts, which tells namesakes apart."
            )
    return items


def _lines(text: str) -> Iterator[str]:
    # not splitlines(): it also breaks at characters such as U+2028 that NFKC turns into blanks
    for line in text.split("\n"):
        if line.strip():
            yield normalise(strip_number(line))


def _index(item: int, num_items: int) -> int:
    assert 0 <= item < num_items, f"item {item} of {num_items}"
    return int(item)


def identifier_from_dict(values: Mapping[str, Any], encode: Encode) -> Identifier:
    """Rebuild an identifier from what `to_dict` returned.

    Args:
        values: the name and the arguments.
        encode: token ids of a text; used by titles only.

    Raises:
        DataError: there is no identifier of that name, or its slots count the other way.
    """
    name = values.get("name")
    arguments = {key: value for key, value in values.items() if key not in ("name", "slots")}
    if name not in IDENTIFIERS:
        hint = did_you_mean(str(name), IDENTIFIERS)
        raise DataError(f'There is no identifier "{name}".{hint} Identifiers: {", ".join(IDENTIFIERS)}.')
    if name == "title":
        return TitleIdentifier(arguments["texts"], encode)
    if values.get("slots") != _SLOTS:
        raise DataError(
            "This model's lists count their places up: an older steerec trained it; this one counts down. "
            "Run its recipe again."
        )
    return AtomicIdentifier(**arguments)


_SLOTS = "count down"

IDENTIFIERS: dict[str, type[Identifier]] = {"atomic": AtomicIdentifier, "title": TitleIdentifier}
