"""Sequence networks train and score where they live, and find the same there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from action_worlds import SMALL_ACTIONS, liking_split
from recommender_worlds import SMALL, world_split

from elsewhere import elsewhere
from steerec.loop import TrainingConfig
from steerec.networks.sequence import AttRecConfig, HstuConfig, TransformerConfig
from steerec.recommend.actions.interleaving import Past
from steerec.recommend.actions.model import ActionModel
from steerec.recommend.recommender import Recommender
from steerec.recommend.sequences.model import SequenceModel

STEPS = TrainingConfig(max_steps=6, learning_rate=5e-3, eval_steps=3, logging_steps=1)
STILL = SMALL.replace(training=STEPS, encoder=TransformerConfig(num_layers=1, dropout=0.0))
MAKE: dict[str, Callable[[], Recommender]] = {
    "transformer": lambda: SequenceModel(STILL),
    "hstu": lambda: SequenceModel(STILL.replace(encoder=HstuConfig(num_layers=1, dropout=0.0))),
    "attrec": lambda: SequenceModel(STILL.replace(encoder=AttRecConfig(dropout=0.0))),
    "actions": lambda: ActionModel(SMALL_ACTIONS.replace(training=STEPS)),
}


@pytest.mark.parametrize("name", MAKE)
def test_what_is_learned_is_the_same_on_the_other_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    split = world_split()
    histories: list[Any] = [[1, 2, 3], [9, 8], []]
    if name == "actions":
        split = liking_split()
        histories = [Past(np.array(one, np.int64), np.ones(len(one), np.int64), np.arange(len(one)))
                     for one in histories]  # fmt: skip
    alone = MAKE[name]().fit(split).scores(histories)
    with elsewhere(monkeypatch):
        model = MAKE[name]().fit(split)
        found = model.scores(histories)
        network = next(value for value in vars(model).values() if isinstance(value, torch.nn.Module))
        assert next(network.parameters()).device.type == "cuda"
    np.testing.assert_allclose(found, alone, rtol=1e-3, atol=1e-3)
