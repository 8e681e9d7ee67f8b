"""Benches that ask another Python get a stand-in for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STUB = Path(__file__).with_name("stub_parity.py")


@pytest.fixture
def parity_stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that answers as the parity environment would."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STUB}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("STEEREC_PARITY_PYTHON", str(program))
    return program


@pytest.fixture
def no_parity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No parity environment."""
    monkeypatch.setenv("STEEREC_PARITY_PYTHON", str(tmp_path / "nothing"))
