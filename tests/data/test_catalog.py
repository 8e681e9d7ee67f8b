from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steerec.artifacts import read_json, write_json
from steerec.data.catalog import Catalog
from steerec.errors import DataError, RequestError


def small() -> Catalog:
    """Items 0 and 3 are twins; 1 and 2 share a title but not the year; 4 and 5 share it without a year."""
    frame = pl.DataFrame(
        {
            "item_id": [10, 11, 12, 13, 14, 15],
            "title": ["Sabrina, The", "Emma", "Emma", "SABRINA, The", "Loop", "Loop"],
            "year": [1995, 1996, 1932, 1995, None, None],
            "categories": [["Comedy", "Drama"], ["Drama"], [], ["Comedy"], None, ["Horror", "Horror"]],
            "path": [["Films", "Old"], ["Films"], None, [], ["Shop"], ["Shop"]],
            "brand": ["b", "a", None, "", "a", " a "],
        }
    )
    return Catalog.from_frame(frame, noun="films")


def test_canonical_form() -> None:
    catalog = small()
    assert catalog.columns == {
        "year": "number",
        "categories": "categories",
        "path": "path",
        "brand": "category",
    }
    assert catalog.item_ids == ("10", "11", "12", "13", "14", "15")
    assert catalog.frame["categories"].to_list() == [
        ["Comedy", "Drama"],
        ["Drama"],
        None,
        ["Comedy"],
        None,
        ["Horror"],
    ]
    assert catalog.frame["brand"].to_list() == ["b", "a", None, None, "a", "a"]
    assert catalog.displays[:2] == ("The Sabrina (1995)", "Emma (1996)")
    assert (len(catalog), catalog.noun, catalog.singular) == (6, "films", "film")


def test_works_are_same_title_and_known_year() -> None:
    assert small().work.tolist() == [0, 1, 2, 0, 4, 5]
    given = pl.DataFrame(
        {"item_id": ["a", "b", "c", "d"], "title": ["x", "y", "z", "z"], "work_id": [1, 1, None, None]}
    )
    assert Catalog.from_frame(given).work.tolist() == [0, 0, 2, 3]
    assert Catalog.from_frame(given).columns == {}


def test_values() -> None:
    catalog = small()
    assert catalog.values("categories") == ["Comedy", "Drama", "Horror"]
    assert catalog.values("brand") == ["a", "b"]
    assert catalog.values("path") == ["Films", "Old", "Shop"]
    with pytest.raises(
        RequestError, match=r'no column "categorie". Did you mean "categories"\? Columns: year'
    ):
        catalog.values("categorie")
    with pytest.raises(RequestError, match='Column "year" is of type number: only category'):
        catalog.values("year")


def test_resolve_in_the_order_id_display_title_folded() -> None:
    catalog = small()
    assert catalog.resolve("12") == 2
    assert catalog.resolve("Emma (1932)") == 2
    assert catalog.resolve("emma (1996)") == 1
    assert catalog.resolve("THE SABRINA (1995)") == 0
    assert catalog.index("15") == 5


def test_reference_within_one_work_is_its_most_interacted_item() -> None:
    catalog = small()
    # "The Sabrina (1995)" is item 0, "The SABRINA (1995)" item 3; folded they are one work.
    assert catalog.resolve("the SABRINA (1995)") == 0
    popular = catalog.with_popularity(np.array([1, 0, 0, 9, 0, 0]))
    assert popular.resolve("the SABRINA (1995)") == 3
    assert popular.resolve("sabrina, the") == 3
    assert popular.sha256 == catalog.sha256


def test_reference_across_works_lists_the_display_forms() -> None:
    with pytest.raises(
        RequestError, match=r'"Emma" names 2 different films: "Emma \(1996\)" \(id 11\), "Emma \(1932\)"'
    ):
        small().resolve("Emma")
    with pytest.raises(RequestError, match=r'"Loop" \(id 14\), "Loop" \(id 15\). Give the id'):
        small().resolve("loop")


def test_unknown_reference_suggests() -> None:
    with pytest.raises(
        RequestError, match=r'6 films has nothing called "Sabrine". Did you mean "The Sabrina \(1995\)"'
    ):
        small().resolve("Sabrine")
    with pytest.raises(RequestError, match=r'no item id "99".*Ids look like 10, 11, 12'):
        small().index("99")


def test_save_and_load(tmp_path: Path) -> None:
    catalog = small().with_popularity(np.arange(6))
    catalog.save(tmp_path)
    loaded = Catalog.load(tmp_path)
    assert loaded.sha256 == catalog.sha256
    assert loaded.frame.equals(catalog.frame)
    assert loaded.columns == catalog.columns
    assert loaded.noun == "films"
    assert loaded.popularity.tolist() == [0, 1, 2, 3, 4, 5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.json", "items.parquet"]


def test_load_notices_a_changed_table(tmp_path: Path) -> None:
    small().save(tmp_path)
    meta = read_json(tmp_path / "items.json")
    write_json(tmp_path / "items.json", meta | {"sha256": "0" * 64})
    with pytest.raises(DataError, match=r"items.json describes 000000000000: one of the two was changed"):
        Catalog.load(tmp_path)


@pytest.mark.parametrize("data", [b"", b"PAR1 cut off here", None])
def test_load_refuses_a_broken_file(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "items.parquet"
    if data is None:
        small().save(tmp_path)
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_bytes(data)
    with pytest.raises(DataError, match=r"no readable Parquet file; it may be truncated"):
        Catalog.load(tmp_path)


def test_load_refuses_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file .*items.parquet"):
        Catalog.load(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": ["a"]}, 'no column "title". Its columns: item_id. It needs item_id and title'),
        ({"item_id": ["a", None], "title": ["x", "y"]}, "1 of 2 rows of the item table have no item_id"),
        ({"item_id": ["a", "b"], "title": ["x", None]}, "1 of 2 rows of the item table have no title"),
        (
            {"item_id": ["a", "b", "a"], "title": ["x", "y", "z"]},
            "1 item ids stand in more than one row .* such as a",
        ),
        ({"item_id": [], "title": []}, "The item table is empty"),
        ({"item_id": ["a"], "title": ["x"], "any": ["y"]}, "may not be called any: requests use"),
    ],
)
def test_bad_tables(columns: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Catalog.from_frame(pl.DataFrame(columns))


def test_bad_types() -> None:
    frame = pl.DataFrame({"item_id": ["a"], "title": ["x"], "brand": ["y"]})
    with pytest.raises(
        DataError, match=r'type is given for "brant", which is no attribute column. Did you mean "brand"'
    ):
        Catalog.from_frame(frame, types={"brant": "category"})
    with pytest.raises(
        DataError, match='Column "brand" has the type "colour", which does not exist. Types: category'
    ):
        Catalog.from_frame(frame, types={"brand": "colour"})  # type: ignore[dict-item]


def test_column_types_are_inferred_and_stored() -> None:
    frame = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "title": ["x", "y"],
            "price": [1.5, float("nan")],
            "pages": [3.0, None],
            "seen": [True, False],
            "added": ["2020-01-02", "x"],
            "review": ["long words " * 20, "more words " * 20],
            "paths": [[["A", "B"], ["C"]], [["D"]]],
        }
    )
    catalog = Catalog.from_frame(frame, types={"added": "date", "price": "number"})
    assert catalog.columns == {
        "price": "number",
        "pages": "number",
        "seen": "category",
        "added": "date",
        "review": "text",
        "paths": "path",
    }
    assert catalog.frame["price"].to_list() == [1.5, None]
    assert catalog.frame["pages"].to_list() == [3, None]
    assert catalog.frame["pages"].dtype == pl.Int64
    assert catalog.values("seen") == ["false", "true"]
    assert str(catalog.frame["added"][0]) == "2020-01-02"
    assert catalog.frame["added"][1] is None
    assert catalog.frame["paths"].to_list() == [["A", "B"], ["D"]]
