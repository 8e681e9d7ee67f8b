"""Conversations: the standing request after every turn, exactly, and nothing shown twice."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from steerec.control.certificate import certify
from steerec.control.forms import at_least, at_most, cap, like, only, prefer, where, without
from steerec.control.optimum import best_list
from steerec.control.request import Request, compile_request
from steerec.data.catalog import Catalog
from steerec.understand.conversation import Conversation, take_turn
from steerec.understand.keyword import KeywordReader

GENRES = ("Comedy", "Drama", "Horror", "Thriller", "Western")


def catalogue() -> Catalog:
    """600 films: every pair of genres and single genres, over the years 1980 to 2009, by 20 directors."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(600):
        genres = rng.choice(len(GENRES), size=1 + i % 2, replace=False)
        rows.append(
            {
                "item_id": f"f{i}",
                "title": f"Film number {i + 1} of them all",
                "year": 1980 + i % 30,
                "director": f"Director {chr(65 + i % 20)}",
                "categories": sorted(GENRES[g] for g in genres),
            }
        )
    return Catalog.from_frame(pl.DataFrame(rows), noun="films")


CATALOG = catalogue()
READER = KeywordReader(CATALOG)
SCORES = np.random.default_rng(1).standard_normal(len(CATALOG))


def answer(conversation: Conversation) -> Conversation:
    """Show the best list under the standing request, and check it against that request."""
    request = conversation.request
    items = [int(i) for i in best_list(compile_request(request, CATALOG), SCORES)]
    assert certify(request, CATALOG, items).satisfied
    return conversation.show([CATALOG.item_ids[i] for i in items])


def matched(conversation: Conversation, category: str) -> int:
    rows = {row["item_id"]: row["categories"] for row in CATALOG.frame.to_dicts()}
    return sum(category in rows[item] for item in conversation.last)


def test_twenty_turns() -> None:
    conversation, standing, shown = Conversation(), Request(), []
    script = [
        ("I'd like six films, please.", lambda c, s: s.replace(count=6)),
        ("at least three comedies", lambda c, s: s.replace(controls=(at_least(3, "Comedy"),))),
        ("no horror", lambda c, s: s.replace(controls=(*s.controls, without("Horror")))),
        ("Not that one.", lambda c, s: s.replace(exclude=(c.last[0],))),
        ("More like the third.", lambda c, s: s.replace(prefer=(like(c.last[2]),))),
        ("only films from the nineties", lambda c, s: s.replace(
            controls=(*s.controls, only(where(year={"ge": 1990, "le": 1999}))))),
        ("more", lambda c, s: s),
        ("Forget the year.", lambda c, s: s.replace(controls=s.controls[:2])),
        ("fewer dramas", lambda c, s: s.replace(
            controls=(*s.controls, at_most(max(matched(c, "Drama") - 1, 0), "Drama")))),
        ("at most two per director", lambda c, s: s.replace(controls=(*s.controls, cap("director", 2)))),
        ("Make it five.", lambda c, s: s.replace(count=5)),
        ("drop number 2", lambda c, s: s.replace(exclude=(*s.exclude, c.last[1]))),
        ("Never mind horror.", lambda c, s: s.replace(
            controls=tuple(x for x in s.controls if x != without("Horror")))),
        ("I don't care about the director", lambda c, s: s.replace(
            controls=tuple(x for x in s.controls if x != cap("director", 2)))),
        ("more westerns", lambda c, s: s.replace(
            controls=(*s.controls, at_least(matched(c, "Western") + 1, "Western")))),
        ("next", lambda c, s: s),
        ("Start over!", lambda c, s: Request()),
        ("four thrillers", lambda c, s: Request(count=4, controls=(only("Thriller"),))),
        ("dramas instead", lambda c, s: Request(count=4, controls=(only("Drama"),))),
        ("preferably comedies", lambda c, s: s.replace(prefer=(prefer("Comedy"),))),
    ]  # fmt: skip
    assert len(script) == 20
    for text, expect in script:
        standing = expect(conversation, standing)
        conversation = take_turn(conversation, text, READER, CATALOG)
        assert conversation.standing == standing, text
        if conversation.turns[-1].did == "started over":
            shown = []
        conversation = Conversation.model_validate_json(conversation.model_dump_json())
        conversation = answer(conversation)
        assert not set(conversation.last) & set(shown), text
        shown += conversation.last
        assert conversation.shown == tuple(shown)
    assert [turn.said for turn in conversation.turns] == [text for text, _ in script]
    assert all(turn.did != "nothing" for turn in conversation.turns)


def test_a_turn_that_says_nothing_known_changes_nothing_and_keeps_its_words() -> None:
    before = take_turn(Conversation(), "three comedies", READER, CATALOG)
    after = take_turn(before, "something quantum please", READER, CATALOG)
    assert after.standing == before.standing
    assert after.turns[-1].did == "nothing"
    assert "quantum" in after.turns[-1].unplaced


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        ("no more than 3 comedies in the first 5", Request(controls=[at_most(3, "Comedy", within=(1, 5))])),
        ("No horror in the first five", Request(controls=[without("Horror", within=(1, 5))])),
        ("the last three should be dramas", Request(controls=[only("Drama", within=(8, 10))])),
        ("Start over with five comedies", Request(count=5, controls=[only("Comedy")])),
        ("more like 'Film number 6 of them all'", Request(prefer=(like("f5"),))),
    ],
)
def test_sentences_that_only_look_like_pointing(text: str, standing: Request) -> None:
    conversation = answer(Conversation())
    assert take_turn(conversation, text, READER, CATALOG).standing == standing


def test_a_turn_is_read_for_the_standing_length() -> None:
    conversation = take_turn(Conversation(), "20 films", READER, CATALOG)
    after = take_turn(conversation, "the last three should be dramas", READER, CATALOG)
    assert after.standing == Request(count=20, controls=[only("Drama", within=(18, 20))])


@pytest.mark.parametrize("text", ["I don't want any horror", "Don't forget the horror"])
def test_a_negated_change_never_takes_a_ban_away(text: str) -> None:
    conversation = take_turn(Conversation(), "ten films, no horror", READER, CATALOG)
    assert without("Horror") in take_turn(conversation, text, READER, CATALOG).standing.controls


def test_several_items_are_pointed_at_together() -> None:
    conversation = Conversation().show([f"f{i}" for i in range(5)])
    after = take_turn(conversation, "not the second and the fourth", READER, CATALOG)
    assert after.standing.exclude == ("f1", "f3")


@pytest.mark.parametrize("text", ["remove the limit", "not too long"])
def test_a_turn_without_a_known_word_is_kept_whole(text: str) -> None:
    turn = take_turn(Conversation(), text, READER, CATALOG).turns[-1]
    assert (turn.did, turn.unplaced) == ("nothing", (text,))


@pytest.mark.parametrize(
    ("text", "control"),
    [
        ("less than five dramas", at_most(4, "Drama")),
        ("more than 3 comedies", at_least(4, "Comedy")),
        ("no more horror", without("Horror")),
    ],
)
def test_numbers_are_bounds_and_no_comparison_with_the_last_list(text: str, control: object) -> None:
    conversation = answer(take_turn(Conversation(), "ten films", READER, CATALOG))
    assert take_turn(conversation, text, READER, CATALOG).standing.controls == (control,)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("not the second one", 2),
        ("remove #4", 4),
        ("I've seen the last one", 5),
        ("no, not the 3rd", 3),
        ("skip it", 1),
    ],
)
def test_items_are_pointed_at(text: str, place: int) -> None:
    conversation = Conversation().show([f"f{i}" for i in range(5)])
    after = take_turn(conversation, text, READER, CATALOG)
    assert after.standing.exclude == (f"f{place - 1}",)


def test_pointing_beyond_the_list_excludes_nothing() -> None:
    conversation = Conversation().show(["f0", "f1"])
    assert take_turn(conversation, "not the fifth", READER, CATALOG).standing.exclude == ()
    assert take_turn(Conversation(), "not that one", READER, CATALOG).standing.exclude == ()


def test_a_shorter_list_drops_what_ruled_places_it_no_longer_has() -> None:
    conversation = take_turn(Conversation(), "8 films, start with a comedy", READER, CATALOG)
    kept = conversation.standing.controls
    assert take_turn(conversation, "make it 3", READER, CATALOG).standing == Request(count=3, controls=kept)
    late = only("Drama", within=(6, 8))
    conversation = conversation.replace(standing=conversation.standing.replace(controls=(*kept, late)))
    shorter = take_turn(conversation, "make it 3", READER, CATALOG)
    assert shorter.standing == Request(count=3, controls=kept)
    assert shorter.turns[-1].unplaced == ("only Drama films in positions 6 to 8",)


def test_comparing_before_anything_was_shown_is_a_wish() -> None:
    after = take_turn(Conversation(), "fewer dramas", READER, CATALOG)
    assert after.standing == Request(prefer=(prefer("Drama", weight=-1.0),))


def test_a_turn_that_asks_for_nothing_is_answered_in_words_and_changes_nothing() -> None:
    heard: list[str] = []

    def chat(said: str) -> str | None:
        heard.append(said)
        return "Hello!" if said == "Hi there" else None

    before = take_turn(Conversation(), "five comedies", READER, CATALOG, chat=chat)
    greeted = take_turn(before, "Hi there", READER, CATALOG, chat=chat)
    assert (greeted.turns[-1].did, greeted.turns[-1].reply, greeted.turns[-1].unplaced) == (
        "chatted",
        "Hello!",
        (),
    )
    assert greeted.request == before.request
    puzzled = take_turn(greeted, "qwertz", READER, CATALOG, chat=chat)
    assert (puzzled.turns[-1].did, puzzled.turns[-1].reply) == ("nothing", None)
    assert heard == ["Hi there", "qwertz"]


def test_what_was_left_out_can_come_back() -> None:
    first, second = (CATALOG.item_ids[i] for i in (0, 1))
    conversation = take_turn(Conversation().show([first, second]), "not the first", READER, CATALOG)
    assert conversation.request.exclude == (first, second)
    back = take_turn(conversation, f"bring {CATALOG.titles[0]} back, please", READER, CATALOG)
    assert (back.request.exclude, back.turns[-1].did) == ((second,), "readmitted")
    assert take_turn(conversation, "bring it back", READER, CATALOG).standing.exclude == ()


def test_seen_items_and_a_choice_of_items_can_be_taken_back() -> None:
    standing = Request(allow_seen=True, candidates=CATALOG.item_ids[:12])
    conversation = Conversation(standing=standing)
    new = take_turn(conversation, "Only films I haven't seen", READER, CATALOG)
    assert new.standing == standing.replace(allow_seen=False)
    free = take_turn(conversation, "from all films, please", READER, CATALOG)
    assert free.standing == standing.replace(candidates=None)


@pytest.mark.parametrize("text", ["drop horror", "remove the horror", "please drop the horror"])
def test_to_drop_what_is_banned_leaves_the_ban(text: str) -> None:
    conversation = take_turn(Conversation(), "ten films, no horror", READER, CATALOG)
    assert take_turn(conversation, text, READER, CATALOG).standing == conversation.standing
    disliked = Conversation(standing=Request(prefer=(prefer("Horror", weight=-1.0),)))
    kept = take_turn(disliked, text, READER, CATALOG).standing
    assert kept.prefer == disliked.standing.prefer


@pytest.mark.parametrize(
    "text", ["forget about horror", "never mind the horror", "any horror is fine", "any horror will do"]
)
def test_to_forget_a_ban_lifts_it(text: str) -> None:
    conversation = take_turn(Conversation(), "ten films, no horror", READER, CATALOG)
    assert take_turn(conversation, text, READER, CATALOG).standing == Request()


def test_any_of_several_are_fine_lifts_a_ban() -> None:
    conversation = take_turn(Conversation(), "no comedies", READER, CATALOG)
    assert take_turn(conversation, "any comedies are fine", READER, CATALOG).standing == Request()


def test_to_drop_what_is_asked_for_no_longer_asks_for_it() -> None:
    conversation = take_turn(Conversation(), "at least three comedies, nothing before 1990", READER, CATALOG)
    fewer = take_turn(conversation, "drop the comedies", READER, CATALOG)
    assert fewer.standing == Request(controls=[without(where(year={"lt": 1990}))])
    assert take_turn(fewer, "drop the year", READER, CATALOG).standing == Request()


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        ("forget everything I said about horror", Request(controls=[only("Comedy")])),
        ("forget everything about horror", Request(controls=[only("Comedy")])),
        ("forget everything", Request()),
        ("forget everything I said", Request()),
        ("reset everything", Request()),
        ("forget everything, five dramas", Request(count=5, controls=[only("Drama")])),
        ("reset and give me five dramas", Request(count=5, controls=[only("Drama")])),
        ("start over five dramas", Request(count=5, controls=[only("Drama")])),
    ],
)
def test_everything_or_everything_about_something_is_forgotten(text: str, standing: Request) -> None:
    before = Conversation(standing=Request(controls=[only("Comedy"), without("Horror")]))
    assert take_turn(before, text, READER, CATALOG).standing == standing


def test_items_that_are_no_longer_in_the_catalogue_are_let_go() -> None:
    conversation = Conversation(standing=Request(exclude=("gone", "f7", CATALOG.displays[9])))
    conversation = conversation.show(["f0", "vanished", "f1"])
    for text in ("fewer dramas", "bring Film number 1 of them all back", "not the second"):
        after = take_turn(conversation, text, READER, CATALOG)
        assert (after.last, set(after.shown) | {"f0"}) == (("f0", "f1"), {"f0", "f1"})
        assert after.standing.exclude[:2] == ("f7", CATALOG.displays[9])
        answer(after)
    assert after.standing.exclude[2:] == ("f1",)


def test_an_item_of_the_last_list_can_be_shown_again_by_its_place() -> None:
    conversation = Conversation(standing=Request(exclude=("f9",))).show(["f0", "f1", "f2"])
    again = take_turn(conversation, "show me the third again", READER, CATALOG)
    assert again.turns[-1].did == "readmitted"
    assert (again.shown, again.standing.exclude) == (("f0", "f1"), ("f9",))
    both = take_turn(conversation, "show the first and number 2 again", READER, CATALOG)
    assert (both.shown, both.standing.exclude) == (("f2",), ("f9",))
    beyond = take_turn(conversation, "show me the fifth again", READER, CATALOG)
    assert (beyond.shown, beyond.standing.exclude) == (conversation.shown, ("f9",))
