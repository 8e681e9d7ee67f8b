"""The area under the ROC curve against its definition over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.metrics.auc import auc


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_is_the_share_of_pairs_in_the_right_order(points: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in points], np.float64)
    labels = np.array([label for _, label in points])
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[labels] for b in scores[~labels]]
    expected = np.mean(pairs) if pairs else np.nan
    assert auc(scores, labels) == pytest.approx(expected, nan_ok=True)


def test_does_not_depend_on_the_scale() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=100), rng.random(100) < 0.3
    assert auc(np.exp(scores), labels) == auc(scores, labels) == 1 - auc(-scores, labels)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        auc(np.zeros(3), np.ones(2, np.bool_))
