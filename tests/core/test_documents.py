"""The README says what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_file_map_names_what_exists_and_misses_no_folder() -> None:
    table = README.split("<!-- file map")[1].split("## Contributing")[0]
    named = re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)
    assert all((ROOT / name).exists() for name in named), [n for n in named if not (ROOT / n).exists()]
    folders = {
        f"src/steerec/{p.name}/"
        for p in (ROOT / "src" / "steerec").iterdir()
        if (p / "__init__.py").is_file()
    }
    assert folders <= set(named)


def test_the_two_commands_come_first_and_exist() -> None:
    block = README.split("```sh")[1].split("```")[0]
    commands = [line.split("#")[0].strip() for line in block.strip().splitlines()]
    assert commands == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test", "check", "quick", "test-slow"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_links_in_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = document.read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
