"""Phrasings and `render`: the files are the measured ones, and a text says every number of its request."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steerec.control.phrases import PHRASES, SLOTS, check_slots, phrase, phrase_hash, render
from steerec.control.request import Request
from steerec.control.wording import Speaker, spoken_column, spoken_share
from steerec.data.synthetic import make_world
from steerec.errors import RequestError

HASHES = {
    "train": "e35b038ffebac9ab09dc6bb9d6657aa3ab91225d396ec6ca7edd653cf832221b",
    "validation": "b69706185ca843bac62c6ef3265d197dae3133f03308749954f3b79962ce0d49",
    "unseen": "4f2d2a2ccc1417743b7850ad7fa30f47ed8beaf6f8c7894afa0bdc01defa8b53",
}
"""What tables are measured with: a new phrasing is a new file and a new measurement."""

LEAST = {"train": (30, 10), "validation": (8, 4), "unseen": (14, 6)}
"""Phrasings of each sentence kind and of each which_* kind."""

CATALOG = make_world(20, 60, num_categories=8).catalog
IDS = CATALOG.item_ids


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("split", LEAST)
def test_every_template_has_exactly_its_slots(split):
    assert set(PHRASES[split]) == set(SLOTS)
    for kind, templates in PHRASES[split].items():
        for template in templates:
            check_slots(kind, template)


@pytest.mark.parametrize("split", LEAST)
def test_every_kind_has_enough_different_phrasings(split):
    sentences, phrases = LEAST[split]
    for kind, templates in PHRASES[split].items():
        assert len(templates) >= (phrases if kind.startswith("which_") else sentences), kind
        assert len({template.casefold() for template in templates}) == len(templates), kind


def test_validation_repeats_no_phrasing_of_train():
    for kind in SLOTS:
        train = {re.sub(r"\W+", " ", template).casefold() for template in PHRASES["train"][kind]}
        assert not train & {re.sub(r"\W+", " ", t).casefold() for t in PHRASES["validation"][kind]}, kind


@pytest.mark.parametrize("split", ["train", "validation"])  # the unseen ones are typed as people type
def test_sentences_are_sentences(split):
    for kind, templates in PHRASES[split].items():
        for template in templates:
            if kind.startswith("which_"):
                assert "{items}" in template
                continue
            assert template[0] in "{" or template[0].isupper() or template[0].isdigit(), template
            assert template.endswith((".", "?", "!", "{clause}")), template
            assert "film" not in template.casefold(), template


@pytest.mark.parametrize("split", HASHES)
def test_files_are_the_measured_ones(split):
    assert phrase_hash(split) == HASHES[split]


def test_wrong_slots_and_unknown_splits_are_refused():
    with pytest.raises(RequestError, match=r"only phrasing .* has the slots \['n', 'which'\]"):
        check_slots("only", "Exactly {n} {which}.")
    with pytest.raises(RequestError, match='no phrase kind "onyl"'):
        check_slots("onyl", "{which}")
    with pytest.raises(RequestError, match='no "trian" phrasings. Did you mean "train"'):
        render(Request(), CATALOG, rng(), split="trian")


def test_the_same_state_gives_the_same_text_and_others_vary():
    request = Request(controls=[{"where": {"categories": "Comedy"}, "at_least": 3}])
    assert render(request, CATALOG, rng(1)) == render(request, CATALOG, rng(1))
    assert len({render(request, CATALOG, rng(seed)) for seed in range(30)}) > 25


CONTROLS = st.sampled_from(
    [
        {"at_least": 3},
        {"at_most": 4},
        {"exactly": 2},
        {"at_least": 2, "at_most": 5},
        {"share_at_least": "3/7"},
        {"share_at_most": 0.25, "at_least": 1},
        {"share_more_than": 0.5},
        {"share_less_than": 0.35},
        {"share_about": "2/3"},
        {"at_least": "all"},
        {"at_most": 0},
        {"exactly": 3, "within": [2, 6]},
        {"share_at_least": 0.5, "share_at_most": 0.75, "within": [1, 4]},
        {"at_least": "all", "within": [1, 5]},
    ]
)
LEAVES = st.sampled_from(
    [
        {"categories": "Comedy"},
        {"categories": ["Drama", "Horror"]},
        {"categories": {"all_of": ["Western", "Drama"]}},
        {"director": "Ada Quill"},
        {"director": ["Ada Quill", "Bo Lindqvist"]},
        {"year": {"ge": 1971, "le": 1988}},
        {"year": {"gt": 1973}},
        {"year": {"lt": 1979}},
        {"year": 1981},
        {"year": {"is_null": True}},
        {"title": {"contains": "Garden"}},
        {"path": {"under": ["Films", "Comedy"]}},
        {"items": [IDS[1], IDS[2]]},
        {"categories": "Comedy", "year": {"le": 1990}},
    ]
)
WHERES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=5,
)
REQUESTS = st.fixed_dictionaries(
    {
        "count": st.integers(6, 40),
        "controls": st.lists(
            st.one_of(
                st.tuples(WHERES, CONTROLS).map(lambda pair: {"where": pair[0], **pair[1]}),
                st.sampled_from(
                    [{"each": "director", "at_most": 2}, {"each": "categories", "share_at_most": 0.4}]
                ),
            ),
            max_size=4,
        ),
        "prefer": st.lists(
            st.sampled_from(
                [
                    {"where": {"categories": "Drama"}},
                    {"like": [IDS[3], IDS[4]]},
                    {"where": {"categories": "Drama"}, "weight": -0.5},
                    {"like": [IDS[3]], "weight": -1},
                ]
            ),
            max_size=2,
        ),
        "candidates": st.sampled_from([None, [IDS[0], IDS[5]]]),
        "exclude": st.sampled_from([[], [IDS[6]]]),
        "allow_seen": st.booleans(),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=REQUESTS, seed=st.integers(0, 10**6), split=st.sampled_from(sorted(LEAST)))
def test_any_request_can_be_said_and_says_its_numbers_and_names(record, seed, split):
    request = Request.from_json(json.dumps(record))
    text = render(request, CATALOG, rng(seed), split=split)
    assert not re.search(r"[{}]|  ", text)
    numbers = [] if request.count == 10 else [request.count]
    for control in request.controls:
        start = getattr(control, "within", None)
        numbers += [
            value
            for value in (getattr(control, "at_least", None), control.at_most)
            if value not in (None, 0, "all")
        ]
        numbers += list(start) if start and start[0] > 1 else []
    for number in numbers:
        assert re.search(rf"(?<!\d){number}(?!\d)", text), (number, text)
    for name in re.findall(r"Ada Quill|Comedy|Western|Horror|Garden", json.dumps(record)):
        assert name in text


@pytest.mark.parametrize(
    ("share", "said"),
    [
        ("1/2", {"half", "50%"}),
        ("1/3", {"a third", "1/3"}),
        ("3/10", {"30%"}),
        ("1/8", {"12.5%"}),
        ("3/7", {"3/7"}),
    ],
)
def test_shares_are_said_exactly(share, said):
    speaker = Speaker(catalog=CATALOG, rng=rng(), split="train")
    assert {spoken_share(Fraction(share), speaker) for _ in range(40)} == said


def test_one_item_is_said_in_the_singular():
    request = Request(
        count=1, controls=[{"where": {"categories": "Comedy"}, "at_least": "all", "within": [1, 1]}]
    )
    for seed in range(20):
        text = render(request, CATALOG, rng(seed))
        assert "1 films" not in text
        assert "first 1" not in text


def test_columns_are_said_by_one_value():
    assert [spoken_column(name, CATALOG) for name in ("categories", "director", "year")] == [
        "category",
        "director",
        "year",
    ]


def test_a_name_that_leads_to_another_item_is_said_by_its_id():
    twins = [i for i in range(len(CATALOG)) if CATALOG.resolve(CATALOG.displays[i]) != i]
    assert twins  # the world has works of two items
    text = render(Request(exclude=[IDS[twins[0]]]), CATALOG, rng())
    assert f"'{IDS[twins[0]]}'" in text


def test_a_single_sentence_of_any_kind():
    text = phrase("category_question", CATALOG, rng(), title="'Golden Clock (1970)'")
    assert "'Golden Clock (1970)'" in text
