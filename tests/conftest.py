"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real data sets, one sub-folder each with interactions.parquet and items.parquet."""
    folder = os.environ.get("STEEREC_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set STEEREC_DATA_DIR to a folder with real data sets to run this test")
    return Path(folder)


# The same examples everywhere, so that a red run can be repeated; HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("explore")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure(config: pytest.Config) -> None:
    """Use one thread per worker: two busy processes on two cores slow each other down several times."""
    del config
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM"):
        os.environ.setdefault(name, "1" if name != "TOKENIZERS_PARALLELISM" else "false")
