"""steerec: recommenders that do what they are told.

Public names are loaded on first use, so that `import steerec` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steerec.control.certificate import Certificate
    from steerec.control.control import Cap, Control, Wish
    from steerec.control.forms import (
        at_least,
        at_most,
        cap,
        exactly,
        like,
        only,
        pin,
        prefer,
        share_about,
        share_at_least,
        share_at_most,
        share_less_than,
        share_more_than,
        start_with,
        where,
        without,
    )
    from steerec.control.request import Request
    from steerec.data.catalog import Catalog
    from steerec.data.importing import import_dataset
    from steerec.data.source import load_source
    from steerec.data.split import make_split
    from steerec.errors import InfeasibleRequest, RequestError, SteerecError
    from steerec.recipes.catalogue import load_recipe
    from steerec.run_config import RunConfig
    from steerec.serve.engine import Recommendation, Recommender

_FORMS = (
    "at_least",
    "at_most",
    "cap",
    "exactly",
    "like",
    "only",
    "pin",
    "prefer",
    "share_about",
    "share_at_least",
    "share_at_most",
    "share_less_than",
    "share_more_than",
    "start_with",
    "where",
    "without",
)
_PLACES = {
    "Cap": "control.control",
    "Catalog": "data.catalog",
    "Certificate": "control.certificate",
    "Control": "control.control",
    "InfeasibleRequest": "errors",
    "Recommendation": "serve.engine",
    "Recommender": "serve.engine",
    "Request": "control.request",
    "RequestError": "errors",
    "RunConfig": "run_config",
    "SteerecError": "errors",
    "Wish": "control.control",
    "import_dataset": "data.importing",
    "load_recipe": "recipes.catalogue",
    "load_source": "data.source",
    "make_split": "data.split",
    **dict.fromkeys(_FORMS, "control.forms"),
}

__all__ = [
    "Cap",
    "Catalog",
    "Certificate",
    "Control",
    "InfeasibleRequest",
    "Recommendation",
    "Recommender",
    "Request",
    "RequestError",
    "RunConfig",
    "SteerecError",
    "Wish",
    "at_least",
    "at_most",
    "cap",
    "exactly",
    "import_dataset",
    "like",
    "load_recipe",
    "load_source",
    "make_split",
    "only",
    "pin",
    "prefer",
    "share_about",
    "share_at_least",
    "share_at_most",
    "share_less_than",
    "share_more_than",
    "start_with",
    "where",
    "without",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'steerec' has no attribute {name!r}")
    value = getattr(import_module(f"steerec.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
