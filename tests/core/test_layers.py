"""The walls: a folder imports only folders before it and the support modules; imports stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import steerec

ROOT = Path(steerec.__file__).parent
FOLDERS = (
    "data",
    "control",
    "metrics",
    "items",
    "networks",
    "recommend",
    "instruct",
    "llm",
    "decode",
    "align",
    "understand",
    "evaluate",
    "serve",
    "recipes",
    "bench",
)
SUPPORT = {
    "errors",
    "config",
    "seeding",
    "artifacts",
    "progress",
    "optimisers",
    "loop",
    "hardware",
    "processes",
}
# Support modules stand below every folder: they import no folder. A name needed for types only is no import.
TOP = {"run", "run_config", "stages", "suite", "launch", "cli", "demo", "doctor", "__init__", "__main__"}


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("steerec.")} & (
        {*FOLDERS, *SUPPORT, *TOP}
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_folders_before_it(folder: str) -> None:
    allowed = {*FOLDERS[: FOLDERS.index(folder) + 1], *SUPPORT}
    if folder == "recipes":
        allowed.add("run_config")  # a recipe is a function that returns a RunConfig
    for path in sorted((ROOT / folder).rglob("*.py")):
        assert _imported(path) <= allowed, path.relative_to(ROOT)


def test_support_modules_import_no_folder() -> None:
    for name in SUPPORT:
        assert _imported(ROOT / f"{name}.py") <= SUPPORT, name


def test_every_folder_and_module_has_its_place() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert folders <= set(FOLDERS)
    assert modules <= SUPPORT | TOP


def test_modules_are_of_a_size_one_can_read() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in ROOT.rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long


@pytest.mark.parametrize("command", ["import steerec", "from steerec.cli import app"])
def test_importing_loads_no_heavy_library(command: str) -> None:
    heavy = "('torch', 'transformers', 'matplotlib')"
    code = f"{command}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['steerec', '--help']\n"
        "from steerec.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "recommend" in done.stdout
