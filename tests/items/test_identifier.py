from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from steerec.data.catalog import Catalog
from steerec.errors import DataError
from steerec.items.identifier import AtomicIdentifier, Identifier, TitleIdentifier, identifier_from_dict
from steerec.items.titles import title_texts

TITLES = ("Alien", "Alien 3", "12 Angry Men", "La Cité des enfants perdus", "2. Fast 2 Furious", "愛")


@cache
def byte_pairs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"1. {title}\n- {title}\n" for title in TITLES] * 5, trainer)
    return tokenizer


def encode(text: str) -> list[int]:
    return byte_pairs().encode(text).ids


def decode(ids: Sequence[int]) -> str:
    return byte_pairs().decode(list(ids), skip_special_tokens=False)


def titles() -> TitleIdentifier:
    return TitleIdentifier(TITLES, encode, decode=decode)


def atomic() -> AtomicIdentifier:
    return AtomicIdentifier(num_items=6, first_item_id=100, first_slot_id=90, num_slots=3)


@pytest.mark.parametrize("build", [atomic, titles])
def test_contract_of_every_identifier(build: Callable[[], Identifier]) -> None:
    identifier = build()
    items = [3, 0, 1, 5]
    answer = identifier.answer(items)
    assert identifier.parse(answer, decode) == items
    lines = [len(identifier.line(j, 4, item)) for j, item in enumerate(items, start=1)]
    last_of_item = [sum(lines[: j + 1]) - 1 for j in range(4)]
    assert identifier.ends(answer, decode) == last_of_item
    pieces = [
        token
        for j, item in enumerate(items, start=1)
        for token in (*identifier.marker(j, 4), *identifier.spell(item)[0], *identifier.separator)
    ]
    assert answer == pieces
    assert len(answer) <= identifier.answer_length(4)
    for item in range(identifier.num_items):
        for form in identifier.spell(item):
            leaf = identifier.trie.find((*form, *identifier.separator))
            assert leaf is not None
            assert identifier.trie.items[leaf] == item
            assert len(form) <= identifier.longest
    assert identifier.trie.is_prefix_free
    again = identifier_from_dict(json.loads(json.dumps(identifier.to_dict())), encode)
    assert again.answer(items) == answer
    assert again.history(items) == identifier.history(items)
    assert again.to_dict() == identifier.to_dict()


@pytest.mark.parametrize("build", [atomic, titles])
def test_the_largest_count_is_the_last_that_fits(build: Callable[[], Identifier]) -> None:
    identifier = build()
    for room in (0, 1, 2, 5, 40, 300):
        largest = identifier.largest_count(room)
        assert identifier.answer_length(largest) <= room or largest == 0
        assert identifier.answer_length(largest + 1) > room


def test_atomic_tokens_by_hand() -> None:
    identifier = atomic()
    # markers count down; what is more than there are slots shares the last slot
    assert identifier.answer([5, 0, 2, 1]) == [92, 105, 92, 100, 91, 102, 90, 101]
    assert identifier.numbers == {1: 90, 2: 91, 3: 92}
    assert identifier.history([5, 0]) == [105, 100]
    assert identifier.answer_length(10) == 20


def test_a_model_whose_lists_count_up_is_refused() -> None:
    old = {name: value for name, value in atomic().to_dict().items() if name != "slots"}
    with pytest.raises(DataError, match="count their places up"):
        identifier_from_dict(old, encode)


def test_reading_atomic_answers() -> None:
    def parse(*tokens: int) -> list[int | None]:
        return atomic().parse(tokens, decode)

    assert parse(90, 105, 91, 105, 92, 100) == [5, 5, 0], "repeats are kept"
    assert parse(90, 7, 8, 9, 91, 100) == [None, 0], "a run of other tokens is one unknown entry"
    assert parse(7, 90, 7, 100, 7) == [None, None, 0, None]
    assert parse(90, 91, 92) == [], "positions without an item are no entries"
    assert parse(100, 101) == [0, 1], "items count without positions too"
    assert parse(106, 99) == [None]
    assert atomic().ends([90, 7, 8, 9, 91, 100], decode) == [3, 5], "a run ends with its last token"
    assert parse() == []


def test_title_lines_read_as_text() -> None:
    identifier = titles()
    assert decode(identifier.answer([1, 3])) == "1. Alien 3\n2. La Cité des enfants perdus\n"
    assert decode(identifier.history([1, 3])) == "- Alien 3\n- La Cité des enfants perdus\n"
    assert identifier.marker(3, 5) == tuple(encode("3."))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1. Alien\n2. Alien 3\n", [0, 1]),
        ("1. Alien\n2. Alien 3", [0, 1]),
        ("Alien\n\n  2)  Alien   3 \n", [0, 1]),
        ("1. alien\n2. Aliens\n3. Alien", [None, None, 0]),
        ("1. 12 Angry Men\n12 Angry Men\n", [2, 2]),
        ("1. 2. Fast 2 Furious", [4]),
        ("1. La Cite\u0301 des enfants perdus\n2. \uff21lien", [3, 0]),
        ("1. \n2. Alien", [None, 0]),
        ("1. 愛\n", [5]),
        ("Here you are: Alien", [None]),
        ("", []),
        ("\n \n", []),
    ],
)
def test_reading_title_answers(text: str, items: list[int | None]) -> None:
    assert titles().parse(encode(text), decode) == items
    ends = titles().ends(encode(text), decode)
    assert len(ends) == len(items)
    assert ends == sorted(ends)


def test_atomic_ranges_are_checked() -> None:
    with pytest.raises(DataError, match=r"Item tokens 10\.\.14 and slot tokens 14\.\.15 overlap"):
        AtomicIdentifier(num_items=5, first_item_id=10, first_slot_id=14, num_slots=2)
    with pytest.raises(DataError, match="at least one item and one slot"):
        AtomicIdentifier(num_items=0, first_item_id=10, first_slot_id=14, num_slots=2)


def test_titles_that_cannot_be_spelled_are_refused() -> None:
    with pytest.raises(DataError, match='Items 0 and 1 have the same title "Alien "'):
        TitleIdentifier(["Alien", "Alien "], encode)
    with pytest.raises(DataError, match="Item 1 has an empty title"):
        TitleIdentifier(["Alien", " "], encode)
    with pytest.raises(DataError, match="spelled with a line-break token"):
        TitleIdentifier(["Alien", "A\nB"], encode)
    with pytest.raises(DataError, match='The title "<end>" is read as a control token'):
        TitleIdentifier(["Alien", "<end>"], encode, control_ids=[0])

    def lower(text: str) -> list[int]:
        return encode(text.lower())

    with pytest.raises(DataError, match='The title "Alien" comes back from its tokens as "alien"'):
        TitleIdentifier(["Alien"], lower, decode=decode)
    with pytest.raises(DataError, match="both spelled"):
        TitleIdentifier(["Alien", "ALIEN"], lower)
    with pytest.raises(DataError, match="no token for a line break"):
        TitleIdentifier(["Alien"], lambda text: [] if text == "\n" else encode(text))


def test_an_unknown_identifier_is_refused() -> None:
    with pytest.raises(DataError, match=r'no identifier "titel"\. Did you mean "title"\?'):
        identifier_from_dict({"name": "titel"}, encode)


def test_real_titles_round_trip(data_dir: Path) -> None:
    texts = title_texts(Catalog.load(data_dir / "ml-100k"))
    identifier = TitleIdentifier(texts, encode, decode=decode, control_ids=[0])
    everything = list(range(identifier.num_items))
    assert identifier.parse(identifier.answer(everything), decode) == everything
    assert identifier.trie.num_nodes <= 2 * identifier.num_items
