"""The mixture's configuration refuses what cannot work, and draws the lengths it promises."""

from __future__ import annotations

import numpy as np
import pydantic
import pytest

from steerec.instruct.chat import default_chat
from steerec.instruct.mixture import TASK_WEIGHTS, CategorySources, MixtureConfig
from steerec.instruct.moment import CHAT
from steerec.instruct.tasks import TASKS


def test_the_default_mixture_knows_every_task() -> None:
    assert set(TASK_WEIGHTS) == {*TASKS, CHAT}
    assert sum(TASK_WEIGHTS.values()) == pytest.approx(1)
    assert default_chat().pairs["train"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": {"next_item": 1.0}}, 'no instruction task "next_item".*Did you mean "next_items"'),
        ({"weights": {"next_items": -1.0}}, "weights are 0 or more"),
        ({"weights": {"next_items": 0.0}}, "All task weights are 0"),
        ({"long_counts": (15, 20)}, "11 to 15 are kept for the evaluation"),
        ({"long_counts": (20, 16)}, "does not run backwards"),
        ({"max_count": 11}, "less than or equal to 10"),
    ],
)
def test_wrong_mixtures_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        MixtureConfig(**changes)


def test_categories_must_come_from_somewhere() -> None:
    with pytest.raises(pydantic.ValidationError, match="All shares of category sources are 0"):
        CategorySources(target=0, history=0, teacher=0, uniform=0)


def test_lengths_are_full_half_the_time_and_long_ones_skip_the_unseen() -> None:
    config, rng = MixtureConfig(), np.random.default_rng(0)
    ordinary = [config.draw_count(rng) for _ in range(2000)]
    assert set(ordinary) == set(range(1, 11))
    assert 0.5 < np.mean(np.array(ordinary) == 10) < 0.6  # half, and a tenth of the other half
    listed = {config.draw_listed_count(rng) for _ in range(2000)}
    assert listed == {*range(1, 11), *range(16, 51)}
