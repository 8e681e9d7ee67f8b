"""The public names: all there, all lazy, all documented."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import steerec


@pytest.mark.parametrize("name", steerec.__all__)
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    assert getattr(steerec, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recomend'"):
        steerec.recomend  # noqa: B018


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "steerec", "list", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"controllable-tiny"' in done.stdout


def test_no_two_test_files_have_one_name() -> None:
    """Without packages, pytest imports tests by their file name and refuses the second of a name."""
    names = Counter(path.name for path in Path(__file__).parent.parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
