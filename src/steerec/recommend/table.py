"""Recommenders by name, and loading one without knowing which it is."""

from __future__ import annotations

from pathlib import Path

from steerec.data.catalog import Catalog
from steerec.errors import DataError, did_you_mean
from steerec.recommend.ease import EASE
from steerec.recommend.ensemble import Ensemble
from steerec.recommend.floor import Floor
from steerec.recommend.item_knn import ItemKNN
from steerec.recommend.popularity import Popularity
from steerec.recommend.recommender import Recommender, read_card
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.recgpt import RecGPT
from steerec.recommend.star import Star


def recommender_class(name: str) -> type[Recommender]:
    """Return the class of a name.

    Raises:
        DataError: there is no such recommender.
    """
    if name not in RECOMMENDERS:
        raise DataError(
            f'There is no recommender "{name}".{did_you_mean(name, RECOMMENDERS)} '
            f"Recommenders: {', '.join(RECOMMENDERS)}."
        )
    return RECOMMENDERS[name]


def load_recommender(folder: Path, catalog: Catalog | None = None) -> Recommender:
    """Load any saved recommender.

    Args:
        folder: what `save_pretrained` wrote.
        catalog: the catalogue it was fitted on; read from the folder where None.

    Raises:
        DataError: the folder holds no recommender, or one of another catalogue.
    """
    return recommender_class(read_card(folder)["recommender"]).from_pretrained(folder, catalog)


RECOMMENDERS: dict[str, type[Recommender]] = {
    "popularity": Popularity,
    "item-knn": ItemKNN,
    "ease": EASE,
    "floor": Floor,
    "star": Star,
    "sequence": SequenceModel,
    "recgpt": RecGPT,
    "ensemble": Ensemble,
}
