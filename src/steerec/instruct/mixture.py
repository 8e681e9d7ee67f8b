"""What instruction data is made of: shares of the tasks, list lengths, where categories come from.

Shares are weights: they need not sum to one, and a task that a catalogue cannot serve leaves its share to
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from steerec.config import Config
from steerec.errors import ConfigError, did_you_mean
from steerec.instruct.selection import PickConfig
from steerec.instruct.self_instruct import SelfInstructConfig

TASK_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "next_items": 0.28,
        "include_category": 0.09,
        "exclude_category": 0.08,
        "share_at_most": 0.07,
        "share_at_least": 0.07,
        "share_about": 0.07,
        "item_count": 0.08,
        "candidates": 0.06,
        "category_to_item": 0.03,
        "item_to_category": 0.02,
        "compound": 0.13,
        "general_chat": 0.02,
    }
)
"""The default mixture: half plain lists and single controls, the rest spread over everything else."""

UNSEEN_COUNTS = range(11, 16)
"""List lengths that no instruction row ever asks for: the evaluation does."""


class CategorySources(Config):
    """Where the category of a request comes from, in shares."""

    target: float = Field(0.4, ge=0)
    """A category of the true next item."""
    history: float = Field(0.2, ge=0)
    """A category of the user's history, as often as it occurs there."""
    teacher: float = Field(0.2, ge=0)
    """A category of the teacher's best items, as often as it occurs there."""
    uniform: float = Field(0.2, ge=0)
    """Any category, all alike."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.target + self.history + self.teacher + self.uniform <= 0:
            raise ConfigError("All shares of category sources are 0: give at least one a share above 0.")
        return self


class MixtureConfig(Config):
    """How many rows, of which tasks, asked how."""

    num_rows: int = Field(60_000, ge=1)
    """Training rows."""
    num_valid_rows: int = Field(1_000, ge=0)
    """Validation rows, drawn at the validation points with the validation phrasings."""
    weights: dict[str, float] = Field(default_factory=lambda: dict(TASK_WEIGHTS))
    """Task name -> share; tasks that are not named get none."""
    seed: int = 0
    """Of every draw; each row derives its own."""
    max_count: int = Field(10, ge=1, le=10)
    """Longest list of the ordinary tasks; lengths are 1 to this."""
    full_length_share: float = Field(0.5, ge=0, le=1)
    """Share of lists of exactly `max_count`; the others are 1 to `max_count`, all alike."""
    long_counts: tuple[int, int] = (16, 50)
    """Shortest and longest of the long lists that the item_count task asks for besides the ordinary ones.
    They are many, so that reading numbers of two digits is learned, and not each by heart."""
    late_share: float = Field(0.25, ge=0, le=1)
    """Share of rows whose target is among the last `late_positions` training items of the user."""
    late_positions: int = Field(5, ge=1)
    """How many positions at the end of the training sequence count as late."""
    include_sources: CategorySources = CategorySources()
    """Categories that requests ask for."""
    limit_sources: CategorySources = CategorySources(target=0.1, history=0.3, teacher=0.4, uniform=0.2)
    """Categories that requests exclude or limit; only the uniform share may exclude the target's."""
    binding_share: float = Field(0.6, ge=0, le=1)
    """Share of bounds that the teacher's own list would break, so that obeying changes the list."""
    max_candidates: int = Field(20, ge=2)
    """Longest candidate list."""
    max_attempts: int = Field(8, ge=1)
    """Draws of a request before a row falls back to the next-item task."""
    prompt_history: int = Field(50, ge=0)
    """Most recent titles written into the text column `prompt`; the history column is always whole."""
    top_size: int = Field(50, ge=0)
    """Length of the teacher's list stored for distillation, `teacher_top`; 0 stores none."""
    chunk_rows: int = Field(512, ge=1)
    """Rows scored by the teacher at a time."""
    self_instruct: SelfInstructConfig | None = None
    """Phrase training rows by a few phrasings that a language model grows; None: by the trained ones."""
    pick: PickConfig | None = None
    """Keep a few of the training rows; None keeps all."""

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if name not in TASK_WEIGHTS:
                raise ConfigError(
                    f'There is no instruction task "{name}".{did_you_mean(name, TASK_WEIGHTS)} '
                    f"Tasks: {', '.join(TASK_WEIGHTS)}."
                )
            if not weight >= 0:
                raise ConfigError(f'The task "{name}" has the weight {weight}: weights are 0 or more.')
        if not sum(weights.values()) > 0:
            raise ConfigError("All task weights are 0: give at least one task a weight above 0.")
        return weights

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        low, high = self.long_counts
        if low > high or low <= UNSEEN_COUNTS[-1]:
            raise ConfigError(
                f"long_counts is {low} to {high}; it starts above {UNSEEN_COUNTS[-1]} and does not run "
                f"backwards, since {UNSEEN_COUNTS[0]} to {UNSEEN_COUNTS[-1]} are kept for the evaluation."
            )
        return self

    def draw_count(self, rng: np.random.Generator, *, least: int = 1) -> int:
        """Draw an ordinary list length from `least` to `max_count`."""
        if least >= self.max_count or rng.random() < self.full_length_share:
            return self.max_count
        return int(rng.integers(least, self.max_count + 1))

    def draw_listed_count(self, rng: np.random.Generator) -> int:
        """Draw a length of the item_count task: ordinary or long, half each."""
        if rng.random() < 0.5:
            return int(rng.integers(1, self.max_count + 1))
        return int(rng.integers(self.long_counts[0], self.long_counts[1] + 1))
