"""The keyword reader on sentences written by hand: what each means is plain to a careful reader."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.data.synthetic import make_world
from steerec.errors import RequestError
from steerec.understand.keyword import KeywordReader
from steerec.understand.patterns.sets import SetReader

CATALOG = make_world(50, 120, num_categories=8).catalog
READER = KeywordReader(CATALOG)
ONE, TWO = CATALOG.displays[4], CATALOG.displays[7]  # "Late Carnival: Señales (1976)", "Island (1974)"
ONE_ID, TWO_ID = CATALOG.item_ids[4], CATALOG.item_ids[7]


def is_(value):
    return {"categories": value}


ALL, NONE = {"at_least": "all"}, {"at_most": 0}
NINETIES, EIGHTIES = {"year": {"ge": 1990, "le": 1999}}, {"year": {"ge": 1980, "le": 1989}}
OUTSIDE = {"any": [{"year": {"lt": 1980}}, {"year": {"gt": 1995}}]}

GOLDEN = [
    # how many
    ("Recommend 7 films.", 7, []),
    ("Your top 20 films, please!", 20, []),
    ("I want a dozen films.", 12, []),
    ("half a dozen westerns", 6, [(is_("Western"), ALL)]),
    ("Twenty-five films, at least a fifth horror", 25, [(is_("Horror"), {"share_at_least": "1/5"})]),
    ("3 comedies and 2 dramas", 5, [(is_("Comedy"), {"exactly": 3}), (is_("Drama"), {"exactly": 2})]),
    (
        "8 films: 3 comedies and 2 dramas",
        8,
        [(is_("Comedy"), {"exactly": 3}), (is_("Drama"), {"exactly": 2})],
    ),
    ("Of the 10 films, 3 should be westerns", 10, [(is_("Western"), {"exactly": 3})]),
    ("a list of 10 with 3 horror films", 10, [(is_("Horror"), {"at_least": 3})]),
    ("a list of twelve with at least 3 horror films", 12, [(is_("Horror"), {"at_least": 3})]),
    ("a list of 8 comedies", 8, [(is_("Comedy"), ALL)]),
    ("A list of 8, mostly comedies", 8, [(is_("Comedy"), {"share_more_than": "1/2"})]),
    ("exactly 3 westerns in a list of 9", 9, [(is_("Western"), {"exactly": 3})]),
    ("at least 2 westerns among 8", 8, [(is_("Western"), {"at_least": 2})]),
    ("3 of the 10 should be comedies", 10, [(is_("Comedy"), {"exactly": 3})]),
    ("no more than 3 of the 12 may be horror", 12, [(is_("Horror"), {"at_most": 3})]),
    ("10 films. 3 of the 10 should be comedies", 10, [(is_("Comedy"), {"exactly": 3})]),
    ("between 2 and 4 of the 8 should be comedies", 8, [(is_("Comedy"), {"at_least": 2, "at_most": 4})]),
    ("top 4 comedies", 4, [(is_("Comedy"), ALL)]),
    ("Your top 5 comedies from the 90s, please", 5, [({**is_("Comedy"), **NINETIES}, ALL)]),
    ("top 3 comedies and 2 dramas", 5, [(is_("Comedy"), {"exactly": 3}), (is_("Drama"), {"exactly": 2})]),
    # all or none
    (
        "not only 3 comedies but also 2 dramas",
        5,
        [(is_("Comedy"), {"exactly": 3}), (is_("Drama"), {"exactly": 2})],
    ),
    ("do not show me all the westerns", 10, [(is_("Western"), NONE)]),
    ("I don't want any horror at all", 10, [(is_("Horror"), NONE)]),
    ("do not give me horror without exception", 10, [(is_("Horror"), NONE)]),
    ("Romantic comedies only", 10, [(is_({"all_of": ["Romance", "Comedy"]}), ALL)]),
    ("10 films, comedy or drama only", 10, [(is_(["Comedy", "Drama"]), ALL)]),
    ("I want nothing but comedies", 10, [(is_("Comedy"), ALL)]),
    ("Don't give me anything other than sci-fi.", 10, [(is_("Sci-Fi"), ALL)]),
    ("I'll take comedies or nothing.", 10, [(is_("Comedy"), ALL)]),
    ("No horror, westerns or film noir please.", 10, [(is_(["Horror", "Western", "Film-Noir"]), NONE)]),
    ("I hate westerns.", 10, [(is_("Western"), NONE)]),
    ("I never watch horror or westerns", 10, [(is_(["Horror", "Western"]), NONE)]),
    ("neither comedies nor dramas", 10, [(is_(["Comedy", "Drama"]), NONE)]),
    ("anything except horror", 10, [(is_("Horror"), NONE)]),
    ("non-horror films", 10, [(is_("Horror"), NONE)]),
    ("I want 10 films but not horror", 10, [(is_("Horror"), NONE)]),
    ("Please avoid comdies", 10, [(is_("Comedy"), NONE)]),
    # so many
    ("more than 4 comedies", 10, [(is_("Comedy"), {"at_least": 5})]),
    ("As many as 3 westerns are okay", 10, [(is_("Western"), {"at_most": 3})]),
    ("10 films, and not more than 3 of them westerns", 10, [(is_("Western"), {"at_most": 3})]),
    ("Anything over 2 westerns is too much", 10, [(is_("Western"), {"at_most": 2})]),
    ("Keep westerns to a minimum of 2", 10, [(is_("Western"), {"at_least": 2})]),
    ("I want between 2 and 4 westerns.", 10, [(is_("Western"), {"at_least": 2, "at_most": 4})]),
    (
        "no fewer than four but no more than six dramas",
        10,
        [(is_("Drama"), {"at_least": 4, "at_most": 6})],
    ),
    (
        "six or more comedies, please; exactly one western",
        10,
        [(is_("Comedy"), {"at_least": 6}), (is_("Western"), {"exactly": 1})],
    ),
    (
        "Give me ten films with at least three dramas and at most one western",
        10,
        [(is_("Drama"), {"at_least": 3}), (is_("Western"), {"at_most": 1})],
    ),
    # shares
    ("I'd like 8 films, half of them documentaries.", 8, [(is_("Documentary"), {"share_at_least": "1/2"})]),
    ("two thirds or more dramas", 10, [(is_("Drama"), {"share_at_least": "2/3"})]),
    ("one in four should be a comedy", 10, [(is_("Comedy"), {"share_at_least": "1/4"})]),
    (
        "about a quarter westerns and at most 20% horror",
        10,
        [(is_("Western"), {"share_about": "1/4"}), (is_("Horror"), {"share_at_most": "1/5"})],
    ),
    (
        "At least 30 percent comedies, fewer than 3 horror films",
        10,
        [(is_("Comedy"), {"share_at_least": "3/10"}), (is_("Horror"), {"at_most": 2})],
    ),
    (
        "Mostly dramas, but nothing made before 1970.",
        10,
        [(is_("Drama"), {"share_more_than": "1/2"}), ({"year": {"lt": 1970}}, NONE)],
    ),
    # numbers of items
    ("five sci-fi movies from the 80s please", 5, [({**is_("Sci-Fi"), **EIGHTIES}, ALL)]),
    ("Recommend comedies from the nineties", 10, [({**is_("Comedy"), **NINETIES}, ALL)]),
    ("Nothing from the seventies", 10, [({"year": {"ge": 1970, "le": 1979}}, NONE)]),
    ("Show me films released in 1994 or later", 10, [({"year": {"ge": 1994}}, ALL)]),
    ("Show me films released in 1994 or after", 10, [({"year": {"ge": 1994}}, ALL)]),
    ("Show me twenty films, all of them released after 2000.", 20, [({"year": {"gt": 2000}}, ALL)]),
    ("no older than 1980 and no newer than 1999", 10, [({"year": {"ge": 1980, "le": 1999}}, ALL)]),
    (
        "Films from 1990 to 1995, except horror",
        10,
        [({"year": {"ge": 1990, "le": 1995}, "not": is_("Horror")}, ALL)],
    ),
    ("Every film must be a comedy from 1985 onwards", 10, [({**is_("Comedy"), "year": {"ge": 1985}}, ALL)]),
    ("films from before 1980 or after 1995", 10, [(OUTSIDE, ALL)]),
    ("films from before 1980 and after 1995", 10, [(OUTSIDE, ALL)]),
    ("nothing older than 1980 or newer than 1995", 10, [(OUTSIDE, NONE)]),
    ("films with a year before 1980 or above 1995", 10, [(OUTSIDE, ALL)]),
    (
        "films from before the 80s or after the nineties",
        10,
        [({"any": [{"year": {"lt": 1980}}, {"year": {"gt": 1999}}]}, ALL)],
    ),
    ("films from 1994 or later, 5 of them", 5, [({"year": {"ge": 1994}}, ALL)]),
    # sets
    ("Films that are both dramas and romances", 10, [(is_({"all_of": ["Drama", "Romance"]}), ALL)]),
    ("comedies without romance", 10, [({**is_("Comedy"), "not": is_("Romance")}, ALL)]),
    ("at least 2 films directed by Lindqvist", 10, [({"director": "Bo Lindqvist"}, {"at_least": 2})]),
    (
        "at least 3 comedies from the 90s or dramas from the 80s",
        10,
        [({"any": [{**is_("Comedy"), **NINETIES}, {**is_("Drama"), **EIGHTIES}]}, {"at_least": 3})],
    ),
    ("2 films whose title contains 'Garden'", 2, [({"title": {"contains": "Garden"}}, ALL)]),
    # positions
    ("Start with a documentary.", 10, [(is_("Documentary"), {**ALL, "within": [1, 1]})]),
    ("At least one documentary in the top 3", 10, [(is_("Documentary"), {"at_least": 1, "within": [1, 3]})]),
    ("No horror in the first 5", 10, [(is_("Horror"), {**NONE, "within": [1, 5]})]),
    ("Only comedies in positions 3 to 5", 10, [(is_("Comedy"), {**ALL, "within": [3, 5]})]),
    ("10 films, top 3 comedies", 10, [(is_("Comedy"), {**ALL, "within": [1, 3]})]),
    ("The top 3 should be comedies", 10, [(is_("Comedy"), {**ALL, "within": [1, 3]})]),
    ("Make the top 3 comedies", 10, [(is_("Comedy"), {**ALL, "within": [1, 3]})]),
    (
        "The top 3 comedies, the rest dramas",
        10,
        [(is_("Comedy"), {**ALL, "within": [1, 3]}), (is_("Drama"), {**ALL, "within": [4, 10]})],
    ),
    ("The last two should be westerns", 10, [(is_("Western"), {**ALL, "within": [9, 10]})]),
    ("The second should be a western", 10, [(is_("Western"), {**ALL, "within": [2, 2]})]),
    (
        "The first three should be comedies and the rest dramas",
        10,
        [(is_("Comedy"), {**ALL, "within": [1, 3]}), (is_("Drama"), {**ALL, "within": [4, 10]})],
    ),
    # caps
    ("10 comedies, no more than 2 per director", 10, [(is_("Comedy"), ALL), ("director", {"at_most": 2})]),
    ("no two films from the same director", 10, [("director", {"at_most": 1})]),
    ("All by different directors please", 10, [("director", {"at_most": 1})]),
    ("a maximum of three films each from any director", 10, [("director", {"at_most": 3})]),
    ("No genre should take more than half of the list.", 10, [("categories", {"share_at_most": "1/2"})]),
]


def parts(request):
    record = json.loads(request.to_json())
    controls = []
    for control in record["controls"]:
        of = control.pop("where", None) or control.pop("each")
        controls.append((of, control))
    return record["count"], controls


@pytest.mark.parametrize(("sentence", "count", "controls"), GOLDEN, ids=[row[0] for row in GOLDEN])
def test_golden_sentences(sentence, count, controls):
    request, unplaced = READER.read(sentence)
    assert parts(request) == (count, controls)
    assert unplaced == []


OTHERS = [
    (f"Something like '{ONE}' but no westerns", {"prefer": [{"like": [ONE_ID], "weight": 1.0}]}),
    (f"Anything except '{ONE}'", {"exclude": [ONE_ID]}),
    (f'Please, not "{ONE}".', {"exclude": [ONE_ID]}),
    (f"Pick the best 2 out of '{ONE}' and '{TWO}'", {"candidates": [ONE_ID, TWO_ID], "count": 2}),
    (f"I loved {TWO}, more like that please", {"prefer": [{"like": [TWO_ID], "weight": 1.0}]}),
    ("I love westerns.", {"prefer": [{"where": is_("Western"), "weight": 1.0}], "controls": []}),
    ("Ideally no horror.", {"prefer": [{"where": {"not": is_("Horror")}, "weight": 1.0}], "controls": []}),
    ("You can include things I've watched already", {"allow_seen": True}),
    ("Don't recommend anything I have already seen.", {"allow_seen": False, "controls": []}),
    ("What should I watch next, based on my history?", {"allow_seen": False, "controls": [], "count": 10}),
]


@pytest.mark.parametrize(("sentence", "fields"), OTHERS, ids=[row[0] for row in OTHERS])
def test_wishes_titles_and_history(sentence, fields):
    request, unplaced = READER.read(sentence)
    record = json.loads(request.to_json())
    assert {name: record[name] for name in fields} == fields
    assert unplaced == []


@pytest.mark.parametrize(
    ("sentence", "unplaced"),
    [
        ("10 films, no gore", ["gore"]),
        ("dark comedies about dogs", ["dark", "dogs"]),
        ("something scary", ["scary"]),
        ("ten comedies, starring Meg Ryan", ["meg", "ryan"]),
        ("Anything except 'No Such Film'", ["No Such Film"]),
        ("2 comedies or 3 dramas", ["2 Comedy or 3 Drama"]),
        ("Films for 30 dollars in total", ["films for 30 dollars in total"]),
        ("10 films. Positions 11 to 12: only dramas.", ["positions 11 to 12: only Drama"]),
    ],
)
def test_what_cannot_be_placed_comes_back(sentence, unplaced):
    request, left = READER.read(sentence)
    assert left[: len(unplaced)] == unplaced
    assert all(control.where.to_json() == is_("Comedy") for control in request.controls)


@pytest.mark.parametrize(
    ("sentence", "unplaced"),
    [
        ("not just comedies", ["not just Comedy"]),
        ("I don't want only comedies", ["i do not want only Comedy"]),
        ("do not give me only comedies", ["do not give me only Comedy"]),
        ("I don't want comedies only", ["i do not only want Comedy"]),
        ("not only comedies", ["not only Comedy"]),
        ("not only comedies, also dramas", ["not only Comedy", "also Drama"]),
        ("not all comedies", ["not all Comedy"]),
        ("not every film should be a comedy", ["not every film should be a Comedy"]),
        ("I do not need every film to be a comedy", ["i do not need every film to be a Comedy"]),
        ("all films but one should be dramas", ["all films but one should be Drama"]),
        ("all comedies except two", ["all Comedy except 2"]),
        ("all comedies except one", ["all Comedy except one"]),
        ("all but two should be comedies", ["all but 2 should be Comedy"]),
        ("3 of the 5 comedies", ["3 of the 5 Comedy"]),
    ],
)
def test_what_no_control_says_adds_none(sentence, unplaced):
    request, left = READER.read(sentence)
    assert (parts(request), left) == ((10, []), unplaced)


def test_other_columns_are_read_by_their_own_names():
    from polars import DataFrame

    from steerec.data.catalog import Catalog

    frame = DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["Kettle", "Pan", "Pot"],
            "brand": ["Aroma", "Best Steel", "Aroma"],
            "price": [12.5, 30.0, 49.0],
            "stars": [3, 4, 5],
            "category": ["Kettles", "Pans", "Pots & Lids"],
        }
    )
    reader = KeywordReader(Catalog.from_frame(frame, noun="products"))
    for sentence, expected in {
        "5 products under $20": (5, [({"price": {"lt": 20}}, ALL)]),
        "between $10 and $40": (10, [({"price": {"ge": 10, "le": 40}}, ALL)]),
        "products with stars below 4 or above 4": (
            10,
            [({"any": [{"stars": {"lt": 4}}, {"stars": {"gt": 4}}]}, ALL)],
        ),
        "products under $20 or over $40": (
            10,
            [({"any": [{"price": {"lt": 20}}, {"price": {"gt": 40}}]}, ALL)],
        ),
        "only products with at least 4 stars": (10, [({"stars": {"ge": 4}}, ALL)]),
        "products with a price of at most 30.5": (10, [({"price": {"le": 30.5}}, ALL)]),
        "no more than 2 per brand": (10, [("brand", {"at_most": 2})]),
        "at least 3 from Best Steel, no pots and lids": (
            10,
            [({"brand": "Best Steel"}, {"at_least": 3}), ({"category": "Pots & Lids"}, NONE)],
        ),
    }.items():
        request, unplaced = reader.read(sentence)
        assert parts(request) == expected, sentence
        assert unplaced == []


def test_an_embedder_places_words_that_no_value_spells():
    axes = {"comedy": 0, "humorous": 0, "horror": 1, "scary": 1}

    def embed(texts):
        vectors = np.zeros((len(texts), 12), np.float32)
        for row, text in enumerate(texts):
            word = text.split()[0].lower()
            vectors[row, axes.get(word, 2 + sum(map(ord, word)) % 10)] = 1
        return vectors

    reader = KeywordReader(CATALOG, embed)
    request, unplaced = reader.read("10 films, at least 2 humorous ones and nothing scary")
    assert parts(request) == (10, [(is_("Comedy"), {"at_least": 2}), (is_("Horror"), NONE)])
    assert unplaced == []


def test_texts_without_a_request_ask_for_ten():
    for sentence in ("", " ", "...", "?!", "'", "Hello!"):
        request, _ = READER.read(sentence)
        assert parts(request) == (10, [])


def test_a_text_of_any_length_is_refused():
    with pytest.raises(RequestError, match="24,000 characters; a request in words may have 20,000"):
        READER.read("comedy" * 4000)


@pytest.mark.parametrize(
    ("piece", "per_character"),
    [
        ("I'd like two comedies from the nineties, and no films by Blue Fox. ", 400),
        ("comedy films from 1990 and ", 60),  # never a full stop: then the work has a limit
    ],
)
def test_the_time_of_a_long_text_is_about_linear(piece, per_character, monkeypatch):
    looked_at = []
    step = SetReader._step
    monkeypatch.setattr(
        SetReader, "_step", lambda self, text, marks: looked_at.append(len(text)) or step(self, text, marks)
    )
    work = []
    for length in (9_000, 18_000):
        looked_at.clear()
        READER.read((piece * length)[:length])
        work.append(sum(looked_at))
    assert work[1] <= 2.2 * work[0] + 1_000
    assert work[1] <= per_character * 18_000


def test_words_that_no_value_spells_are_looked_up_together():
    asked = []

    def embed(texts):
        asked.append(len(texts))
        return np.ones((len(texts), 4), np.float32)

    reader = KeywordReader(CATALOG, embed)
    asked.clear()
    reader.read(" ".join(f"qu{chr(97 + i // 26)}{chr(97 + i % 26)}zz" for i in range(300)))
    assert asked == [200]


@pytest.mark.parametrize("piece", ["comedy films in the ", "(comedy or ", "'a' ", "a ", "not ", "xx"])
def test_a_hostile_text_is_read_or_refused(piece):
    count = 10
    with contextlib.suppress(RequestError):
        count = READER.read((piece * 8_000)[:8_000])[0].count
    assert 1 <= count <= 1000


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "no",
                    "at least",
                    "5",
                    "comedies",
                    "half",
                    "of",
                    "the",
                    "first",
                    "3",
                    "'",
                    '"',
                    ONE,
                    "(",
                    ")",
                    ",",
                ),
                *(
                    ".",
                    "per",
                    "director",
                    "year",
                    "1990",
                    "90s",
                    "between",
                    "and",
                    "or",
                    "not",
                    "that are",
                    "films",
                ),
                *("0", "%", "100%", "\ue000"),
            ]
        ),
        max_size=25,
    )
)
def test_any_text_gives_a_valid_request(words):
    try:
        request, unplaced = READER.read(" ".join(words))
    except RequestError as error:
        assert "A list has 1 to 1,000 films" in str(error)  # noqa: PT017  (a text may also be read)
        return
    assert 1 <= request.count <= 1000
    assert all(isinstance(word, str) for word in unplaced)


@pytest.mark.parametrize("number", ["0", "1001", "5,000"])
def test_a_list_of_no_or_too_many_items_is_refused(number):
    with pytest.raises(RequestError, match=r"A list has 1 to 1,000 films, and the text asks for [\d,]+"):
        READER.read(f"{number} films")
    assert READER.read("1000 films")[0].count == 1000
