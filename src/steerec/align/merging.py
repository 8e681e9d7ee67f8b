"""Several ways to go on from one model: each is learned alone, then their changes are added to it.

Losses that pull in different directions cost each other what they share steps for. Learned apart and added,
the changes of small learning rates disturb each other little. Adding is task arithmetic (Ilharco et al. 2022,
arXiv 2212.04089, section 2); that policies of different rewards may be mixed in their weights, because they
left the same point, is rewarded soups (Ramé et al. 2023, arXiv 2306.04488).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from torch import Tensor

from steerec.align.best_of import BestOfConfig
from steerec.align.preferring import PreferenceConfig
from steerec.align.rl_config import RlConfig
from steerec.align.sft import SftConfig
from steerec.artifacts import write_json
from steerec.config import Config
from steerec.llm.language_model import LanguageModel, load_weights
from steerec.processes import agreed, is_first

AloneConfig = RlConfig | PreferenceConfig | BestOfConfig | SftConfig
"""Ways of going on from a fine-tuned model that train one model."""
MERGED = "merged.json"

logger = logging.getLogger("steerec")


class MergeConfig(Config):
    """Settings of ways that are learned apart and added."""

    kind: Literal["merge"] = "merge"
    """Which way of aligning this configures."""
    parts: dict[str, Annotated[AloneConfig, pydantic.Field(discriminator="kind")]]
    """By name: each goes on from the same fine-tuned model, and has its log in a folder of its name."""
    scale: pydantic.PositiveFloat = 1.0
    """What the changes of each part are multiplied with before they are added."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> MergeConfig:
        if len(self.parts) < 2:
            raise ValueError(f"parts has {len(self.parts)} entries: merging needs at least 2")
        for name in self.parts:
            if not name.isidentifier():
                raise ValueError(f'a part is called "{name}": give letters, digits and _, it names a folder')
        return self


def merged(
    start: Mapping[str, Tensor], ends: Iterable[Mapping[str, Tensor]], scale: float
) -> dict[str, Tensor]:
    """Return `start + scale * sum(end - start)`, tensor by tensor; integers stay those of the start.

    Args:
        start: name -> weights of the common start.
        ends: the same names and shapes, each after one way of learning; read one at a time.
        scale: of every difference; `1 / number of ends` is the mean of the ends.
    """
    total = {name: value.clone() for name, value in start.items()}
    for end in ends:
        for name, value in total.items():
            if value.is_floating_point():
                value.add_(end[name] - start[name], alpha=scale)
    return total


def learn_merged(
    lm: LanguageModel,
    config: MergeConfig,
    folder: Path,
    learn: Callable[[LanguageModel, AloneConfig, Path], LanguageModel],
    evaluate: Callable[[LanguageModel], dict[str, float]],
) -> LanguageModel:
    """Learn each part from the model as it is and add what they changed; finished parts are kept.

    Args:
        lm: the common start; becomes the sum.
        config: settings.
        folder: receives a folder per part, and merged.json: validation metrics of the start, of every part
            and of the sum.
        learn: trains a model in place by the settings of a part; the folder is its own.
        evaluate: validation metrics of a model.
    """
    start = {name: value.detach().clone() for name, value in lm.model.state_dict().items()}
    for number, (name, part) in enumerate(config.parts.items(), start=1):
        model = folder / name / "model"
        is_done = agreed(model.is_dir())
        how = "finished before" if is_done else "goes on from the common start"
        logger.info("part %d of %d, %s: %s", number, len(config.parts), name, how)
        if is_done:
            continue
        lm.model.load_state_dict(start)
        learn(lm, part, folder / name)
        lm.save_whole(model)

    def measured(state: Mapping[str, Tensor]) -> dict[str, float]:
        lm.model.load_state_dict(state)
        return evaluate(lm)

    found = {"start": measured(start)}

    def ends() -> Iterator[dict[str, Tensor]]:
        for name in config.parts:
            model, _ = load_weights(str(folder / name / "model"), local_only=True)
            end = {key: value.to(start[key].device) for key, value in model.state_dict().items()}
            found[name] = measured(end)
            yield end

    found["sum"] = measured(merged(start, ends(), config.scale))
    for name, metrics in found.items():
        logger.info("%s: %s", name, ", ".join(f"{key} {value:.4f}" for key, value in metrics.items()))
    if is_first():
        write_json(folder / MERGED, found)
    return lm
