"""A small run of several trainings, as `torchrun` starts it: `torchrun .. run_merged.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from toy import toy

from steerec.align.merging import MergeConfig
from steerec.processes import alone, is_first, join_processes, leave_processes, place
from steerec.recipes.catalogue import load_recipe
from steerec.run import run
from steerec.run_config import RunConfig


def merged_config() -> RunConfig:
    config = toy(load_recipe("controllable-tiny-merged"), steps=4, rows=80)
    assert config.sft is not None
    assert isinstance(config.align, MergeConfig)
    parts = {
        name: part.replace(training=part.training.replace(gradient_accumulation_steps=2))
        for name, part in config.align.parts.items()
    }
    return config.replace(
        crossfit_folds=0,
        sft=config.sft.replace(
            training=config.sft.training.replace(gradient_accumulation_steps=2), tokens_per_batch=512
        ),
        align=config.align.replace(parts=parts),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    join_processes()
    assert place()[1] == 2
    with alone():
        assert is_first()
    run(merged_config(), Path(sys.argv[1]))
    leave_processes()
