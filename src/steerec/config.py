"""Frozen, checked configurations, their overrides (`--set a.b=value`) and their fingerprints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

import pydantic

from steerec.errors import ConfigError, did_you_mean


class Config(pydantic.BaseModel):
    """Base of every configuration: frozen, no unknown fields, checked when it is built."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    def replace(self, **changes: Any) -> Self:
        """Return a checked copy with some fields replaced."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})


ConfigT = TypeVar("ConfigT", bound=Config)


def override(config: ConfigT, settings: Iterable[str]) -> ConfigT:
    """Apply `a.b=value` settings to a configuration; values are read as JSON, else as text.

    Args:
        config: the configuration to start from; it is not changed.
        settings: strings such as `"sft.training.learning_rate=0.001"`.

    Returns:
        A checked copy.

    Raises:
        ConfigError: a setting is malformed, names no field, or its value is not allowed.

    Example:
        >>> class Inner(Config):
        ...     size: int = 1
        >>> class Outer(Config):
        ...     inner: Inner = Inner()
        >>> override(Outer(), ["inner.size=3"]).inner.size
        3
    """
    waiting: dict[str, Any] = {}
    refused: ConfigError | None = None
    for setting in settings:
        path, value = parse_setting(setting)
        names = path.split(".")
        try:
            config = _set(config, names, value, setting)
        except ConfigError as error:
            if len(names) > 1:
                raise
            # Fields that only fit together are given one after the other: the later ones may make it right.
            refused = refused or error
            waiting[names[0]] = value
        with suppress(pydantic.ValidationError):
            config = config.replace(**waiting)
            waiting, refused = {}, None
    if refused is not None:
        raise refused
    return config


def parse_setting(setting: str) -> tuple[str, Any]:
    """Split `a.b=value` into its path and its value, read as JSON, else as text.

    Raises:
        ConfigError: there is no "=".
    """
    path, separator, text = setting.partition("=")
    if not separator:
        raise ConfigError(f'The setting "{setting}" has no "=": write it as a.b=value.')
    return path.strip(), _parse(text)


def _set(config: ConfigT, path: list[str], value: Any, setting: str) -> ConfigT:
    name, rest = path[0], path[1:]
    fields = type(config).model_fields
    if name not in fields:
        hint = did_you_mean(name, fields)
        raise ConfigError(
            f'"{setting}": {type(config).__name__} has no field "{name}".{hint} Fields: {", ".join(fields)}.'
        )
    if rest:
        inner = getattr(config, name)
        if isinstance(inner, Mapping):
            return config.replace(**{name: _set_entry(inner, rest, value, setting)})
        if not isinstance(inner, Config):
            raise ConfigError(f'"{setting}": "{name}" is a value ({inner!r}), it has no field "{rest[0]}".')
        value = _set(inner, rest, value, setting)
    try:
        return config.replace(**{name: value})
    except pydantic.ValidationError as error:
        reasons = "; ".join(problem["msg"] for problem in error.errors())
        raise ConfigError(f'"{setting}": {value!r} is not allowed here: {reasons}.') from None


def _set_entry(table: Mapping[str, Any], path: list[str], value: Any, setting: str) -> dict[str, Any]:
    """Return a table of configurations with one of them changed."""
    key, rest = path[0], path[1:]
    if key not in table:
        raise ConfigError(
            f'"{setting}": there is no entry "{key}".{did_you_mean(key, table)} Entries: {", ".join(table)}.'
        )
    entry = table[key]
    if rest and not isinstance(entry, Config):
        raise ConfigError(f'"{setting}": "{key}" is a value ({entry!r}), it has no field "{rest[0]}".')
    return {**table, key: _set(entry, rest, value, setting) if rest else value}


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def fingerprint(value: Any) -> str:
    """Return the sha256 (hex) of a value's canonical JSON; configurations are dumped first."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
