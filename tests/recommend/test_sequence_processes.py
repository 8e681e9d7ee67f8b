"""A sequence model trained by two processes, or in two parts a step, is that of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch
from recommender_worlds import SMALL, hand_split, world_split

from steerec.errors import DataError
from steerec.loop import TrainingConfig
from steerec.networks.sequence import TransformerConfig
from steerec.recommend.panel import PanelConfig, fit_panel, load_panel
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.model import SequenceModel

PARTS = TrainingConfig(max_steps=20, learning_rate=5e-3, eval_steps=10, gradient_accumulation_steps=2)
SHARED = SMALL.replace(training=PARTS)
PANEL = PanelConfig(rows=("popularity", "sasrec"), models={"sasrec": SHARED})


def _distributed(rank: int, rendezvous: str, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    torch.set_num_threads(1)
    fit_panel(world_split(), PANEL, Path(folder))
    torch.distributed.destroy_process_group()


def test_two_processes_fit_the_panel_of_one(tmp_path: Path) -> None:
    split, two, one = world_split(), tmp_path / "two", tmp_path / "one"
    torch.multiprocessing.spawn(_distributed, (f"file://{tmp_path}/rendezvous", str(two)), nprocs=2)
    fit_panel(split, PANEL, one)
    found = {path.relative_to(two) for path in two.rglob("*") if path.is_file()}
    assert found == {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    ours, theirs = (load_panel(folder, split.catalog) for folder in (one, two))
    histories = [[1, 2, 3], [9, 8]]
    for name in PANEL.rows:
        expected = ours.rows[name][0].scores(histories)
        assert np.allclose(theirs.rows[name][0].scores(histories), expected, atol=1e-3)
    assert theirs.validation == pytest.approx(ours.validation, abs=1e-3)


def test_two_parts_of_a_step_are_the_step() -> None:
    split = world_split()
    still = SMALL.replace(encoder=TransformerConfig(num_layers=1, dropout=0.0))
    whole, parts = (
        SequenceModel(still.replace(training=PARTS.replace(gradient_accumulation_steps=number))).fit(split)
        for number in (1, 2)
    )
    histories = [[1, 2, 3], [9, 8]]
    assert np.allclose(whole.scores(histories), parts.scores(histories), atol=1e-3)


def test_parts_that_would_be_empty_are_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="at least twice gradient_accumulation_steps 2"):
        SequenceConfig(batch_size=3, training=PARTS)
    with pytest.raises(DataError, match="1 users have two training items or more, and a step has 2 parts"):
        SequenceModel(SHARED).fit(hand_split([[0, 1, 2], [3]], 4))
