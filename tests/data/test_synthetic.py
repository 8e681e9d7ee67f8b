from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.data.split import make_split
from steerec.data.synthetic import make_world
from steerec.errors import DataError


def test_two_worlds_of_one_seed_are_equal() -> None:
    one, two, other = make_world(seed=3), make_world(seed=3), make_world(seed=4)
    assert one.interactions.equals(two.interactions)
    assert one.catalog.sha256 == two.catalog.sha256
    assert make_split(one).hash == make_split(two).hash != make_split(other).hash


def test_the_known_answer_is_right_as_often_as_promised() -> None:
    world = make_world(num_users=400, certainty=0.9)
    split = make_split(world)
    points = split.points("test")
    right = [world.answer(split.users[p.user], p.history) == p.target for p in points]
    # 400 draws of probability .9: three standard errors are .045.
    assert abs(np.mean(right) - 0.9) < 0.045


def test_a_certain_world_has_no_surprise() -> None:
    world = make_world(certainty=1.0, min_length=5, max_length=12)
    split = make_split(world)
    for user, sequence in zip(split.users, split.sequences, strict=True):
        for before, after in pairwise(sequence):
            assert world.successor[before] == after
            assert world.categories[world.main[after]] == world.taste[user]
    assert world.answer("u1", np.array([], np.int64)) is None


def test_the_table_has_what_real_tables_have() -> None:
    catalog = make_world().catalog
    assert catalog.columns == {
        "year": "number",
        "categories": "categories",
        "director": "category",
        "path": "path",
    }
    assert (catalog.work != np.arange(len(catalog))).sum() == 1  # one twin
    assert len(set(catalog.titles)) == len(catalog) - 2  # the twin and a remake
    assert catalog.frame["year"].null_count() == 1
    assert catalog.frame["director"].null_count() > 0
    assert any(title.endswith(", The") for title in catalog.titles)
    assert any(not title.isascii() for title in catalog.titles)
    assert any(a != b and b.startswith(a) for a in catalog.titles for b in catalog.titles)
    assert catalog.noun == "films"
    both = catalog.frame["categories"].list.len()
    assert set(both.unique()) == {1, 2}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), num_categories=st.integers(2, 8), users=st.integers(1, 20))
def test_worlds_of_any_size_are_sound(seed: int, num_categories: int, users: int) -> None:
    world = make_world(users, 4 * num_categories + seed % 7, seed, num_categories=num_categories)
    assert sorted(world.successor) == list(range(len(world.catalog)))
    assert (world.main[world.successor] == world.main).all()
    split = make_split(world)
    assert len(split.users) == users
    assert all(len(set(sequence.tolist())) == len(sequence) for sequence in split.sequences)
    assert world.interactions["timestamp"].is_sorted()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_items": 10}, "num_items = 10: allowed is at least 24"),
        ({"num_users": 0}, "num_users = 0: allowed is at least 1"),
        ({"num_categories": 9}, "num_categories = 9: allowed is 2 to 8"),
        ({"certainty": 0.0}, "certainty = 0.0: allowed is above 0"),
        ({"min_length": 20}, "min_length = 20: allowed is 1 to max_length = 16"),
    ],
)
def test_impossible_worlds(options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_world(**options)  # type: ignore[arg-type]
