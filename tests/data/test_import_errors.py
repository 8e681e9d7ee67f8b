from pathlib import Path
from typing import Any

import pytest

from steerec.data.importing import import_dataset
from steerec.errors import DataError

LOG = "user_id,item_id,rating,timestamp\nu1,a,5,881250949\nu1,b,3,881250950\n"
LOG += "u1,c,4,881250951\nu2,a,1,881250952\n"
ITEMS = 'item_id,title,year\na,Heat,1995\nb,"Net, The",1995\nc,Ran,1985\nd,Unseen,2000\n'


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ROWS = LOG.split("\n", 1)[1]
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "empty log": ({"log": ""}, r"log.csv is empty. Give a file with at least one row"),
    "only a header": ({"log": "user_id,item_id\n"}, r"has columns \(user_id, item_id\) but no rows"),
    "empty items": ({"items": " \n"}, "items.csv is empty"),
    "no user": (
        {"log": LOG.replace("user_id", "who")},
        r'log has no column for user_id. Its columns: who, item_id.*columns=\{"user_id": "..."\}',
    ),
    "no title": (
        {"items": ITEMS.replace("title", "headline")},
        r'item table has no column for title. .*item_columns=\{"title": "..."\}',
    ),
    "wrong column": (
        {"columns": {"user_id": "usr"}},
        r'"usr", but the log has no such column. Did you mean "user_id"',
    ),
    "wrong field": (
        {"columns": {"usr_id": "x"}},
        r'field "usr_id", which the log does not have. Did you mean "user_id"',
    ),
    "no header": (
        {"log": "1,2,3\n4,5,6\n"},
        r"has no header and 3 columns, .* first row is 1, 2, 3. Name them: names",
    ),
    "wrong names": (
        {"log": ROWS, "names": ("user_id", "item_id")},
        r"has 4 columns, but 2 names: user_id, item_id",
    ),
    "missing ids": (
        {"log": LOG + ",a,1,881250953\nNaN,a,1,881250953\nu,null,1,881250954\n"},
        r"Of 7 rows of the log, 2 have no user id \(row 5, 6\); 1 have no item id \(row 7\).*drop_inv",
    ),
    "bad times": (
        {"log": LOG + "u1,a,5,soon\n"},
        r"Of 5 rows of the log, 1 have no timestamp that can be read \(row 5\)",
    ),
    "no time at all": ({"log": LOG.replace("88125", "x")}, "4 have no timestamp that can be read"),
    "negative times": ({"log": LOG + "u1,a,5,-7\n"}, r"1 have a negative timestamp \(row 5\)"),
    "unknown items": (
        {"log": LOG + "u1,zz,5,881250953\nu2,zz,5,881250953\nu2,yy,1,881250954\n"},
        r"2 items of the log are not in the item table \(3 interactions\), such as zz, yy.*drop_unkn",
    ),
    "missing item id": ({"items": ITEMS + ",Lost,1990\n"}, "1 of 5 rows of the item table have no item id"),
    "repeated item": (
        {"items": ITEMS + "a,Other,1990\n"},
        "1 item ids stand in more than one row .* such as a",
    ),
    "min_rating without ratings": (
        {"log": "user_id,item_id\nu,a\n", "min_rating": 3},
        "min_rating is set, but the log has no rating column",
    ),
    "nothing left": (
        {"min_rating": 9},
        r"No interaction is left \(read: 4 rows; .* rating below 9 dropped: 0 rows\). Change the option min",
    ),
    "nothing in the core": ({"user_core": 9}, "No interaction is left .* Change the option user_core"),
    "ragged rows": (
        {"log": LOG + "u1,a,5,881250949,too,many\n"},
        "cannot be read as a table: .* same number of fields",
    ),
    "broken JSON": (
        {"log": '{"user_id": 1}\n{"user', "log_name": "log.jsonl"},
        r"Line 2 of .* is no JSON .*JSONL has",
    ),
    "JSON list": ({"log": "[1]\n[2]\n", "log_name": "log.jsonl"}, "lines that are no JSON objects"),
    "broken gzip": (
        {"log": b"\x1f\x8b123", "log_name": "log.csv.gz"},
        "cannot be read: .* Copy or download it again",
    ),
    "broken Parquet": (
        {"log": b"PAR1", "log_name": "log.parquet"},
        "no readable Parquet file; it may be truncated",
    ),
    "unknown format": (
        {"log_name": "log.xlsx"},
        r'log.xlsx has the extension ".xlsx", which is not known. Formats: CSV',
    ),
    "wrong encoding": (
        {"items": ITEMS.replace("Heat", "Été").encode("latin-1"), "encoding": "UTF-8"},
        'not in the encoding "UTF-8": .* Leave encoding out',
    ),
    "unknown encoding": ({"encoding": "klingon"}, 'not in the encoding "klingon"'),
    "unknown option": ({"min_ratings": 3}, 'Import option "min_ratings" = 3: .* Options: name, noun'),
    "wrong option": ({"user_core": -1}, 'Import option "user_core" = -1: .*greater than or equal to 0'),
    "wrong type": (
        {"types": {"yeer": "number"}},
        'type is given for "yeer", which is no attribute .* Did you mean "year"',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    options, message = BAD[case]
    options = {"log_name": "log.csv", "item_name": "items.csv", "log": LOG, "items": ITEMS, **options}
    log = write(tmp_path / options.pop("log_name"), options.pop("log"))
    items = write(tmp_path / options.pop("item_name"), options.pop("items"))
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DataError, match=message) as caught:
        import_dataset(log, items, tmp_path / "out", **options)
    assert "Traceback" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_out_must_be_the_imports_own(tmp_path: Path) -> None:
    log, items = write(tmp_path / "log.csv", LOG), write(tmp_path / "items.csv", ITEMS)
    with pytest.raises(
        DataError, match=r"holds files that are not an import's \(items.csv, log.csv\).*new or empty"
    ):
        import_dataset(log, items, tmp_path)
    with pytest.raises(DataError, match="is a file; the import writes a folder"):
        import_dataset(log, items, log)
    with pytest.raises(
        DataError, match=r"There is no file .*absent.csv. Give the path of an existing file: CSV"
    ):
        import_dataset(tmp_path / "absent.csv", items, tmp_path / "out")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id,timestamp\na,b,1\n")
    (tmp_path / "items.csv").write_text("item_id,title, title\nb,B,C\n")
    with pytest.raises(DataError, match='more than one column called "title".*name of its own'):
        import_dataset(tmp_path / "log.csv", tmp_path / "items.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()
