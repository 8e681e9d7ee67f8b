"""The base of every part of a request: frozen, strict, with errors in sentences and exact JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pydantic
from pydantic import SerializerFunctionWrapHandler, model_serializer

from steerec.config import Config
from steerec.errors import RequestError, did_you_mean


class RequestPart(Config):
    """A piece of a request. Raises RequestError, in one sentence, where pydantic would list problems."""

    def __init__(self, /, **data: Any) -> None:
        known = type(self).model_fields
        for name in data:
            if name not in known:
                raise RequestError(
                    f'A {type(self).__name__.lower()} has no field "{name}".{did_you_mean(name, known)}'
                    f" Fields: {', '.join(known)}."
                )
        try:
            super().__init__(**data)
        except pydantic.ValidationError as error:
            raise RequestError(sentence(error)) from None

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write only what was said."""
        return {name: value for name, value in handler(self).items() if value is not None}


def sentence(error: pydantic.ValidationError) -> str:
    """Return pydantic's problems as one line, each with its place."""
    lines = []
    for problem in error.errors(include_url=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ").rstrip(".")
        if problem["type"] == "missing":
            message = "is missing"
        elif problem["type"] != "value_error":
            message += f", and got {problem['input']!r:.80}"
        lines.append(f"{place.lstrip('.')}: {message}." if place else f"{message}.")
    return " ".join(lines)


def read_json_exactly(text: str | bytes) -> Any:
    """Read JSON with numbers that are not whole as Decimal, so that 0.3 is three tenths.

    Raises:
        RequestError: the text is no JSON, repeats a key in one object, or holds NaN or Infinity.
    """
    try:
        return json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_distinct_keys
        )
    except json.JSONDecodeError as error:
        raise RequestError(
            f"The text is no JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise RequestError("The JSON nests too deeply to be a request.") from None
    except RequestError:
        raise
    except ValueError as error:  # bytes that are no UTF-8, integers of thousands of digits
        raise RequestError(f"The text is no JSON that can be read: {error}.") from None


def _no_constant(name: str) -> Any:
    raise RequestError(f"The JSON holds {name}, which is no number.")


def _distinct_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f'The JSON has the key "{twice}" twice in one object; only one can count.')
    return read


def only_whole(least: int) -> Callable[[object], object]:
    """Return a validator of whole numbers from `least` up: no booleans, no strings, no fractions."""

    def check(value: object) -> object:
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
            return value
        raise RequestError(f"a whole number from {least} up is needed, and got {value!r:.40}")

    return check
