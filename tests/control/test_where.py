"""Every operator of the where language on a shelf whose answers can be read off its table."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from shelf import ROWS, SHELF, ids, shelf

from steerec.control import attribute
from steerec.control.where import Where, mask, null_mask
from steerec.errors import RequestError


def found(where: object) -> str:
    return ids(mask(Where.parse(where), SHELF))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"categories": "Comedy"}, "begi"),
        ({"categories": ["Horror", "Drama"]}, "af"),
        ({"categories": {"all_of": ["Comedy", "Crime"]}}, "i"),
        ({"categories": "ＣＯＭＥＤＹ"}, "begi"),  # NFKC turns full-width letters into plain ones
        ({"director": "scott"}, "acdj"),  # casefolded and trimmed
        ({"director": ["Coen", "jeunet"]}, "gi"),
        ({"year": 1982}, "cd"),
        ({"year": 1982.0}, "cd"),
        ({"year": [1979, 2001]}, "ag"),
        ({"year": {"ge": 1990, "le": 1999}}, "hij"),
        ({"year": {"gt": 1990, "lt": 1996}}, "h"),
        ({"score": {"ge": 8.5}}, "ah"),
        ({"released": "1996-03-08"}, "i"),
        ({"released": {"ge": "1980-07-02", "lt": "1996-03-08"}}, "be"),
        ({"title": {"contains": "BLADE"}}, "cd"),
        ({"title": {"contains": "amélie"}}, "g"),
        ({"title": {"contains": "ame\u0301lie"}}, "g"),  # a combining accent
        ({"title": {"contains": "The Usual"}}, ""),  # the raw title is tested: "Usual Suspects, The"
        ({"title": "fargo"}, "i"),
        ({"categories": {"contains": "sci"}}, "acd"),
        ({"path": {"under": "Film"}}, "abcdeg"),
        ({"path": {"under": ["Film", "earth"]}}, "cdeg"),
        ({"path": {"under": ["Film", "Earth", "City"]}}, "cdg"),
        ({"path": "Earth"}, "cdegi"),  # a member anywhere in the path
        ({"path": {"contains": "air"}}, "b"),
        ({"director": {"is_null": True}}, "e"),
        ({"director": {"is_null": False}}, "abcdfghij"),
        ({"path": {"is_null": True}}, "fhj"),  # an empty path is no path
        ({"categories": "Comedy", "year": {"lt": 1990}}, "be"),  # several columns: and
        ({"any": [{"categories": "Horror"}, {"categories": "Drama"}]}, "af"),
        ({"all": [{"categories": "Comedy"}, {"categories": "Thriller"}]}, "e"),
        ({"not": {"categories": ["Comedy", "Thriller"]}}, "afj"),
        # pure comedy: comedy and nothing else
        ({"categories": "Comedy", "not": {"categories": ["Thriller", "Romance", "Crime"]}}, "b"),
        ({"not": {"not": {"year": 1982}}}, "cd"),
        ({"items": ["g", "The Usual Suspects (1995)", "clue"]}, "egh"),
        ({"items": ["g"], "year": {"ge": 2002}}, ""),
    ],
)
def test_where_matches(where: object, expected: str) -> None:
    assert found(where) == expected


def test_pure_comedy_is_the_complement_of_the_other_labels() -> None:
    pure = {"categories": {"all_of": ["Comedy"]}, "not": {"categories": ["Crime", "Romance", "Thriller"]}}
    assert found(pure) == "b"


def test_a_test_of_null_is_false_and_not_is_the_plain_complement() -> None:
    assert found({"year": {"ge": 1900}}) == "abcdeghij"
    assert found({"year": {"lt": 3000}}) == "abcdeghij"
    assert found({"not": {"year": {"ge": 1990}}}) == "abcdef"  # f has no year, and is not from 1990 on
    assert found({"year": 0}) == ""  # what stands in for null inside is no value


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"year": 1982}, "f"),
        ({"not": {"year": 1982}}, "f"),
        ({"any": [{"director": "Coen"}, {"year": {"ge": 1}}]}, "ef"),
        ({"path": "Earth"}, "fhj"),
        ({"director": {"is_null": True}}, "e"),
        ({"items": ["f"]}, ""),
    ],
)
def test_null_mask_names_items_without_a_tested_value(where: object, expected: str) -> None:
    assert ids(null_mask(Where.parse(where), SHELF)) == expected


def test_items_names_the_most_interacted_of_twins_only() -> None:
    popular = shelf().with_popularity(np.array([0, 0, 1, 5, 0, 0, 0, 0, 0, 0]))
    assert mask(Where.parse({"items": ["Blade Runner (1982)"]}), popular).nonzero()[0].tolist() == [3]


def test_boolean_values_are_words() -> None:
    assert Where.parse({"streams": True}).to_json() == {"streams": "true"}


def test_category_and_categories_stand_for_each_other() -> None:
    renamed = type(SHELF).from_frame(SHELF.frame.rename({"categories": "category"}), noun="films")
    assert ids(mask(Where.parse({"categories": "Comedy"}), renamed)) == "begi"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"categories": "Comdy"}, 'no value of the column "categories". Did you mean "Comedy"?'),
        ({"categories": ["Comedy", "Noir"]}, '"Noir" is no value of the column "categories".'),
        ({"categories": "Western"}, "Values: Comedy, Crime, Drama, Horror, Romance, Sci-Fi, Thriller."),
        ({"Categories": "Comedy"}, 'no column "Categories". Did you mean "categories"?'),
        ({"comedy": 5}, '"Comedy" is a value: write {"categories": "Comedy"}.'),
        ({"zzz": 5}, "Columns: year, categories, director, path, released, score, title."),
        ({"item_id": "a"}, 'Items are named with {"items": ["..."]}'),
        ({"year": "1982"}, 'holds numbers, and got "1982". Write a number without quotes.'),
        ({"year": {"ge": "1982"}}, "Write a number without quotes."),
        ({"released": 1982}, 'holds dates, and got 1982. Write one such as "1997-01-31".'),
        ({"released": {"ge": "1982"}}, "holds dates, and got '1982'."),
        ({"released": "1982-02-30"}, "holds dates, and got '1982-02-30'."),
        ({"director": 5}, 'holds words, and got the number 5. Write it in quotes: "5".'),
        ({"director": {"ge": "A"}}, '"ge" does not fit the column "director": it holds words'),
        ({"director": {"all_of": ["Scott", "Coen"]}}, '"all_of" does not fit the column "director"'),
        ({"year": {"contains": "19"}}, '"contains" does not fit the column "year": it holds numbers'),
        ({"director": {"under": "Scott"}}, '"under" does not fit the column "director": it holds no paths.'),
        ({"path": {"under": "City"}}, "Did you mean Film > Earth > City?"),
        ({"path": {"under": ["Film", "Erth"]}}, 'Did you mean "Film > Earth"'),
        ({"path": {"under": "Zoo"}}, "Paths start with: Film, Series."),
        ({"items": ["Fargoo"]}, 'nothing called "Fargoo". Did you mean "Fargo (1996)"?'),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused_with_a_hint(where: object, message: str) -> None:
    with pytest.raises(RequestError) as error:
        found(where)
    assert message in str(error.value)


def test_long_lists_of_values_are_cut() -> None:
    assert attribute.listing([str(n) for n in range(25)], "Values").endswith("18, 19, ... (25 in all).")
    assert attribute.listing([], "Values") == "Values: none."


DEEP: dict[str, object] = {"year": 1}
for _ in range(25):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("Comedy", '"where" is an object such as {"categories": "Comedy"}, and got \'Comedy\'.'),
        ({}, '"where" is empty; name a column'),
        ({1: "a"}, '"where" has the key 1; column names are strings.'),
        (DEEP, '"where" nests more than 20 deep'),
        ({"year": None}, '"year" is null; to ask for items without a value write {"is_null": true}.'),
        ({"year": []}, '"year" is an empty list; name at least one value.'),
        ({"year": {}}, '"year": the condition is empty; name an operator: all_of, ge'),
        ({"year": {"gte": 1}}, '"year": there is no operator "gte". Did you mean "gt" or "ge"?'),
        ({"year": {"ge": float("nan")}}, '"year.ge" takes a string, a number or an ISO date, and got nan.'),
        ({"year": {"le": 10**400}}, '"year.le" takes numbers of at most 308 digits'),
        ({"year": [[1]]}, '"year" takes a string, a number or an ISO date, and got [1].'),
        ({"categories": {"all_of": "Comedy"}}, '"categories.all_of" takes a list, and got'),
        ({"title": {"contains": " "}}, '"title.contains" takes a non-empty string'),
        ({"path": {"under": []}}, '"path.under" is an empty path; name at least its root.'),
        ({"path": {"under": [1]}}, '"path.under" takes a non-empty string, and got 1.'),
        ({"year": {"is_null": "yes"}}, '"year.is_null" is true or false, and got'),
        ({"any": []}, '"any" takes a list of one or more where objects, and got [].'),
        ({"all": {"year": 1}}, '"all" takes a list of one or more where objects'),
        ({"not": []}, '"where" is an object such as'),
        ({"items": "Fargo"}, "\"items\" takes a list, and got 'Fargo'."),
        ({"items": []}, '"items" is an empty list; name at least one value.'),
    ],
)
def test_what_is_no_where_is_refused(where: object, message: str) -> None:
    with pytest.raises(RequestError) as error:
        Where.parse(where)
    assert message in str(error.value)


WORDS = st.sampled_from(["Comedy", "Crime", "Drama", "Thriller"])
YEARS = st.integers(1975, 2005)
LEAVES = st.one_of(
    st.builds(lambda value: {"categories": value}, WORDS),
    st.builds(lambda values: {"categories": values}, st.lists(WORDS, min_size=2, unique=True)),
    st.builds(lambda values: {"categories": {"all_of": values}}, st.lists(WORDS, min_size=1, unique=True)),
    st.builds(lambda low, high: {"year": {"ge": low, "lt": high}}, YEARS, YEARS),
    st.builds(lambda value: {"score": {"gt": value}}, st.sampled_from([7.7, 8.1, 8.3])),
    st.builds(lambda value: {"director": {"is_null": value}}, st.booleans()),
    st.just({"items": ["a", "b"]}),
)
WHERES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda part, year: {**part, "year": year}, inner, YEARS),
    ),
    max_leaves=6,
)


def matches(where: dict[str, object], row: dict[str, object]) -> bool:
    """Say the slow definition over one raw row."""
    for key, given_ in where.items():
        value = row.get(key)
        if key == "any":
            held = any(matches(part, row) for part in given_)
        elif key == "all":
            held = all(matches(part, row) for part in given_)
        elif key == "not":
            held = not matches(given_, row)
        elif key == "items":
            held = row["item_id"] in given_
        elif isinstance(given_, dict) and "is_null" in given_:
            held = (value is None) == given_["is_null"]
        elif value is None:
            held = False
        elif key == "categories":
            wanted = given_["all_of"] if isinstance(given_, dict) else given_
            names = [wanted] if isinstance(wanted, str) else wanted
            held = (all if isinstance(given_, dict) else any)(name in value for name in names)
        elif isinstance(given_, dict):
            held = value >= given_.get("ge", value) and value < given_.get("lt", value + 1)
            held = held and ("gt" not in given_ or value > given_["gt"])
        else:
            held = value == given_
        if not held:
            return False
    return True


@given(WHERES)
def test_masks_equal_the_row_by_row_definition(where: dict[str, object]) -> None:
    names = ["item_id", "title", "year", "categories", "director", "path", "released", "score"]
    rows = [dict(zip(names, row, strict=True)) for row in ROWS]
    expected = "".join(row["item_id"] for row in rows if matches(where, row))
    assert found(where) == expected


@given(WHERES)
def test_where_survives_json(where: dict[str, object]) -> None:
    parsed = Where.parse(where)
    assert Where.parse(json.loads(json.dumps(parsed.to_json()))) == parsed


def test_masks_are_cached_read_only_and_dropped_with_the_catalogue() -> None:
    catalog = shelf()
    where = Where.parse({"categories": "Comedy"})
    first = mask(where, catalog)
    assert mask(Where.parse({"categories": "Comedy"}), catalog) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = True
    gone = weakref.ref(catalog)
    del catalog, first
    gc.collect()
    assert gone() is None


def test_the_json_schema_names_the_reserved_keys() -> None:
    schema = TypeAdapter(Where).json_schema()
    assert schema["type"] == "object"
    assert set(schema["properties"]) == {"any", "all", "not", "items"}
