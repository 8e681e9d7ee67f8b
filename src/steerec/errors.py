"""The exceptions people meet. Each message says what is wrong, what was got, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rapidfuzz import process

if TYPE_CHECKING:
    from steerec.control.conflict import Conflict, Relaxation


class SteerecError(ValueError):
    """Base of every error that a user can cause and mend."""


class ConfigError(SteerecError):
    """A configuration or a command line that cannot work."""


class DataError(SteerecError):
    """An interaction log or item table that cannot be used as it is."""


class SourceError(DataError):
    """A data or model source that cannot be reached or is not what it should be."""


class RequestError(SteerecError):
    """A request that is malformed or names something the catalogue does not have."""


class NotFittedError(SteerecError):
    """A recommender asked for scores before `fit`."""


class InfeasibleRequest(SteerecError):  # noqa: N818  (a refusal, not a fault; the name is public API)
    """A well-formed request that no list can satisfy.

    Attributes:
        conflict: the fewest controls that contradict each other.
        relaxation: the nearest request that can be satisfied.
    """

    def __init__(self, message: str, *, conflict: Conflict, relaxation: Relaxation) -> None:
        super().__init__(message)
        self.conflict = conflict
        self.relaxation = relaxation

    def as_data(self) -> dict[str, Any]:
        """Return `{"conflict": ..., "relaxation": ...}` as plain JSON values: the one shape of a refusal."""
        return {"conflict": _plain(asdict(self.conflict)), "relaxation": _plain(asdict(self.relaxation))}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def did_you_mean(name: str, choices: Iterable[str], n: int = 3) -> str:
    """Return `' Did you mean "Comedy"?'` with the nearest choices, or an empty string.

    Example:
        >>> did_you_mean("Comdy", ["Comedy", "Drama"])
        ' Did you mean "Comedy"?'
        >>> did_you_mean("xyz", ["Comedy", "Drama"])
        ''
    """
    near = process.extract(name, list(choices), limit=n, score_cutoff=70, processor=str.casefold)
    if not near:
        return ""
    return " Did you mean " + " or ".join(f'"{choice}"' for choice, _, _ in near) + "?"
