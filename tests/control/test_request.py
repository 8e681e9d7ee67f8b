"""Requests: strict reading, exact JSON, and compilation on a shelf with known answers."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import SHELF, ids
from test_where import WHERES

from steerec.control.forms import at_least, cap, like, only, prefer, share_at_least
from steerec.control.request import Request, compile_request, read_history, wishes
from steerec.errors import RequestError

DESIGN = """{"count": 10, "controls": [
  {"where": {"categories": "Comedy"}, "at_least": 5},
  {"where": {"categories": "Horror"}, "at_most": 0},
  {"where": {"year": {"ge": 1990, "le": 1999}}, "at_least": "all"},
  {"where": {"any": [{"categories": "Crime"}, {"categories": "Thriller"}]}, "share_less_than": 0.3},
  {"each": "director", "at_most": 2},
  {"where": {"categories": "Drama"}, "at_least": 1, "within": [1, 3]}],
 "prefer": [{"where": {"year": {"ge": 1995}}, "weight": 0.5}, {"like": ["a"], "weight": 1.0}],
 "candidates": null, "exclude": [], "allow_seen": false, "seed": null}"""


def test_the_request_of_the_design_compiles_to_its_numbers() -> None:
    request = Request.from_json(DESIGN)
    problem = compile_request(request, SHELF)
    numbers = [(q.control, q.lower, q.upper, q.first, q.last) for q in problem.quotas]
    assert numbers == [
        (0, 5, 10, 1, 10),
        (1, 0, 0, 1, 10),
        (2, 10, 10, 1, 10),
        (3, 0, 2, 1, 10),
        (5, 1, 3, 1, 3),
    ]
    assert [ids(quota.mask) for quota in problem.quotas] == ["begi", "a", "hij", "cdehi", "f"]
    assert [(c.control, c.limit) for c in problem.caps] == [(4, 2)]
    assert problem.allowed.all()
    assert json.loads(request.to_json()) == {**json.loads(DESIGN), "controls": [
        *json.loads(DESIGN)["controls"][:3],
        {"where": {"any": [{"categories": "Crime"}, {"categories": "Thriller"}]}, "share_less_than": "3/10"},
        *json.loads(DESIGN)["controls"][4:]]}  # fmt: skip


def test_defaults() -> None:
    assert json.loads(Request().to_json()) == {
        "count": 10, "controls": [], "prefer": [], "candidates": None,
        "exclude": [], "allow_seen": False, "seed": None,
    }  # fmt: skip


def test_shares_in_json_count_by_their_text() -> None:
    text = '{"controls": [{"where": {"year": 1}, "share_at_least": 0.30000000000000000001}]}'
    share = Request.from_json(text).controls[0].share_at_least
    assert share == Fraction("0.30000000000000000001")
    assert Request(controls=[{"where": {"year": 1}, "share_at_least": 0.3}]).controls[0].bounds(10) == (3, 10)


def test_numbers_in_a_where_stay_numbers() -> None:
    text = '{"controls": [{"where": {"score": {"ge": 8.1, "lt": 9.0}}, "at_least": 1}]}'
    quota = compile_request(Request.from_json(text), SHELF).quotas[0]
    assert ids(quota.mask) == "acdghi"


AMOUNTS = st.one_of(
    st.builds(lambda n: {"at_least": n}, st.one_of(st.integers(0, 50), st.just("all"))),
    st.builds(lambda n: {"at_most": n}, st.integers(0, 50)),
    st.builds(lambda n: {"exactly": n}, st.integers(0, 50)),
    st.builds(lambda p: {"share_about": p}, st.fractions(0, 1)),
    st.builds(lambda p, n: {"share_at_least": p, "at_most": n}, st.fractions(0, 1), st.integers(0, 50)),
    st.builds(lambda p: {"share_more_than": p / 2}, st.fractions(0, 1)),
    st.builds(lambda p: {"share_at_most": p}, st.floats(0, 1).map(abs)),
)
CONTROLS = st.one_of(
    st.builds(
        lambda where, amount, within: {"where": where, **amount, **within},
        WHERES,
        AMOUNTS,
        st.sampled_from([{}, {"within": [1, 1]}, {"within": [2, 5]}]),
    ),
    st.builds(lambda n: {"each": "director", "at_most": n}, st.integers(0, 9)),
    st.builds(lambda p: {"each": "year", "share_at_most": p}, st.fractions(0, 1)),
)
REQUESTS = st.builds(
    Request,
    count=st.integers(5, 1000),
    controls=st.lists(CONTROLS, max_size=3),
    prefer=st.lists(
        st.one_of(
            st.builds(lambda where, weight: {"where": where, "weight": weight}, WHERES, st.floats(-5, 5)),
            st.just({"like": ["Fargo", "a"]}),
        ),
        max_size=2,
    ),
    candidates=st.sampled_from([None, ("a", "b", "c")]),
    exclude=st.sampled_from([(), ("Clue",)]),
    allow_seen=st.booleans(),
    seed=st.one_of(st.none(), st.integers(0, 2**40)),
)


@given(REQUESTS)
def test_requests_survive_json_exactly(request_: Request) -> None:
    again = Request.from_json(request_.to_json())
    assert again == request_
    assert hash(again) == hash(request_)
    assert again.to_json() == request_.to_json()


@given(REQUESTS)
def test_compiled_bounds_lie_in_their_stretch(request_: Request) -> None:
    problem = compile_request(request_, SHELF, [0])
    assert len(problem.quotas) + len(problem.caps) == len(request_.controls)
    for quota in problem.quotas:
        assert 1 <= quota.first <= quota.last <= problem.count
        assert 0 <= quota.upper <= quota.last - quota.first + 1
        assert quota.lower >= 0
    for compiled in problem.caps:
        assert 0 <= compiled.limit <= problem.count


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cuont": 3}, 'A request has no field "cuont". Did you mean "count"'),
        ({"count": 0}, "count: a whole number from 1 to 1000 is needed, and got 0."),
        ({"count": 1001}, "count: a whole number from 1 to 1000 is needed, and got 1001."),
        ({"count": "10"}, "count: a whole number from 1 to 1000 is needed, and got '10'."),
        ({"count": True}, "count: a whole number from 1 to 1000 is needed, and got True."),
        ({"count": None}, "count: a whole number from 1 to 1000 is needed, and got None."),
        ({"controls": {"where": {}}}, "controls: a list is needed, and got"),
        ({"controls": [{"where": {"year": 1}}]}, "controls[0]: a control needs a bound"),
        ({"controls": [{"at_least": 1}]}, "controls[0]: where: is missing."),
        ({"controls": [only("A"), 7]}, "controls[1]: a control is an object with where or each, and got 7."),
        ({"controls": [{"each": "x", "at_most": 1, "where": {"year": 1}}]}, 'A cap has no field "where".'),
        ({"controls": [only("A", within=(3, 11))]}, "controls[0]: within [3, 11] ends after position 10"),
        ({"prefer": [{"wher": {}}]}, 'prefer[0]: A wish has no field "wher". Did you mean "where"?'),
        ({"prefer": [3]}, "prefer[0]: "),
        ({"candidates": "a, b"}, "candidates: items are given as a list such as"),
        ({"candidates": []}, "candidates: the list of items is empty; leave the field out."),
        ({"exclude": "a"}, "exclude: items are given as a list such as"),
        ({"exclude": [""]}, "exclude: items are named by id or title"),
        ({"allow_seen": "no"}, "allow_seen: true or false is needed, and got 'no'."),
        ({"seed": -1}, "seed: a whole number from 0 up is needed, and got -1."),
    ],
)
def test_what_is_no_request_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        Request(**fields)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "The text is no JSON: Expecting property name enclosed in double quotes at line 1, column 2."),
        ("[]", "A request is a JSON object, and got []."),
        ('{"count": NaN}', "The JSON holds NaN, which is no number."),
        ('{"count": 1, "count": 2}', 'The JSON has the key "count" twice in one object'),
        ("[" * 100_000, "The JSON nests too deeply to be a request."),
        (b"\xff", "The text is no JSON that can be read"),
        ('{"count": ' + "1" * 5000 + "}", "The text is no JSON that can be read"),
        ('{"seed": 1.5}', "seed: a whole number from 0 up is needed"),
        (
            '{"controls": [{"where": {"year": 1}, "share_about": 1e-999999999}]}',
            "a share is a number like 0.3",
        ),
        (
            '{"controls": [{"where": {"year": 1e999}, "at_least": 1}]}',
            "takes a string, a number or an ISO date",
        ),
    ],
)
def test_what_is_no_json_request_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(RequestError) as error:
        Request.from_json(text)
    assert message in str(error.value)


def test_seen_and_excluded_act_on_works_and_candidates_on_items() -> None:
    seen = compile_request(Request(), SHELF, [2])
    assert ids(seen.blocked_seen) == "cd"  # d is the twin of c
    assert ids(seen.allowed) == "abefghij"
    allowed = compile_request(Request(allow_seen=True), SHELF, [2])
    assert not allowed.blocked_seen.any()
    assert allowed.allowed.all()
    excluded = compile_request(Request(exclude=["d", "Clue"]), SHELF)
    assert ids(excluded.blocked_exclude) == "cde"
    assert ids(excluded.allowed) == "abfghij"
    chosen = compile_request(
        Request(candidates=["d", "Fargo (1996)", "Alien"], exclude=["Alien"]), SHELF, [8]
    )
    assert ids(~chosen.blocked_candidates) == "adi"
    assert ids(chosen.allowed) == "d"


def test_caps_count_each_value_and_leave_nulls_free() -> None:
    request = Request(controls=[cap("director", 1), cap("categories", 2), cap("year", 1)])
    director, categories, year = compile_request(request, SHELF).caps
    assert director.labels == ("Scott", "Zucker", "Koreeda", "Jeunet", "Singer", "Coen")
    # a, c, d and j ("SCOTT ", folded and trimmed) are Scott's; e has no director
    assert director.counts(np.array([0, 2, 3, 9, 4])).tolist() == [4, 0, 0, 0, 0, 0]
    by_label = dict(zip(categories.labels, categories.counts(np.arange(10)).tolist(), strict=True))
    assert by_label == {
        "Horror": 1, "Sci-Fi": 3, "Comedy": 4, "Thriller": 4, "Drama": 1, "Romance": 1, "Crime": 2,
    }  # fmt: skip
    assert year.counts(np.array([2, 3, 5])).tolist() == [0, 0, 2, 0, 0, 0, 0, 0]
    assert year.labels[:3] == ("1979", "1980", "1982")
    assert director.counts(np.array([], dtype=np.int64)).tolist() == [0] * 6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"candidates": ["Fargoo"]}, 'candidates: The catalogue of 10 films has nothing called "Fargoo".'),
        ({"exclude": ["Fargoo"]}, 'exclude: The catalogue of 10 films has nothing called "Fargoo".'),
        ({"controls": [only("Comdy")]}, 'controls[0]: "Comdy" is no value of the column "categories".'),
        ({"controls": [cap("directr", 2)]}, 'controls[0]: The films have no column "directr". Did you mean'),
    ],
)
def test_what_the_catalogue_does_not_have_is_an_error(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        compile_request(Request(**fields), SHELF)
    assert message in str(error.value)


@pytest.mark.parametrize("history", [[10], [-1]])
def test_a_history_of_foreign_indices_is_an_error(history: list[int]) -> None:
    with pytest.raises(RequestError, match=r"A history holds indices of the 10 films, and got \["):
        compile_request(Request(), SHELF, history)


def test_unknown_history_items_warn_once_and_are_left_out() -> None:
    with pytest.warns(UserWarning, match="2 of 3 history items are left out") as caught:
        assert read_history(["Fargoo", "Alien (1979)", "zzz"], SHELF) == [0]
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_history([], SHELF) == []
        assert read_history(["clue", "a"], SHELF) == [4, 0]


def test_wishes_add_weights() -> None:
    request = Request(prefer=[prefer("Comedy", weight=0.5), prefer(year=(1995, None), weight=-2.0)])
    #                                          a  b    c  d  e    f  g     h   i     j
    np.testing.assert_allclose(wishes(request, SHELF), [0, 0.5, 0, 0, 0.5, 0, -1.5, -2, -1.5, 0])
    assert wishes(Request(), SHELF).tolist() == [0.0] * 10


def test_like_adds_the_mean_cosine_of_the_vectors() -> None:
    vectors = np.zeros((10, 2))
    vectors[0], vectors[1], vectors[2] = (2, 0), (0, 1), (3, 3)
    added = wishes(Request(prefer=[like("a", "b", weight=2)]), SHELF, vectors)
    root = 1 / np.sqrt(2)
    # cosines to a: 1, 0, 1/sqrt 2; to b: 0, 1, 1/sqrt 2; twice the mean is their sum
    np.testing.assert_allclose(added, [1, 1, 2 * root, 0, 0, 0, 0, 0, 0, 0])


def test_like_without_vectors_compares_category_values() -> None:
    only_categories = type(SHELF).from_frame(SHELF.frame.select("item_id", "title", "categories"))
    added = wishes(Request(prefer=[like("h")]), only_categories)
    # squared weights log(10 / carriers)^2: Crime 2, Thriller and Comedy 4 carriers, Sci-Fi 3
    crime, four, three = np.log(10 / np.array([2, 4, 3])) ** 2
    assert added[7] == pytest.approx(1)
    assert added[8] == pytest.approx(crime / (crime + four))  # i: Comedy, Crime against Crime, Thriller
    assert added[2] == added[3] == pytest.approx(four / np.sqrt((crime + four) * (three + four)))
    assert added[[0, 1, 5, 6, 9]].tolist() == [0.0] * 5


def test_wishes_name_their_place_in_errors() -> None:
    with pytest.raises(RequestError, match=r'^prefer\[1\]: "Comdy" is no value'):
        wishes(Request(prefer=[prefer("Comedy"), prefer("Comdy")]), SHELF)


def test_controls_load_no_torch() -> None:
    code = (
        "import sys, steerec.control.request, steerec.control.forms, steerec.control.certificate;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_replace_checks_again() -> None:
    request = Request(
        count=10, controls=[at_least(2, "Comedy", within=(1, 8)), share_at_least("1/3", "Drama")]
    )
    assert request.replace(count=8).controls == request.controls
    with pytest.raises(RequestError, match="ends after position 7"):
        request.replace(count=7)
