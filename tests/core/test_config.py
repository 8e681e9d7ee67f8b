"""Frozen configurations, overrides with good messages, stable fingerprints."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest

from steerec.config import Config, fingerprint, override
from steerec.errors import ConfigError, did_you_mean
from steerec.seeding import derive_seed, numpy_rng


class _Inner(Config):
    learning_rate: pydantic.PositiveFloat = 0.1
    name: str = "x"


class _Outer(Config):
    inner: _Inner = _Inner()
    steps: int = 3
    sizes: tuple[int, ...] = (1, 2)
    named: dict[str, _Inner] = {"a": _Inner()}  # noqa: RUF012  (pydantic copies defaults)


def test_overrides_reach_nested_fields_and_leave_the_original_alone() -> None:
    start = _Outer()
    changed = override(start, ["inner.learning_rate=0.5", "steps=7", "sizes=[4]", "inner.name=a=b"])
    assert (changed.inner.learning_rate, changed.steps, changed.sizes) == (0.5, 7, (4,))
    assert changed.inner.name == "a=b"
    named = override(start, ["named.a.learning_rate=2", "named.a.name=y"]).named
    assert named == {"a": _Inner(learning_rate=2, name="y")}
    assert start == _Outer()


class _Both(Config):
    first: int | None = 1
    second: int | None = 2
    steps: int = 3

    @pydantic.model_validator(mode="after")
    def _check(self) -> _Both:
        if (self.first is None) != (self.second is None):
            raise ValueError("give both, or neither")
        return self


def test_overrides_that_only_fit_together_are_taken_together() -> None:
    assert override(_Both(), ["first=null", "steps=5", "second=null"]) == _Both(
        first=None, second=None, steps=5
    )
    with pytest.raises(ConfigError, match="first=null.*give both, or neither"):
        override(_Both(), ["first=null", "steps=5"])
    with pytest.raises(ConfigError, match="not allowed here"):
        override(_Both(), ["steps=many", "steps=5"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps", 'no "="'),
        ("inner.learning_rat=1", 'no field "learning_rat".*Did you mean "learning_rate".*Fields'),
        ("steps.x=1", "it has no field"),
        ("named.b.name=x", 'no entry "b".*Entries: a'),
        ("named.a.nam=x", 'no field "nam".*Did you mean "name"'),
        ("inner.learning_rate=-1", "greater than 0"),
        ("steps=many", "not allowed here"),
    ],
)
def test_a_bad_override_says_what_to_do(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(_Outer(), [setting])


def test_configurations_are_frozen_and_closed() -> None:
    with pytest.raises(pydantic.ValidationError):
        _Outer().steps = 4  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError):
        _Outer(stepz=4)  # type: ignore[call-arg]


def test_fingerprints_follow_content_not_order_or_type() -> None:
    assert fingerprint({"a": 1, "b": Path("x")}) == fingerprint({"b": "x", "a": 1})
    assert fingerprint(_Outer()) != fingerprint(_Outer(steps=4))


def test_seeds_depend_on_every_part() -> None:
    seeds = {derive_seed(0, "a", 1), derive_seed(0, "a", 2), derive_seed(1, "a", 1), derive_seed(0, "a1")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert numpy_rng(3, "x").integers(1 << 30) == numpy_rng(3, "x").integers(1 << 30)


def test_did_you_mean_is_silent_when_nothing_is_near() -> None:
    assert did_you_mean("horor", ["Horror", "Drama"]) == ' Did you mean "Horror"?'
    assert did_you_mean("zzz", ["Horror", "Drama"]) == ""
