"""What a log says of the time left."""

from __future__ import annotations

import logging

import pytest

from steerec import progress as module
from steerec.progress import clock, progress


def test_resumed_work_says_nothing_of_the_time_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = iter([0.0, 30.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, logger="steerec"), progress("sft", total=100, done=40) as bar:
        bar.advance(10, info="loss 1.0")
    # 10 steps took 30 s, 50 are left
    assert "sft: 50 of 100 steps, 30 s elapsed, about 2 min 30 s left, loss 1.0" in caplog.text


def test_clocks_are_short() -> None:
    assert [clock(s) for s in (0.4, 75, 3700)] == ["0 s", "1 min 15 s", "1 h 01 min"]
