"""Fetching public files: the cache folder, one HTTP download, one wheel from the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from steerec.artifacts import atomic_path, file_sha256
from steerec.errors import SourceError

_TIMEOUT_S = 10
_WHEEL_TIMEOUT_S = 180


def cache_dir() -> Path:
    """Return the folder of downloaded and converted data: STEEREC_CACHE, else the platform's cache folder."""
    if given := os.environ.get("STEEREC_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "steerec"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "steerec"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steerec"


def download(url: str, path: Path, *, sha256: str | None = None, timeout_s: float = _TIMEOUT_S) -> Path:
    """Fetch a file over HTTPS, whole or not at all.

    Args:
        url: where it is.
        path: where it goes.
        sha256: its expected hash (hex), checked before the file takes its place.
        timeout_s: seconds without an answer after which the download is given up.

    Raises:
        SourceError: the server cannot be reached, or sends something else.
    """
    with atomic_path(path) as temporary:
        try:
            with (
                urllib.request.urlopen(url, timeout=timeout_s) as answer,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(answer, file)
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise SourceError(
                f"{url} could not be downloaded: {reason}. Check the network, or fetch the file yourself "
                f"and put it at {path}."
            ) from None
        check_sha256(temporary, sha256, what=url)
    return path


def download_wheel(requirement: str, path: Path, *, sha256: str) -> Path:
    """Fetch one pinned wheel with pip, without its dependencies and without installing it.

    Args:
        requirement: such as "recbole==1.2.1".
        path: where the wheel goes.
        sha256: its expected hash (hex).

    Raises:
        SourceError: pip is missing or finds no such wheel, or the wheel is not the pinned one.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", folder, requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_WHEEL_TIMEOUT_S)
            problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = [str(error)]
        wheels = sorted(Path(folder).glob("*.whl"))
        if problem or not wheels:
            raise SourceError(
                f"pip could not fetch {requirement}: {problem[0] if problem else 'it found no wheel'}. "
                f"Check the package index, or put the wheel at {path}."
            )
        check_sha256(wheels[0], sha256, what=requirement)
        with atomic_path(path) as temporary:
            shutil.copyfile(wheels[0], temporary)
    return path


def check_sha256(path: Path, sha256: str | None, *, what: str) -> None:
    """Check a file's hash; None accepts any.

    Raises:
        SourceError: the hash is another.
    """
    if sha256 is None:
        return
    got = file_sha256(path)
    if got != sha256:
        raise SourceError(
            f"{what} is not the pinned file: its sha256 is {got}, it should be {sha256}. Delete it and "
            "fetch it again; if it still differs, do not use it and report it."
        )
