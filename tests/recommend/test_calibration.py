"""Scores become nats: the fitted factor is the maximum-likelihood one."""

from __future__ import annotations

import numpy as np
import pytest

from steerec.recommend.calibration import fit_scale, negative_log_likelihood, reliability


def _sample(temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(4000, 8))
    noise = rng.gumbel(size=scores.shape)
    targets = np.argmax(temperature * scores + noise, axis=1)  # draws from softmax(temperature * scores)
    return scores, targets, np.zeros(scores.shape, dtype=bool)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_recovers_the_factor_that_made_the_data(temperature: float) -> None:
    assert fit_scale(*_sample(temperature)) == pytest.approx(temperature, rel=0.08)


def test_is_a_minimum() -> None:
    scores, targets, masked = _sample(2.0)
    scale = fit_scale(scores, targets, masked)
    best = negative_log_likelihood(scores, targets, masked, scale)
    for factor in (0.9, 1.1):
        assert negative_log_likelihood(scores, targets, masked, scale * factor) > best


def test_units_of_the_scores_do_not_matter() -> None:
    scores, targets, masked = _sample(1.0)
    assert fit_scale(scores * 1e-5, targets, masked) == pytest.approx(
        1e5 * fit_scale(scores, targets, masked), rel=0.01
    )


def test_likelihood_by_hand() -> None:
    scores = np.array([[0.0, np.log(3.0), 9.0]])
    masked = np.array([[False, False, True]])
    # Open items weigh 1 and 3: the target has probability 3/4.
    assert negative_log_likelihood(scores, np.array([1]), masked) == pytest.approx(-np.log(0.75))
    assert np.isnan(negative_log_likelihood(scores, np.array([2]), masked))


def test_nothing_to_learn_keeps_one() -> None:
    targets, masked = np.array([0]), np.zeros((1, 3), dtype=bool)
    assert fit_scale(np.zeros((1, 3)), targets, masked) == 1.0
    assert fit_scale(np.zeros((0, 3)), np.zeros(0, dtype=int), np.zeros((0, 3), dtype=bool)) == 1.0
    assert fit_scale(np.array([[0.0, 1.0, 1.0]]), targets, masked) == 1.0  # worse than no information


def test_reliability_by_hand() -> None:
    """Two points over three items with probabilities .7, .2, .1 and .1, .2, .7; the targets are 0 and 1."""
    scores = np.log([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    found = reliability(scores, np.array([0, 1]), np.zeros((2, 3), bool), num_bins=9)
    # Bins end at 10^(-4 + 4 i / 9): .36 to 1 holds .7; .13 to .36 holds .2; .046 to .13 holds .1.
    assert [one.number for one in found] == [2, 2, 2]
    assert [one.predicted for one in found] == pytest.approx([0.1, 0.2, 0.7])
    assert [one.observed for one in found] == pytest.approx([0.0, 0.5, 0.5])


def test_reliability_leaves_out_what_cannot_come_next() -> None:
    masked = np.array([[False, False, True]])
    found = reliability(np.zeros((1, 3)), np.array([0]), masked)
    assert [(one.predicted, one.observed, one.number) for one in found] == [(0.5, 0.5, 2)]


def test_samples_of_a_model_are_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20_000, 6)) * 2
    probs = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    targets = (probs.cumsum(1) > rng.random((20_000, 1))).argmax(1)
    for one in reliability(scores, targets, np.zeros(scores.shape, bool)):
        if one.number > 500:
            assert one.observed == pytest.approx(one.predicted, rel=0.25, abs=0.002)
