"""The command line as people meet it: what it prints, one clear message on an error, exit statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from steerec import cli
from steerec.cli import main
from steerec.data.split import Split
from steerec.data.synthetic import make_world


class Done(NamedTuple):
    code: int
    out: str
    err: str


Steerec = Callable[..., Done]


@pytest.fixture
def steerec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Steerec:
    """Run `steerec ARGUMENTS` through `main`, as the installed command does."""

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr("sys.argv", ["steerec", *map(str, arguments)])
        code = 0
        capsys.readouterr()
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def refused(done: Done, *words: str) -> None:
    """The command ended with one message of one line on stderr, and nothing else."""
    assert done.code == 1, done
    assert done.out == ""
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], (word, lines[0])


# data import ------------------------------------------------------------------------------------------

LOG = "user_id,item_id,rating,timestamp\nu1,a,5,881250949\nu1,b,3,881250950\n"
LOG += "u1,c,4,881250951\nu2,a,1,881250952\n"
ITEMS = 'item_id,title,year,genres\na,Heat,1995,Crime\nb,"Net, The",1995,Crime|Drama\nc,Ran,1985,Drama\n'


def test_import_and_report(steerec: Steerec, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text(ITEMS)
    done = steerec("data", "import", tmp_path / "log.csv", tmp_path / "items.csv", "--out", tmp_path / "mine")
    assert done.code == 0, done
    assert done.err == ""
    assert "timestamp" in done.out
    assert "genres" in done.out
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "interactions.parquet",
        "items.json",
        "items.parquet",
        "report.json",
    ]
    items = pl.read_parquet(tmp_path / "mine" / "items.parquet")
    assert items["categories"].to_list() == [["Crime"], ["Crime", "Drama"], ["Drama"]]
    report = steerec("data", "report", tmp_path / "mine")
    assert report.code == 0
    assert "Integrity" in report.out


BAD: dict[str, tuple[str | bytes, str | bytes, list[str]]] = {
    "missing user column": (
        LOG.replace("user_id", "customer"),
        ITEMS,
        [
            "The log has no column for user_id. Its columns: customer, item_id",
            """--set columns='{"user_id": "..."}'""",
        ],
    ),
    "missing title column": (
        LOG,
        ITEMS.replace("title", "headline"),
        ["item table has no column for title", """--set item_columns='{"title": "..."}'"""],
    ),
    "unparsable times": (LOG + "u1,a,5,soon\n", ITEMS, ["no timestamp that can be read (row 5)"]),
    "negative times": (LOG + "u1,a,5,-7\n", ITEMS, ["1 have a negative timestamp (row 5)"]),
    "no ids": (
        LOG + "NaN,a,5,881250949\nu1,,5,881250949\n",
        ITEMS,
        ["1 have no user id (row 5)", "1 have no item id (row 6)", "--set drop_invalid=true"],
    ),
    "item not in the table": (
        LOG + "u1,zz,5,881250949\n",
        ITEMS,
        ["1 items of the log are not in the item table", "such as zz", "--set drop_unknown_items=true"],
    ),
    "no item id": (LOG, ITEMS + ",Lost,1990,Drama\n", ["1 of 4 rows of the item table have no item id"]),
    "repeated item": (
        LOG,
        ITEMS + "a,Other,1990,Drama\n",
        ["stand in more than one row", """--set repeated_items='"first"'"""],
    ),
    "empty log": ("", ITEMS, ["log.csv is empty. Give a file with at least one row."]),
    "header only": ("user_id,item_id\n", ITEMS, ["columns (user_id, item_id) but no rows"]),
    "no header": ("1,2,3\n4,5,6\n", ITEMS, ["no header and 3 columns", "--set names='[...]'"]),
    "ragged rows": (LOG + "u1,a,5,1,2,3\n", ITEMS, ["cannot be read as a table", "--set separator=VALUE"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_import_is_one_message_and_leaves_nothing(steerec: Steerec, tmp_path: Path, case: str) -> None:
    log, items, words = BAD[case]
    for name, content in (("log.csv", log), ("items.csv", items)):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    done = steerec("data", "import", tmp_path / "log.csv", tmp_path / "items.csv", "--out", tmp_path / "mine")
    refused(done, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv", "log.csv"]


def test_a_truncated_parquet(steerec: Steerec, tmp_path: Path) -> None:
    whole = tmp_path / "log.parquet"
    make_world(num_users=5, num_items=24).interactions.write_parquet(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "items.csv").write_text(ITEMS)
    done = steerec("data", "import", whole, tmp_path / "items.csv", "--out", tmp_path / "mine")
    refused(done, "no readable Parquet file; it may be truncated", "Copy or download it again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv", "log.parquet"]


def test_what_the_message_advises_works(steerec: Steerec, tmp_path: Path) -> None:
    log = LOG.replace("user_id", "customer") + "u1,zz,5,881250949\nNaN,a,5,881250949\n"
    (tmp_path / "log.csv").write_text(log)
    (tmp_path / "items.csv").write_text(ITEMS + "a,Other,1990,Drama\n")
    command = ("data", "import", tmp_path / "log.csv", tmp_path / "items.csv", "--out", tmp_path / "mine")
    advised = (
        *("--set", 'columns={"user_id": "customer"}', "--set", "drop_unknown_items=true"),
        *("--set", "drop_invalid=true", "--set", 'repeated_items="first"'),
    )
    done = steerec(*command, *advised)
    assert done.code == 0, done
    assert pl.read_parquet(tmp_path / "mine" / "interactions.parquet").height == 4


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("min_ratings=3", 'Import option "min_ratings" = 3'),
        ("user_core=-1", 'Import option "user_core" = -1'),
        ("out=elsewhere", "Import option \"out\" = 'elsewhere'"),
        ("drop_invalid", 'The setting "drop_invalid" has no "="'),
    ],
)
def test_wrong_import_settings(steerec: Steerec, tmp_path: Path, setting: str, words: str) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text(ITEMS)
    command = ("data", "import", tmp_path / "log.csv", tmp_path / "items.csv", "--out", tmp_path / "mine")
    refused(steerec(*command, "--set", setting), words)
    assert not (tmp_path / "mine").exists()


def test_brackets_in_messages_survive(steerec: Steerec, tmp_path: Path) -> None:
    folder = tmp_path / "[bold]" / "[" / "x]"
    done = steerec("data", "import", folder / "log.csv", folder / "items.csv", "--out", tmp_path / "mine")
    refused(done, f"There is no file {folder / 'log.csv'}.")


def test_report_of_what_is_no_data(steerec: Steerec, tmp_path: Path) -> None:
    refused(steerec("data", "report", "ml-100"), 'There is no data source "ml-100". Did you mean "ml-100k"')
    refused(steerec("data", "report", tmp_path), "There is no file", "interactions.parquet")
    refused(steerec("data", "report", "synthetic", "--set", "users=3"), "Its options: num_users")


# recommend, eval --verify -----------------------------------------------------------------------------


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "request.json"
    path.write_text('{"count": 4, "controls": [{"where": {"categories": "Comedy"}, "share_at_least": 0.3}]}')
    return path


def test_a_list_with_its_proof(
    steerec: Steerec, run_folder: Path, split: Split, request_file: Path, tmp_path: Path
) -> None:
    seen = [split.catalog.displays[i] for i in split.train[0][:2].tolist()]
    asked = ("recommend", run_folder, "--history", seen[0], "--history", seen[1], "--request", request_file)
    card = steerec(*asked)
    assert card.code == 0, card
    assert "certificate: satisfied" in card.out
    done = steerec(*asked, "--json")
    answer = json.loads(done.out)
    assert len(answer["items"]) == 4
    assert answer["certificate"]["controls"][0]["lower"] == 2  # ceil(0.3 * 4)
    (tmp_path / "answer.json").write_text(done.out)
    verified = steerec("eval", run_folder, "--verify", tmp_path / "answer.json")
    assert (verified.code, verified.err) == (0, "")
    assert "Every certificate holds" in verified.out
    answer["certificate"]["controls"][0]["matched"] = 4
    answer["certificate"]["controls"][0]["lower"] = 4
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    caught = steerec("eval", run_folder, "--verify", tmp_path / "answer.json")
    assert caught.code == 1
    assert "certificate 0: what it says is not true of this catalogue" in caught.err


def test_reasons_are_printed_below_the_list_or_written_beside_it(
    steerec: Steerec, run_folder: Path, split: Split, request_file: Path
) -> None:
    seen = [part for i in split.train[0].tolist() for part in ("--history", split.catalog.displays[i])]
    asked = ("recommend", run_folder, *seen, "--request", request_file, "--explain")
    answer = json.loads(steerec(*asked, "--json").out)
    assert [reason["item_id"] for reason in answer["reasons"]] == [one["item_id"] for one in answer["items"]]
    printed = " ".join(steerec(*asked).out.split())
    carried = sum(bool(reason["carriers"]) for reason in answer["reasons"])
    assert f"A few items of the history carry {carried} of {len(answer['reasons'])} " in printed
    for reason in answer["reasons"]:
        assert reason["sentence"] in printed


def test_words_and_unknown_history(steerec: Steerec, run_folder: Path) -> None:
    done = steerec(
        "recommend", run_folder, "--words", "three comedies", "--history", "Gone Forever [x]", "--json"
    )
    assert done.code == 0, done
    assert len(json.loads(done.out)["items"]) == 3  # a warning leaves the JSON alone
    lines = done.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: 1 of 1 history items are left out.")
    assert "Gone Forever [x]" in lines[0]


def test_an_impossible_request_has_its_own_exit_status(
    steerec: Steerec, run_folder: Path, request_file: Path
) -> None:
    request_file.write_text(
        '{"count": 4, "controls": [{"where": {"categories": "Comedy"}, "at_least": "all"},'
        ' {"where": {"categories": "Comedy"}, "at_most": 1}]}'
    )
    done = steerec("recommend", run_folder, "--request", request_file)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("This request cannot be satisfied. In a list of 4 films,")
    assert "The nearest request that can be satisfied" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_requests_that_are_no_requests(steerec: Steerec, run_folder: Path, request_file: Path) -> None:
    asked = ("recommend", run_folder, "--request", request_file)
    refused(
        steerec(*asked, "--words", "three dramas"), "--request and --words are two ways", "give one of them"
    )
    request_file.write_text('{"count": 4, "controls": [{"where": {"categories": "Comdy"}, "at_least": 1}]}')
    refused(steerec(*asked), 'Did you mean "Comedy"?')
    request_file.write_text(
        '{"count": 4, "controls": [{"where": {"year": 1990}, "at_least": 1, "within": [3, 9]}]}'
    )
    refused(steerec(*asked), "within [3, 9] ends after position 4")
    request_file.write_text("{")
    refused(steerec(*asked), "is no JSON")
    request_file.write_bytes(b"\xff\xfe{}")
    refused(steerec(*asked), "request.json cannot be read: it is no UTF-8 text")
    request_file.unlink()
    refused(steerec(*asked), "request.json cannot be read: No such file")


def test_lists_for_users(steerec: Steerec, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id\nu1\nu2\n")
    batch = ("recommend", run_folder, "--users", tmp_path / "users.csv", "--out", tmp_path / "lists.parquet")
    done = steerec(*batch, "--words", "three comedies")
    assert done.code == 0, done
    assert "2 lists written to" in done.out
    assert pl.read_parquet(tmp_path / "lists.parquet").height == 6
    refused(
        steerec(*batch, "--history", "x"),
        "--users takes stored histories",
        "leave --history, --json, --explain and --budget out",
    )
    refused(
        steerec("recommend", run_folder, "--out", tmp_path / "x.parquet"), "give --users, or leave --out out"
    )
    (tmp_path / "users.csv").write_text("user_id\nu1x\n")
    refused(steerec(*batch), 'names the user "u1x", who is not in the log. Did you mean')


def test_a_folder_that_is_no_run(steerec: Steerec, tmp_path: Path, run_folder: Path) -> None:
    refused(steerec("recommend", tmp_path), "is not a finished run", "steerec run RECIPE")
    refused(steerec("eval", run_folder, "--verify", tmp_path / "no.json"), "no.json cannot be read as JSON")
    refused(steerec("eval", run_folder, "--verify", "a.json", "--test"), "leave --test and --json out")


# recipes ----------------------------------------------------------------------------------------------


def test_show_prints_the_configuration_and_stops(steerec: Steerec) -> None:
    done = steerec("show", "floor", "--set", "seed=7", "--set", "data.split=last_five")
    assert done.code == 0, done
    shown: dict[str, Any] = json.loads(done.out)
    assert (shown["recipe"], shown["seed"], shown["data"]["split"]) == ("floor", 7, "last_five")


def test_unknown_recipes_and_wrong_settings(steerec: Steerec) -> None:
    refused(steerec("show", "flor"), 'There is no recipe "flor". Did you mean "floor"?')
    refused(steerec("show", "nope"), 'There is no recipe "nope".', "Recipes: controllable-tiny")
    refused(steerec("show", "floor", "--set", "sed=1"), 'has no field "sed". Did you mean "seed"')
    refused(steerec("show", "floor", "--set", "seed"), 'has no "="')
    refused(steerec("show", "floor", "--set", "seed=many"), "'many' is not allowed here")
    refused(steerec("show", "floor", "--set", "seed.x=1"), '"seed" is a value (0)')
    refused(
        steerec("show", "floor", "--set", 'panel.rows=["flor"]'),
        'There is no row "flor". Did you mean "floor"',
    )


def test_stopping_says_that_nothing_is_lost(steerec: Steerec, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("steerec.recipes.catalogue.load_recipe", stop)
    done = steerec("show", "floor")
    assert done.code == 130
    assert "Finished stages are kept" in done.err


def test_options_of_python_are_said_as_settings() -> None:
    options = ["columns", "item_columns", "names", "drop_invalid", "separator"]
    said = cli._as_settings(
        'item_columns={"title": "..."}; drop_invalid=True, or give separator=. '
        "But log_names=3 and columns stay.",
        options,
    )
    assert said == (
        """--set item_columns='{"title": "..."}'; --set drop_invalid=true, or give --set separator=VALUE. """
        "But log_names=3 and columns stay."
    )


# understand -------------------------------------------------------------------------------------------


def test_what_is_understood_is_one_object_a_line(steerec: Steerec, run_folder: Path, tmp_path: Path) -> None:
    done = steerec("understand", run_folder, "three comedies", "--json")
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    record = json.loads(done.out)
    assert set(record) == {"request", "unplaced", "conflict"}
    assert record["request"]["count"] == 3
    (tmp_path / "sentences.txt").write_text("three comedies\n\n0 films\n", encoding="utf-8")
    lines = steerec("understand", run_folder, "--file", tmp_path / "sentences.txt").out.splitlines()
    records = [json.loads(line) for line in lines]
    assert records[0] == record
    assert records[1]["request"]["count"] == 10
    assert records[2]["request"] is None
    assert "A list has 1 to 1,000 films" in records[2]["conflict"]["message"]
    refused(steerec("understand", run_folder), "Give one sentence, or --file")
