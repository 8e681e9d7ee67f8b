"""The one interface of every recommender: fit, scores, recommend, similar, save, load.

Legend: `B` requests (one history each), `N` items, `K` length of a list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from steerec.artifacts import atomic_path, read_json, write_json
from steerec.config import Config
from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError, NotFittedError, RequestError
from steerec.recommend.calibration import fit_scale
from steerec.recommend.validation import Validation

if TYPE_CHECKING:
    from steerec.control.request import Request

History = Sequence[int] | NDArray[np.integer[Any]]
Arrays = dict[str, NDArray[Any]]

CARD, TENSORS = "recommender.json", "recommender.safetensors"
_CHUNK = 512
_CALIBRATION_POINTS = 2000


class Recommender(ABC):
    """Base of all recommenders; a subclass writes `_fit`, `_scores`, `_state` and `_restore`.

    Attributes:
        name: key in `RECOMMENDERS` and row name in tables.
        config_type: class of its configuration; its defaults are the searched settings.
        config: the configuration in use.
        scale: factor that turns raw scores into nats, fitted on validation.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[Config]]

    def __init__(self, config: Config | None = None) -> None:
        self.config = self.config_type() if config is None else config
        if not isinstance(self.config, self.config_type):
            raise TypeError(f"{type(self).__name__} takes a {self.config_type.__name__}, got {config!r}.")
        self.scale = 1.0
        self._catalog: Catalog | None = None
        self._popularity = np.zeros(0, dtype=np.float32)

    # What a subclass writes ---------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, split: Split, folder: Path | None) -> None:
        """Learn from `split.train`; settings may be chosen on `split.points("valid")`."""

    @abstractmethod
    def _scores(self, histories: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return raw scores (B, N) of non-empty histories."""

    def _scores_at(
        self, histories: list[NDArray[np.int64]], times: list[NDArray[np.int64]] | None
    ) -> NDArray[np.float32]:
        """Return raw scores (B, N) where moments may be known; most recommenders do not look at them."""
        del times
        return self._scores(histories)

    @abstractmethod
    def _state(self) -> Arrays:
        """Return every learned array, by name."""

    @abstractmethod
    def _restore(self, state: Arrays, settings: dict[str, Any]) -> None:
        """Take back what `_state` and `settings` returned."""

    @property
    def settings(self) -> dict[str, Any]:
        """What was chosen on validation, by name; empty where nothing is."""
        return {}

    # Fitting and scoring ------------------------------------------------------------------------------

    @property
    def catalog(self) -> Catalog:
        """The catalogue it was fitted on.

        Raises:
            NotFittedError: it was not fitted.
        """
        if self._catalog is None:
            raise NotFittedError(
                f"{type(self).__name__} is not fitted: call fit(split), or load a saved one."
            )
        return self._catalog

    @property
    def is_fitted(self) -> bool:
        """Whether it was fitted or loaded."""
        return self._catalog is not None

    def unfitted(self) -> Self:
        """Return a recommender of the same class and configuration that has learned nothing."""
        return type(self)(self.config)

    def fit(self, split: Split, folder: Path | None = None) -> Self:
        """Fit on the training part; settings and the scale of the scores are chosen on validation.

        Args:
            split: the split; test points are never looked at, validation items are no training data.
            folder: where training keeps its log and checkpoints, and goes on from the last one if it was
                killed; a temporary folder where None.

        Raises:
            DataError: the training part has no interactions.
        """
        if not any(len(sequence) for sequence in split.train):
            raise DataError(
                f"The training part of the {split.name} split has no interactions: nothing to fit."
            )
        counts = np.bincount(np.concatenate(split.train), minlength=len(split.catalog))
        self._popularity = np.log(counts + 0.5).astype(np.float32)  # (N,)
        self._catalog, self.scale = split.catalog, 1.0
        self._fit(split, folder)
        self._calibrate(Validation.of(split, limit=_CALIBRATION_POINTS))
        return self

    def fit_partial(self, split: Split, *, since: int | None = None, folder: Path | None = None) -> Self:
        """Learn from a longer log, maybe of a larger catalogue; closed forms are fitted anew.

        Args:
            split: the log as it is now.
            since: seconds; interactions at or after it are new. A model that goes on from its weights learns
                from those only; None: from all.
            folder: see `fit`.

        Raises:
            DataError: `since` is given, and the log has no timestamps or nothing new.
        """
        del since
        return self.fit(split, folder)

    def _calibrate(self, validation: Validation) -> None:
        if validation:
            scores = self.scores(validation.histories, validation.times)
            self.scale = fit_scale(scores, validation.targets, validation.masked)

    def scores(
        self, histories: Sequence[History], times: Sequence[History] | None = None
    ) -> NDArray[np.float32]:
        """Score the whole catalogue for each history; the history itself is not masked.

        Scores are in nats: their softmax estimates the probability of the next item. An empty history gets
        the log popularity of the training data.

        Args:
            histories: B sequences of item indices, oldest first; the whole stored history.
            times: seconds of the interactions, as many for each history; None where they are not known.

        Returns:
            Float32 (B, N), finite.

        Raises:
            NotFittedError: it was not fitted.
            RequestError: a history names an index outside the catalogue.
        """
        num_items = len(self.catalog)
        arrays = [_checked(history, num_items) for history in histories]
        moments = None if times is None else [np.asarray(one, dtype=np.int64) for one in times]
        scores: NDArray[np.float32] = np.tile(self._popularity, (len(arrays), 1))  # (B, N)
        filled = [row for row, history in enumerate(arrays) if len(history)]
        for rows in _chunks(filled):
            there = None if moments is None else [moments[row] for row in rows]
            found = self._scores_at([arrays[row] for row in rows], there)
            scores[rows] = found * np.float32(self.scale)
        return scores

    # Recommending -------------------------------------------------------------------------------------

    @overload
    def recommend(self, histories: History, requests: Request) -> list[int]: ...
    @overload
    def recommend(self, histories: Sequence[History], requests: Sequence[Request]) -> list[list[int]]: ...
    def recommend(self, histories: Any, requests: Any) -> list[list[int]] | list[int]:
        """Return the best lists that obey the requests: the exact optimum of the summed scores.

        Args:
            histories: B histories, or one history when `requests` is a single request.
            requests: B requests, or one.

        Returns:
            B lists of item indices, best first; for a single request one list.

        Raises:
            InfeasibleRequest: no list satisfies a request.
            ValueError: histories and requests differ in number.
        """
        from steerec.control.request import Request

        if isinstance(requests, Request):
            return self._recommend([histories], [requests])[0]
        if len(histories) != len(requests):
            raise ValueError(
                f"One history per request: got {len(histories)} histories, {len(requests)} requests."
            )
        lists: list[list[int]] = []
        for rows in _chunks(range(len(requests))):
            lists += self._recommend([histories[row] for row in rows], [requests[row] for row in rows])
        return lists

    def _recommend(self, histories: Sequence[History], requests: Sequence[Request]) -> list[list[int]]:
        from steerec.control.optimum import best_list
        from steerec.control.request import compile_request, wishes

        lists = []
        for history, request, scores in zip(histories, requests, self.scores(histories), strict=True):
            problem = compile_request(request, self.catalog, [int(item) for item in history])
            lists.append([int(item) for item in best_list(problem, scores + wishes(request, self.catalog))])
        return lists

    def similar(self, item: int, k: int = 10) -> list[tuple[int, float]]:
        """Return the k items most like an item, best first, with their scores; the item itself is left out.

        By default these are the best items for a history of that one item; ties by lower index.

        Args:
            item: item index.
            k: number of items.
        """
        return nearest(self._similarity(int(_checked([item], len(self.catalog))[0])), item, k)

    def _similarity(self, item: int) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self.scores([[item]])[0]
        return scores

    # Saving and loading -------------------------------------------------------------------------------

    def save_pretrained(self, folder: Path) -> None:
        """Write the catalogue, `recommender.json` and `recommender.safetensors` into a folder.

        Raises:
            NotFittedError: it was not fitted.
        """
        folder = Path(folder)
        self.catalog.save(folder)
        self._save(folder)

    def _save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {"popularity": self._popularity} | self._state()
        with atomic_path(folder / TENSORS) as temporary:
            save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, temporary)
        card = {
            "schema": 1,
            "recommender": self.name,
            "config": self.config,
            "settings": self.settings,
            "scale": self.scale,
            "catalogue_sha256": self.catalog.sha256,
        }
        write_json(folder / CARD, card)

    @classmethod
    def from_pretrained(cls, folder: Path, catalog: Catalog | None = None) -> Self:
        """Read what `save_pretrained` wrote.

        Args:
            folder: the folder.
            catalog: the catalogue it was fitted on; read from the folder where None.

        Raises:
            DataError: the folder holds no recommender, one of another class, or one of another catalogue.
        """
        folder = Path(folder)
        card = read_card(folder)
        if card["recommender"] != cls.name:
            raise DataError(
                f'{folder} holds a "{card["recommender"]}", not a "{cls.name}". Use load_recommender(folder).'
            )
        catalog = Catalog.load(folder) if catalog is None else catalog
        if catalog.sha256 != card["catalogue_sha256"]:
            raise DataError(
                f"The recommender in {folder} was fitted on catalogue {card['catalogue_sha256'][:12]}, the "
                f"one given is {catalog.sha256[:12]}: item indices would not agree. Fit it again."
            )
        recommender = cls(cls.config_type.model_validate(card["config"]))
        recommender._catalog, recommender.scale = catalog, float(card["scale"])
        state = load_file(folder / TENSORS)
        recommender._popularity = state.pop("popularity")
        recommender._load(folder, state, card["settings"])
        return recommender

    def _load(self, folder: Path, state: Arrays, settings: dict[str, Any]) -> None:
        del folder  # only a recommender made of others keeps more than tensors
        self._restore(state, settings)


def read_card(folder: Path) -> dict[str, Any]:
    """Read `recommender.json`.

    Raises:
        DataError: there is none.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise DataError(f"{folder} holds no recommender: it has no {CARD}. Save one with save_pretrained.")
    card: dict[str, Any] = read_json(path)
    return card


def nearest(similarity: NDArray[np.floating], item: int, k: int) -> list[tuple[int, float]]:
    """Return the k best (index, score) of (N,) similarities without `item`; ties by lower index."""
    order = np.argsort(-similarity, kind="stable")
    return [(int(i), float(similarity[i])) for i in order[order != item][:k]]


def _checked(history: History, num_items: int) -> NDArray[np.int64]:
    items = np.asarray(history, dtype=np.int64).reshape(-1)
    if len(items) and not 0 <= items.min() <= items.max() < num_items:
        wrong = int(items[(items < 0) | (items >= num_items)][0])
        raise RequestError(
            f"A history holds the item index {wrong}; indices of this catalogue are 0 to {num_items - 1}. "
            "Item ids become indices with catalog.index(item_id)."
        )
    return items


def _chunks(rows: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(rows), _CHUNK):
        yield list(rows[start : start + _CHUNK])
