"""Versions of a recommender: a new one every day, the one in use named by a pointer, and a way back.

A version is a folder that is complete or absent; the pointer is replaced in one step, so a reader never meets
half a version. Going back moves the pointer only.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from steerec.artifacts import atomic_path, read_json, remove, write_json
from steerec.data.catalog import Catalog
from steerec.errors import DataError
from steerec.recommend.recommender import Recommender
from steerec.recommend.table import load_recommender

_POINTER, _FACTS = "current.json", "version.json"


class Versions:
    """A folder of versions."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; it is made when the first version is published."""
        self.folder = Path(folder)

    def publish(self, recommender: Recommender, facts: dict[str, Any] | None = None) -> str:
        """Save a recommender as the newest version, make it the current one, and return its name.

        Args:
            recommender: fitted.
            facts: what else is to be remembered of it, such as its validation metrics.
        """
        number = max((int(name[1:]) for name in self.names()), default=0) + 1
        name = f"v{number:06d}"
        with atomic_path(self.folder / name) as part:
            recommender.save_pretrained(part)
            published = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            write_json(part / _FACTS, {"version": name, "published": published, **(facts or {})})
        self._point_at(name)
        return name

    def names(self) -> list[str]:
        """Return the names of all versions, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob(f"v*/{_FACTS}"))

    @property
    def current(self) -> str:
        """The version in use.

        Raises:
            DataError: none was published.
        """
        path = self.folder / _POINTER
        if not path.is_file():
            raise DataError(f"{self.folder} holds no version of a recommender. Publish one first.")
        return str(read_json(path)["version"])

    def facts(self, name: str | None = None) -> dict[str, Any]:
        """Return what is remembered of a version; of the current one where no name is given."""
        found: dict[str, Any] = read_json(self._place(name or self.current) / _FACTS)
        return found

    def load(self, name: str | None = None, catalog: Catalog | None = None) -> Recommender:
        """Load a version; the current one where no name is given."""
        return load_recommender(self._place(name or self.current), catalog)

    def roll_back(self, name: str | None = None) -> str:
        """Make an earlier version the current one, and return its name; the later ones stay.

        Args:
            name: which; the one before the current one where None.

        Raises:
            DataError: there is no such version.
        """
        if name is None:
            earlier = [one for one in self.names() if one < self.current]
            if not earlier:
                raise DataError(f"{self.current} is the first version in {self.folder}: none is before it.")
            name = earlier[-1]
        self._place(name)
        self._point_at(name)
        return name

    def prune(self, keep: int) -> list[str]:
        """Delete the oldest versions beyond `keep`, never the current one, and return their names."""
        names = [name for name in self.names() if name != self.current]
        gone = names[: max(0, len(names) - max(keep - 1, 0))]
        for name in gone:
            remove(self._place(name))
        return gone

    def _place(self, name: str) -> Path:
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise DataError(f'{self.folder} holds no version "{name}". Versions: {known}.')
        return self.folder / name

    def _point_at(self, name: str) -> None:
        write_json(self.folder / _POINTER, {"version": name})
