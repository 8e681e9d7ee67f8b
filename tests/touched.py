"""Run the tests of the folders that differ from the last commit, and the core tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def touched_folders() -> list[str]:
    """Return test folders whose source or tests differ from HEAD (uncommitted and untracked included)."""
    lines = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    parts = [Path(line[3:].split(" -> ")[-1]).parts for line in lines]
    names = {p[2] for p in parts if len(p) > 3 and p[:2] == ("src", "steerec")}
    names |= {p[1] for p in parts if len(p) > 2 and p[0] == "tests"}
    return sorted(str(ROOT / "tests" / name) for name in names if (ROOT / "tests" / name).is_dir())


if __name__ == "__main__":
    folders = {*touched_folders(), str(ROOT / "tests" / "core")}
    pytest = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal"]
    sys.exit(subprocess.call([*pytest, *sorted(folders)]))
