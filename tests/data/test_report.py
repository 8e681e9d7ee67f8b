import io
from pathlib import Path

from rich.console import Console

from steerec.data.import_report import ImportReport
from steerec.data.importing import read_dataset
from steerec.data.report import render_report


def test_report_shows_columns_funnel_checks_and_messages(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "uid,movieId,rating,when,ts\n1,a,5,x,881250949000\n1,b,bad,x,881250950000\n"
    )
    (tmp_path / "items.csv").write_text('movieId,title,genres,any\na,"[Net], The (1995)",X|Y,q\nb,Ran,X,q\n')
    read = read_dataset(tmp_path / "log.csv", tmp_path / "items.csv", name="mine", min_rating=2)
    console = Console(file=io.StringIO(), width=160)
    console.print(render_report(ImportReport(**read.report)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in text.splitlines()
        if line.startswith("│")
    ]
    assert ["log", "user_id", "uid", ""] in rows
    assert ["log", "timestamp", "ts", "time in ms"] in rows
    assert ["items", "categories", "genres", "categories"] in rows
    assert ["rating below 2 dropped", "1", "1", "1", "min_rating="] in rows
    assert ["tied share", "0.0%"] in [row[:2] for row in rows]
    assert ["future share", "-"] in [row[:2] for row in rows]
    assert "Such as: [Net], The (1995)." in text  # brackets are no markup
    assert "- Columns of the log that are not used: when." in text
    assert '- Item column "any" is now "any_"' in text
    assert "- rating: 1 values could not be read: null." in text
