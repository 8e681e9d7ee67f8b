"""Intervals over users: against the normal approximation, against exact cases, and paired."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.evaluate.interval import mean_interval, paired_difference, user_means


def test_means_are_of_users_not_of_points() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0])
    users = np.array([7, 7, 7, 2])
    assert user_means(values, users).tolist() == [0.0, 1.0]
    assert mean_interval(values, users).mean == 0.5  # the mean of points would be 0.75
    assert mean_interval(values, users).n == 2


def test_constant_values_have_an_interval_of_no_width() -> None:
    interval = mean_interval(np.full(9, 0.25))
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_the_interval_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, size=400)
    interval = mean_interval(values)
    half = 1.96 * values.std() / np.sqrt(400)  # the bootstrap's own standard error, large-sample
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)


def test_undefined_points_are_left_out() -> None:
    interval = mean_interval(np.array([1.0, np.nan, 0.0]), np.array([0, 1, 2]))
    assert (interval.mean, interval.n) == (0.5, 2)
    empty = mean_interval(np.array([np.nan]))
    assert empty.n == 0
    assert np.isnan(empty.mean)


def test_pairing_sees_what_two_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(1)
    base = rng.uniform(0, 1, size=300)
    better = base + 0.02 + rng.normal(0, 0.05, size=300)
    assert paired_difference(better, base).excludes_zero
    apart = mean_interval(better).low - mean_interval(base).high
    assert apart < 0
    assert not paired_difference(base, base).excludes_zero


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(2).normal(size=50)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
