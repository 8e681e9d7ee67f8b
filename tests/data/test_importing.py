import gzip
import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steerec.data.columns import store
from steerec.data.dataset import Dataset
from steerec.data.filter import frequent_labels
from steerec.data.import_report import ImportReport
from steerec.data.importing import clean_ids, import_dataset, read_dataset
from steerec.errors import DataError

LOG = "user_id,item_id,rating,timestamp\nu1,a,5,881250949\nu1,b,3,881250950\n"
LOG += "u1,c,4,881250951\nu2,a,1,881250952\n"
ITEMS = 'item_id,title,year\na,Heat,1995\nb,"Net, The",1995\nc,Ran,1985\nd,Unseen,2000\n'


class Files:
    """Writes the two files of an import and runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, log: str | bytes = LOG, items: str | bytes | None = ITEMS, **options: Any) -> Dataset:
        log_name, item_name = options.pop("log_name", "log.csv"), options.pop("item_name", "items.csv")
        item_path = None if items is None else self.write(item_name, items)
        return read_dataset(self.write(log_name, log), item_path, **options)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def report(dataset: Dataset) -> ImportReport:
    return ImportReport(**dataset.report)


def sequences(dataset: Dataset) -> list[tuple[str, str]]:
    return dataset.interactions.select("user_id", "item_id").rows()


PLAIN = [("u1", "a"), ("u1", "b"), ("u1", "c"), ("u2", "a")]
SAME = {
    "tabs": ("log.tsv", LOG.replace(",", "\t")),
    "semicolons": ("log.csv", LOG.replace(",", ";")),
    "aliases": ("log.csv", LOG.replace("user_id", "userId").replace("item_id", "movieId")),
    "byte order mark": ("log.csv", b"\xef\xbb\xbf" + LOG.encode()),
    "windows lines": ("log.csv", LOG.replace("\n", "\r\n")),
    "gzip": ("log.csv.gz", gzip.compress(LOG.encode())),
    "u.data": ("u.data", "\n".join(LOG.replace(",", "\t").split("\n")[1:])),
    "ratings.dat": ("ratings.dat", "\n".join(LOG.replace(",", "::").split("\n")[1:])),
    "recbole": (
        "x.inter",
        LOG.replace(
            "user_id,item_id,rating,timestamp", "user_id:token,item_id:token,rating:float,timestamp:float"
        ).replace(",", "\t"),
    ),
    "jsonl": (
        "log.jsonl",
        "\n".join(
            json.dumps(dict(zip(LOG.split("\n")[0].split(","), line.split(","), strict=True)))
            for line in LOG.strip().split("\n")[1:]
        ),
    ),
}


@pytest.mark.parametrize("form", SAME)
def test_every_form_of_a_log_reads_the_same(files: Files, form: str) -> None:
    name, content = SAME[form]
    read = files.read(content, log_name=name)
    assert sequences(read) == PLAIN
    assert read.interactions["rating"].to_list() == [5.0, 3.0, 4.0, 1.0]
    assert read.interactions["timestamp"].dt.epoch("s").to_list() == [881250949 + k for k in range(4)]
    assert report(read).time_unit == "s"


def test_parquet_reads_the_same(files: Files, tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": [1, 1], "item": [7.0, 8.0], "ts": [881250949000, 881250950000]})
    frame.write_parquet(tmp_path / "log.parquet")
    pl.DataFrame({"item": [7, 8], "name": ["x", "y"]}).write_parquet(tmp_path / "items.parquet")
    read = read_dataset(tmp_path / "log.parquet", tmp_path / "items.parquet")
    assert sequences(read) == [("1", "7"), ("1", "8")]
    assert report(read).time_unit == "ms"
    assert report(read).columns == {"user_id": "user", "item_id": "item", "timestamp": "ts"}
    assert report(read).item_columns == {"item_id": "item", "title": "name"}


def test_import_writes_a_dataset_that_loads_as_reported(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = import_dataset(files.write("log.csv", LOG), files.write("items.csv", ITEMS), out)
    loaded = Dataset.load(out)
    assert sequences(loaded) == PLAIN
    assert loaded.name == found.source == "out"
    assert report(loaded) == found
    assert loaded.catalog.displays == ("Heat (1995)", "The Net (1995)", "Ran (1985)", "Unseen (2000)")
    assert found.types == {"year": "number"}
    assert found.files["log.csv"] == "text (commas, UTF-8)"
    assert sorted(path.name for path in out.iterdir()) == [
        "interactions.parquet",
        "items.json",
        "items.parquet",
        "report.json",
    ]
    # A second import takes the first one's place.
    assert (
        import_dataset(tmp_path / "log.csv", tmp_path / "items.csv", out, min_rating=4).funnel[-1].rows == 2
    )
    assert Dataset.load(out).interactions.height == 2


def test_attributes_of_every_type(files: Files) -> None:
    header = "item_id,title,genres,price,added,brand,path,note,any,items,zip\n"
    rows = [
        "a,x,Comedy|Drama,$1.50,2020-01-02,Acme,A > B,,p,q,01234",
        'b,y,Drama,"$1,200.00",2020-01-03,Bolt,A,,p,q,01235',
        "c,z,(no genres listed),$3,2020-01-04,,A > C > D,,p,q,01236",
    ]
    read = files.read(items=header + "\n".join(rows))
    catalog, found = read.catalog, report(read)
    assert found.types == {
        "categories": "categories",
        "price": "number",
        "added": "date",
        "brand": "category",
        "path": "path",
        "any_": "category",
        "items_": "category",
        "zip": "category",
    }
    assert found.item_columns["categories"] == "genres"
    assert catalog.frame["categories"].to_list() == [["Comedy", "Drama"], ["Drama"], None]
    assert catalog.frame["price"].to_list() == [1.5, 1200.0, 3.0]
    assert catalog.frame["brand"].to_list() == ["Acme", "Bolt", None]
    assert catalog.frame["path"].to_list() == [["A", "B"], ["A"], ["A", "C", "D"]]
    assert catalog.frame["zip"].to_list() == ["01234", "01235", "01236"]
    assert found.messages == (
        'Item column "any" is now "any_": requests use the word "any" themselves.',
        'Item column "items" is now "items_": requests use the word "items" themselves.',
        'Item column "note" was left out: it is empty.',
    )


def test_lists_written_as_text(files: Files) -> None:
    rows = "a\tx\t['Comedy', 'Drama']\t[[Shoes & Co,Men, Women],[Other]]\n"
    rows += "b\ty\t[]\t[[Hats]]\nc\tz\t['Horror']\t[[Hats]]\n"
    catalog = files.read(items="item_id\ttitle\ttags\tcategory_path\n" + rows, item_name="items.tsv").catalog
    assert catalog.frame["tags"].to_list() == [["Comedy", "Drama"], None, ["Horror"]]
    assert catalog.frame["category_path"].to_list() == [["Shoes & Co", "Men, Women"], ["Hats"], ["Hats"]]


def test_bad_years_become_null_and_are_counted(files: Files) -> None:
    rows = [f"i{k},t{k},{1950 + k}" for k in range(40)] + ["a,x,unkonwn", "b,y,V", "c,z,20010"]
    read = files.read(items="item_id,title,year\n" + "\n".join(rows), types={"year": "number"})
    assert read.catalog.columns["year"] == "number"
    assert read.catalog.frame["year"].null_count() == 3
    assert report(read).nulls == {"year": 3}


def test_the_year_is_split_off_titles_that_end_in_one(files: Files) -> None:
    read = files.read(items='movieId,title\na,Heat (1995)\nb,"Net, The (1995)"\nc,Ran\n')
    assert read.catalog.titles == ("Heat (1995)", "Net, The (1995)", "Ran")
    assert read.catalog.displays == ("Heat (1995)", "The Net (1995)", "Ran")
    assert read.catalog.frame["year"].to_list() == [1995, 1995, None]
    assert read.catalog.noun == "films"
    assert report(read).messages == ('2 of 3 titles end in a year: it is now the number column "year" too.',)


def test_recbole_items(files: Files) -> None:
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tmass:float\n"
    rows = 'a\tThe "Big" Heat\t1953\tCrime Drama\t1.5\nb\tRan\t1985\tWar\tx\nc\tX\t1990\tWar Drama\t2\n'
    read = files.read(items=header + rows, item_name="x.item")
    assert read.catalog.titles == ('The "Big" Heat', "Ran", "X")
    assert read.catalog.frame["categories"].to_list() == [["Crime", "Drama"], ["War"], ["War", "Drama"]]
    assert read.catalog.frame["mass"].to_list() == [1.5, None, 2.0]
    assert report(read).nulls == {"mass": 1}


def test_latin_1_is_read_and_said(files: Files) -> None:
    read = files.read(items="item_id,title\na,Misérables\nb,y\nc,z\n".encode("latin-1"))
    assert read.catalog.titles[0] == "Misérables"
    assert report(read).messages == ("items.csv is not UTF-8: it was read as Latin-1.",)


def test_u_item_is_read_like_the_source(files: Files) -> None:
    flags = "|".join("1" if k in (5, 8) else "0" for k in range(19))
    lines = f"a|Net, The (1995)|01-Jan-1995||http://x|{flags}\nb|unknown||||{flags}\n"
    lines += f"c|Mépris (1963)|x||y|{flags}\n"
    read = files.read(items=lines.encode("latin-1"), item_name="u.item")
    assert read.catalog.titles == ("Net, The", "unknown", "Mépris")
    assert read.catalog.frame["year"].to_list() == [1995, None, 1963]
    assert read.catalog.frame["categories"].to_list() == [["Comedy", "Drama"]] * 3


def test_without_an_item_table_items_are_what_the_log_names(files: Files) -> None:
    read = files.read("user,item,title\nu,a,Heat\nu,b,Ran\n", items=None)
    assert read.catalog.titles == ("Heat", "Ran")
    assert "neither time nor position" in report(read).messages[0]
    assert read.interactions["position"].to_list() == [0, 1]


def test_items_of_a_log_without_a_title_go_by_their_id(files: Files) -> None:
    log = "user,item,title\nu,a,\nu,b,  \nu,c,Ran\nv,c,Run\nv,a,Heat\nv,d,\n"
    read = files.read(log, items=None)
    assert dict(zip(read.catalog.item_ids, read.catalog.titles, strict=True)) == {
        "a": "Heat",  # named somewhere
        "b": "b",
        "c": "Ran",  # the first of two names
        "d": "d",
    }
    assert sequences(read) == [("u", "a"), ("u", "b"), ("u", "c"), ("v", "c"), ("v", "a"), ("v", "d")]


def test_a_column_in_the_place_of_another_moves_aside(files: Files) -> None:
    table = "item_id,title,name\na,Short,Heat\nb,Brief,Ran\nc,Terse,Net\n"
    read = files.read(items=table, item_columns={"title": "name"})
    assert read.catalog.titles == ("Heat", "Ran", "Net")
    assert read.catalog.frame["title_"].to_list() == ["Short", "Brief", "Terse"]
    assert report(read).messages == (
        'Item column "title" is now "title_": the title is taken from the column "name".',
    )
    years = files.read(items="item_id,title,Year,year\na,Heat,1995,1\nb,Ran,1985,2\nc,Net,1995,3\n")
    assert years.catalog.frame["year"].to_list() == [1995, 1985, 1995]
    assert years.catalog.frame["year_"].to_list() == [1, 2, 3]
    swapped = files.read(
        items="item_id,title,name\na,x,Heat\nb,y,Ran\nc,z,Net\n",
        log=LOG.replace(",a,", ",x,").replace(",b,", ",y,").replace(",c,", ",z,"),
        item_columns={"title": "name", "item_id": "title"},
    )
    assert swapped.catalog.item_ids == ("x", "y", "z")
    assert swapped.catalog.frame["item_id_"].to_list() == ["a", "b", "c"]


def test_whole_numbers_beyond_64_bits_are_read(files: Files) -> None:
    read = files.read(items="item_id,title,mass\na,Heat,1e20\nb,Ran,2\nc,Net,-1e19\n")
    assert read.catalog.frame["mass"].to_list() == [1e20, 2.0, -1e19]
    huge = pl.Series("mass", [2**64 - 1, 2], dtype=pl.UInt64)
    assert store(huge, "number").to_list() == [2.0**64, 2.0]
    assert store(pl.Series("mass", [2.0**62]), "number").to_list() == [2**62]


def test_untitled_and_repeated_items(files: Files) -> None:
    read = files.read(items="item_id,title\na,\nb,y\nb,y\nc,z\n")
    assert read.catalog.titles == ("a", "y", "z")
    assert report(read).messages == (
        "1 rows of the item table repeat another: left out.",
        "1 items have no title: their id stands in for it.",
    )


def test_funnel_names_each_filter_and_its_option(files: Files) -> None:
    log = LOG + "u1,a,2,881250999\n,a,5,881250952\nu2,zzz,5,881250953\nu3,b,,881250954\n"
    found = report(
        files.read(
            log, drop_invalid=True, drop_unknown_items=True, min_rating=2, duplicates="last", user_core=2
        )
    )
    assert [(step.step, step.rows, step.users, step.items, step.option) for step in found.funnel] == [
        ("read", 8, 3, 4, ""),
        ("rows without id or time dropped", 7, 3, 4, "drop_invalid="),
        ("unknown items dropped", 6, 3, 3, "drop_unknown_items="),
        ("rating below 2 dropped", 4, 1, 3, "min_rating="),
        ("only the last of (user, item)", 3, 1, 3, "duplicates="),
        ("core: users 2, items 0 (0 rounds)", 3, 1, 3, "user_core= item_core="),
    ]


def test_duplicates_keep_first_or_last_in_time_and_file_order(files: Files) -> None:
    log = "user_id,item_id,timestamp\nu,a,30\nu,b,20\nu,a,10\nu,c,40\nu,b,20\n"
    assert sequences(files.read(log)) == [("u", item) for item in "abacb"]
    assert sequences(files.read(log, duplicates="first")) == [("u", item) for item in "bac"]
    assert sequences(files.read(log, duplicates="last")) == [("u", item) for item in "acb"]


def test_the_same_users_are_kept_in_every_order_of_the_file(files: Files) -> None:
    rows = [f"u{n},a,{n}\n" for n in range(20)]
    head = "user_id,item_id,timestamp\n"
    kept = {user for user, _ in sequences(files.read(head + "".join(rows), num_users=5))}
    assert len(kept) == 5
    assert {user for user, _ in sequences(files.read(head + "".join(reversed(rows)), num_users=5))} == kept
    by_hash = sorted((f"u{n}" for n in range(20)), key=lambda user: sha256(user.encode()).hexdigest())
    assert kept == set(by_hash[:5])


def test_rare_labels_are_dropped_before_anything_else() -> None:
    items = pl.DataFrame(
        {"item_id": ["a", "b", "c"], "tags": [["x", "y"], ["x", "x"], None], "title": ["A", "B", "C"]}
    )
    assert frequent_labels(items, 2)["tags"].to_list() == [["x"], ["x", "x"], None], "once an item"
    assert frequent_labels(items, 3)["tags"].to_list() == [[], [], None]
    assert frequent_labels(items, 1).equals(items)


def test_only_items_in_log(files: Files) -> None:
    assert files.read(only_items_in_log=True).catalog.item_ids == ("a", "b", "c")
    assert report(files.read()).integrity.cold_items == 1


def test_unreadable_ratings_are_null_and_counted(files: Files) -> None:
    read = files.read(LOG.replace("a,5", "a,five"))
    assert read.interactions["rating"].to_list() == [None, 3.0, 4.0, 1.0]
    assert report(read).nulls == {"rating": 1}


def test_ids() -> None:
    assert clean_ids(pl.Series([1.0, 2.0])).to_list() == ["1", "2"]
    assert clean_ids(pl.Series(["1.0", "2.0", None])).to_list() == ["1", "2", None]
    assert clean_ids(pl.Series([1.5, float("nan")])).to_list() == ["1.5", None]
    assert clean_ids(pl.Series([1.0, float("nan")])).to_list() == ["1", None]
    assert clean_ids(pl.Series([" 007 ", "NaN", ""])).to_list() == ["007", None, None]


FUZZ = st.text("uitem_id,tlrag123\n\t|:\"'é\0[]{}- ", max_size=80)


@settings(max_examples=60, deadline=None)
@given(
    log=FUZZ,
    items=FUZZ,
    name=st.sampled_from(["x.csv", "x.inter", "u.data", "x.dat", "x.jsonl", "u.item", "x.parquet"]),
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, log: str, items: str, name: str
) -> None:
    files = Files(tmp_path_factory.mktemp("fuzz"))
    for log_text, item_text in (
        (log, ITEMS),
        (LOG, items),
        ("user_id,item_id\n" + log, "item_id,title\n" + items),
    ):
        with suppress(DataError):
            files.read(log_text, items=item_text, item_name=name, drop_unknown_items=True)
        with suppress(DataError):
            files.read(log_text, items=None, log_name=name, drop_invalid=True)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6)
        ),
        min_size=1,
    )
)
def test_titles_survive_a_csv(tmp_path_factory: pytest.TempPathFactory, titles: list[tuple[str]]) -> None:
    folder = tmp_path_factory.mktemp("csv")
    names = [f"x{title}" for (title,) in titles]
    frame = pl.DataFrame({"item_id": [f"i{k}" for k in range(len(names))], "title": names})
    frame.write_csv(folder / "items.csv", quote_style="always")
    (folder / "log.csv").write_text("user_id,item_id\nu,i0\n")
    assert list(read_dataset(folder / "log.csv", folder / "items.csv").catalog.titles) == names
