"""Files that are whole or absent, and stages that are skipped when nothing they depend on has changed."""

from __future__ import annotations

import ast
import glob
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from steerec.config import canonical_json, fingerprint
from steerec.errors import DataError
from steerec.processes import agreed, alone, is_first, wait

_PENDING = "pending.json"
MANIFEST = "manifest.json"
_RECORDED = ("steerec", "torch", "transformers", "numpy", "scipy", "polars")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes `path`'s place when the block ends well.

    The temporary file or folder is removed when the block raises, so nothing half-written stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    remove(temporary)
    try:
        yield temporary
        # a folder takes no other's name while that has files
        old = _set_aside(path) if path.is_dir() and temporary.is_dir() else None
        os.replace(temporary, path)
        if old:
            shutil.rmtree(old)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there; a kill on the way leaves no half of it under its name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(_set_aside(path))
    else:
        path.unlink(missing_ok=True)


def _set_aside(folder: Path) -> Path:
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if aside.exists():  # of a killed process that had our number, as in containers all have
        shutil.rmtree(aside)
    os.replace(folder, aside)
    return aside


def _sweep(folder: Path) -> None:
    """Remove what killed processes left of a folder, and in it, under temporary names."""
    left = [*folder.parent.glob(f".{glob.escape(folder.name)}.*.old"), *folder.rglob(".*.old")]
    for path in [*left, *folder.rglob(".*.part")]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        plain = json.loads(canonical_json(value))
        temporary.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def file_sha256(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes, or of the names and bytes of all files of a folder."""
    if not Path(path).is_dir():
        return file_sha256(path)
    files = sorted(one for one in Path(path).rglob("*") if one.is_file())
    return fingerprint([[str(one.relative_to(path)), file_sha256(one)] for one in files])


class StageResult(NamedTuple):
    """A finished stage: its folder, the fingerprint that later stages depend on, and whether it ran now."""

    folder: Path
    key: str
    skipped: bool
    seconds: float


def run_stage(
    folder: Path,
    *,
    module: str | Sequence[str],
    inputs: Mapping[str, Any],
    build: Callable[[Path], None],
    together: bool = False,
) -> StageResult:
    """Run a stage, or skip it when its manifest says that nothing it depends on has changed.

    Args:
        folder: where the stage writes; files of an unfinished attempt with the same key stay there, so
            that the stage itself can resume; those of another key are removed first.
        module: the module that does the work, or several; their source and that of their steerec imports is
            in the key.
        inputs: configurations and keys of earlier stages (anything with canonical JSON).
        build: writes the stage's files into the folder.
        together: whether several processes build it, as training does; else the first does, as if alone.

    Returns:
        The stage's folder and key. The manifest is written last: a folder without one is unfinished.
    """
    modules = (module,) if isinstance(module, str) else module
    key = fingerprint({"inputs": inputs, "source": source_sha256(*modules)})
    manifest = folder / MANIFEST
    known = agreed(read_json(manifest) if manifest.is_file() else {})
    if known.get("key") == key:
        return StageResult(folder, key, True, float(known.get("seconds", 0.0)))
    if is_first():
        _make_room(folder, key)
    wait()
    start = time.monotonic()
    if together:
        build(folder)
    elif is_first():
        with alone():
            build(folder)
    wait()
    seconds = time.monotonic() - start
    if is_first():
        write_json(manifest, {"key": key, "inputs": inputs, "seconds": round(seconds, 2), **provenance()})
        (folder / _PENDING).unlink()
    wait()
    return StageResult(folder, key, False, seconds)


def _make_room(folder: Path, key: str) -> None:
    """Keep what an unfinished attempt of the same key left, remove everything else."""
    pending = folder / _PENDING
    if folder.is_dir() and not (pending.is_file() and read_json(pending).get("key") == key):
        remove(folder)
    _sweep(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(pending, {"key": key})


def adopt_stages(source: Path, folder: Path) -> None:
    """Link the finished stages of another run into a folder that lacks them.

    Whether one of them fits is decided where it would run: `run_stage` replaces it when its key differs.
    Files are hard links where the file system has them, else copies; no stage writes into a finished file.

    Args:
        source: folder of a run.
        folder: folder of the new run; made if absent.

    Raises:
        DataError: the source holds no finished stage.
    """
    finished = [path.parent for path in sorted(Path(source).glob(f"*/{MANIFEST}"))]
    if not finished:
        raise DataError(f"{source} holds no finished stage (no */{MANIFEST}). Give the folder of a run.")
    for stage in finished:
        target = Path(folder) / stage.name
        if not target.exists():
            link_tree(stage, target)


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder, whole or not at all, by hard links where the file system has them."""
    with atomic_path(target) as temporary:
        shutil.copytree(source, temporary, copy_function=_link)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def provenance() -> dict[str, Any]:
    """Return what is recorded beside a result but is no part of its key: versions, commit, machine."""
    return {
        "versions": {name: _version(name) for name in _RECORDED},
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def source_sha256(*modules: str) -> str:
    """Return one hash over the source of steerec modules and of all steerec modules they import."""
    digest = hashlib.sha256()
    for name, path in sorted(_sources(modules).items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(modules: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _source_path(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting.extend(_imports(path))
    return found


@cache
def _source_path(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


@cache
def _imports(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.startswith("steerec."))
