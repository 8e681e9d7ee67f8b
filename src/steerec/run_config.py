"""What a run is configured by: a recipe returns one, `steerec show` prints it, `--set` changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from steerec.align.dispatch import AlignConfig
from steerec.align.sft import SftConfig
from steerec.config import Config
from steerec.decode.weight import DecodeConfig
from steerec.evaluate.session import EvaluationConfig
from steerec.instruct.mixture import MixtureConfig
from steerec.llm.build import LanguageModelConfig
from steerec.recipes.paper import Paper
from steerec.recommend.panel import PanelConfig
from steerec.understand.model.training import ReaderTrainingConfig


class DataConfig(Config):
    """Which log, which filter, which split."""

    source: str = "ml-100k"
    """A built-in source, or a folder of canonical Parquet made by `steerec data import`."""
    options: dict[str, Any] = pydantic.Field(default_factory=dict)
    """What the source takes, such as `{"user_core": 5, "item_core": 5}` or `{"path": "ml-1m.zip"}`."""
    split: Literal["leave_last_out", "last_five", "temporal"] = "leave_last_out"

    @property
    def name(self) -> str:
        """What to call the data: a folder's last part, not the way to it."""
        return Path(self.source).name

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value


class RunConfig(Config):
    """One run, complete: what a recipe returns and `steerec show` prints."""

    recipe: str
    paper: Paper
    data: DataConfig = DataConfig()
    panel: PanelConfig = PanelConfig()
    """The conventional recommenders of the table, and the teacher."""
    instruct: MixtureConfig | None = None
    """Instruction data; None together with `llm` and `sft` makes a run without a language model."""
    llm: LanguageModelConfig | None = None
    sft: SftConfig | None = None
    align: Annotated[AlignConfig, pydantic.Field(discriminator="kind")] | None = None
    """What follows fine-tuning: reinforcement learning, learning from preferences, or more of the same (the
    row that the others must beat at equal time); None: nothing."""
    reader: ReaderTrainingConfig | None = None
    """A model that reads requests in words, trained beside the recommender; None: keywords and patterns."""
    decode: DecodeConfig = DecodeConfig()
    """Beam, and the weights of the teacher term among which validation chooses."""
    crossfit_folds: pydantic.NonNegativeInt = 0
    """Label training prefixes with teachers that have not seen the user: one per fold of users, at least 2;
    0 labels with the teacher itself."""
    validation_points: pydantic.PositiveInt = 300
    """Validation points on which training is watched, by constrained lists of ten. Fine-tuning keeps its last
    weights: its learning rate has run out by then, and a few tests on a thousand points are noise, by which
    an early step may win that cannot count yet."""
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0

    @pydantic.model_validator(mode="after")
    def _check(self) -> RunConfig:
        parts = (self.instruct, self.llm, self.sft)
        if any(part is None for part in parts) and any(part is not None for part in parts):
            raise ValueError("instruct, llm and sft belong together: give all three, or none of them")
        if self.align is not None and self.sft is None:
            raise ValueError("align goes on from a fine-tuned language model: give instruct, llm and sft too")
        if self.crossfit_folds == 1:
            raise ValueError("crossfit_folds is 1: one fold leaves no users to fit on; give 0, or 2 and more")
        return self


class SuiteConfig(Config):
    """Several runs on the same data that make one table; a member that was run before is not run again."""

    suite: str
    data: DataConfig = DataConfig()
    members: dict[str, RunConfig]
    """By name, in table order; their data is the suite's."""
    only: tuple[str, ...] = ()
    """Members to run now; the others are shown where their results are known. Empty: all."""
    results: Path = Path("benchmarks")
    """Folder of results, a JSON file per member and data."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> SuiteConfig:
        if not self.members:
            raise ValueError("a suite needs at least one member")
        for name in self.only:
            if name not in self.members:
                raise ValueError(f'there is no member "{name}"; members: {", ".join(self.members)}')
        return self
