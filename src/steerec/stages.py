"""The stages of a run: what each does, and which modules its result depends on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steerec import artifacts
from steerec.artifacts import StageResult
from steerec.progress import clock

logger = logging.getLogger("steerec")

Build = Callable[[Path], None]
_DOES = {
    "data": "reading and splitting the log",
    "recommend": "fitting the conventional recommenders; the best one teaches",
    "requests": "drawing the control requests that every row will answer",
    "crossfit": "fitting the teacher anew for each fold of users, without them",
    "instruct": "writing instruction data with the teacher's help",
    "sft": "fine-tuning the language model",
    "align": "sampling lists, judging them, and making better ones likelier",
    "decode": "choosing the weights of decoding on validation",
    "reader": "teaching a model to read requests in words",
    "evaluate-valid": "evaluating on validation",
    "evaluate-test": "evaluating on test",
}
_MODULES = {
    "data": ("data.source", "data.split"),
    "recommend": ("recommend.panel",),
    "requests": ("instruct.evaluation_requests",),
    "crossfit": ("recommend.crossfit", "recommend.panel"),
    "instruct": ("instruct.rows", "recommend.crossfit", "llm.writing"),
    "sft": ("align.sft", "llm.build", "instruct.item_starts", "decode.validation"),
    "align": ("align.dispatch", "decode.validation", "evaluate.control"),
    "decode": ("decode.weight",),
    "reader": ("understand.model.training",),
    "evaluate-valid": ("evaluate.session",),
    "evaluate-test": ("evaluate.session",),
}
"""Stage -> modules of steerec that do its work; it is done again when they, or what they import, change."""


def do_stage(folder: Path, name: str, inputs: dict[str, Any], build: Build) -> StageResult:
    """Do a stage of a run, or reuse it, and say so in the log.

    Args:
        folder: of the run; the stage has the folder of its name in it.
        name: one of the stages above.
        inputs: what it depends on beside its source: configurations, keys of earlier stages, hashes of files.
        build: writes the stage's files into its folder.
    """

    def announced(out: Path) -> None:
        logger.info("%s: %s", name, _DOES[name])
        build(out)

    together = name in ("recommend", "sft", "align")
    modules = [f"steerec.{module}" for module in _MODULES[name]]
    result = artifacts.run_stage(
        folder / name, module=modules, inputs=inputs, build=announced, together=together
    )
    how = f"reused (took {clock(result.seconds)})" if result.skipped else f"done in {clock(result.seconds)}"
    logger.info("%s: %s", name, how)
    return result
