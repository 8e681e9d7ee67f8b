"""Ways learned apart and added: the sum by hand, and a killed run that goes on with what is finished."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
import torch
from torch import Tensor

from steerec.align.merging import AloneConfig, MergeConfig, learn_merged, merged
from steerec.align.rl_config import RlConfig
from steerec.artifacts import read_json
from steerec.llm.language_model import LanguageModel
from steerec.loop import TrainingConfig
from tiny_shelf import tiny

STEPS = {"ranking": 3, "obeying": 5}
"""How parts tell each other apart in these tests."""


def config(scale: float = 0.5) -> MergeConfig:
    parts = {
        name: RlConfig(training=TrainingConfig(max_steps=number, learning_rate=1e-3))
        for name, number in STEPS.items()
    }
    return MergeConfig(parts=parts, scale=scale)


def moved(lm: LanguageModel, part: AloneConfig, folder: Path) -> LanguageModel:
    """Stand for a training: every weight moves by the number of steps."""
    assert isinstance(part, RlConfig)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        for weights in lm.model.parameters():
            weights += part.training.max_steps
    return lm


def first_weight(lm: LanguageModel) -> dict[str, float]:
    return {"weight": next(lm.model.parameters()).flatten()[0].item()}


def weights(lm: LanguageModel) -> list[Tensor]:
    return [value.clone() for value in lm.model.parameters()]


def test_changes_are_added_to_the_start() -> None:
    start = {"w": torch.tensor([1.0, 2.0]), "places": torch.tensor([7])}
    ends = [
        {"w": torch.tensor([3.0, 2.0]), "places": torch.tensor([8])},
        {"w": torch.tensor([1.0, 0.0]), "places": torch.tensor([9])},
    ]
    found = merged(start, ends, 0.5)
    assert found["w"].tolist() == [2.0, 1.0]
    assert found["places"].tolist() == [7]
    assert start["w"].tolist() == [1.0, 2.0]
    assert merged(start, ends[:1], 1.0)["w"].tolist() == ends[0]["w"].tolist()


def test_each_part_leaves_the_same_start(tmp_path: Path) -> None:
    lm = tiny()
    before = weights(lm)
    assert learn_merged(lm, config(), tmp_path, moved, first_weight) is lm
    for was, now in zip(before, weights(lm), strict=True):
        torch.testing.assert_close(now, was + 0.5 * (3 + 5))
    found = read_json(tmp_path / "merged.json")
    start = found["start"]["weight"]
    moves = {name: values["weight"] - start for name, values in found.items()}
    assert moves == pytest.approx({"start": 0, "ranking": 3, "obeying": 5, "sum": 4}, abs=1e-5)


def test_a_killed_merge_keeps_its_finished_parts(tmp_path: Path) -> None:
    asked: list[str] = []

    def dies(lm: LanguageModel, part: AloneConfig, folder: Path) -> LanguageModel:
        asked.append(folder.name)
        if asked == ["ranking", "obeying"]:
            raise KeyboardInterrupt
        return moved(lm, part, folder)

    whole, killed, resumed = tiny(), tiny(), tiny()
    learn_merged(whole, config(), tmp_path / "whole", moved, first_weight)
    with pytest.raises(KeyboardInterrupt):
        learn_merged(killed, config(), tmp_path / "killed", dies, first_weight)
    learn_merged(resumed, config(), tmp_path / "killed", dies, first_weight)
    assert asked == ["ranking", "obeying", "obeying"]
    assert all(map(torch.equal, weights(whole), weights(resumed)))


@pytest.mark.parametrize("names", [("alone",), ("up", "../down")])
def test_parts_that_cannot_be_merged_are_refused(names: tuple[str, ...]) -> None:
    part = config().parts["ranking"]
    with pytest.raises(pydantic.ValidationError, match=r"at least 2|it names a folder"):
        MergeConfig(parts=dict.fromkeys(names, part))
