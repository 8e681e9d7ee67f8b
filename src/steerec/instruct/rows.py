"""Instruction rows: drawn, labelled, certified and written as Parquet.

Every row is a pure function of (seed, part, row number) and the teacher's scores. Legend: B rows scored together,
N items, K length of a list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.artifacts import atomic_path, write_json
from steerec.config import Config
from steerec.control.phrases import render
from steerec.control.problem import Problem
from steerec.control.request import Request, compile_request
from steerec.control.templates import phrase_hash
from steerec.data.split import Split
from steerec.instruct.attributes import Attributes, Ints
from steerec.instruct.chat import Chat, default_chat
from steerec.instruct.choice import Situation
from steerec.instruct.labels import (
    LABEL_RULE,
    best_items,
    individually_allowed,
    label_plain,
    label_request,
    obeys,
    seen_mask,
)
from steerec.instruct.mixture import MixtureConfig
from steerec.instruct.moment import CHAT, Moment, Moments, Part
from steerec.instruct.tasks import TASKS, Draft
from steerec.instruct.text import completion_text, prompt_text
from steerec.progress import progress

Scores = NDArray[np.float32]
TeacherScores = Callable[[list[Ints]], Scores]
"""Histories -> scores (B, N)."""
CrossFitScores = Callable[[list[Ints], list[int]], Scores]
"""Histories and their users -> scores (B, N) of a teacher that was not fitted on these users."""

PHRASING: Mapping[Part, str] = {"train": "train", "valid": "validation"}
_LEAST_BEST = 64
"""Items of the teacher's list that tasks may look at."""

SCHEMA: dict[str, Any] = {
    "row": pl.Int64,
    "task": pl.String,
    "user": pl.Int64,
    "history": pl.List(pl.Int32),
    "request": pl.String,
    "instruction": pl.String,
    "answer_items": pl.List(pl.Int32),
    "answer_text": pl.String,
    "target": pl.Int32,
    "has_target": pl.Boolean,
    "prompt": pl.String,
    "completion": pl.String,
    "teacher_top": pl.List(pl.Int32),
    "teacher_top_scores": pl.List(pl.Float32),
    "phrasing": pl.String,
    "split": pl.String,
    "seed": pl.Int64,
    "teacher": pl.String,
    "label_rule": pl.String,
}
"""Columns of a row file. Items are catalogue indices; a row has answer_items or answer_text, never both."""


class RowsReport(Config):
    """What was written, and what had to be drawn again."""

    part: Part
    rows: int
    """Rows written."""
    tasks: dict[str, int]
    """Rows of each task."""
    with_target: dict[str, int]
    """Rows of each task whose label contains the true next item."""
    target_first: int
    """Labels that begin with it."""
    counts: dict[str, int]
    """Rows of each list length."""
    redrawn: int
    """Requests that could not be satisfied or drawn, and were drawn again."""
    fallen_back: int
    """Rows that became plain next-item rows after too many draws."""
    dropped: int
    """Rows left out: no list exists, or the certificate found a violation."""
    violations: int
    """Labels that the certificate refused; anything but 0 is a defect of the solver."""
    teacher: str
    label_rule: str
    phrasing: str
    phrasing_sha256: str
    seed: int
    split_hash: str
    catalogue_sha256: str
    memorisation: dict[str, float] | None
    """What was measured of the teacher's memory, such as its HR@10 on training prefixes and on validation."""


def build_rows(
    split: Split,
    teacher_scores: TeacherScores,
    config: MixtureConfig,
    folder: Path,
    *,
    part: Part = "train",
    teacher: str = "teacher",
    crossfit_scores: CrossFitScores | None = None,
    chat: Chat | None = None,
    memorisation: Mapping[str, float] | None = None,
) -> RowsReport:
    """Write `{part}.parquet` (columns: `SCHEMA`) and `{part}.json` (the report) into a folder.

    Args:
        split: whose training sequences (part train) or validation points (part valid) are asked about.
        teacher_scores: histories -> float (B, N); the history need not be masked.
        config: the mixture.
        folder: where the files go; each is whole or absent.
        part: "train" (train phrasings) or "valid" (validation phrasings).
        teacher: name of the teacher, for the record.
        crossfit_scores: scores by teachers that have not seen the user; used instead, in training rows only.
        chat: general conversation; None takes the one in the package.
        memorisation: figures on the teacher's memory, recorded as they are.

    Returns:
        The report.

    Raises:
        DataError: there is no user to ask about, or the catalogue can serve none of the tasks.
    """
    attributes = Attributes.of(split.catalog)
    moments = Moments(split, attributes, config, part)
    score = _scorer(teacher_scores, crossfit_scores if part == "train" else None)
    writer = _RowMaker(attributes, config, part, chat or default_chat())
    frames = []
    with progress(f"instruction rows ({part})", total=moments.num_rows, unit="rows") as bar:
        for start in range(0, moments.num_rows, config.chunk_rows):
            numbers = range(start, min(start + config.chunk_rows, moments.num_rows))
            chunk = [moments.draw(number) for number in numbers]
            asked = [moment for moment in chunk if moment.user is not None]
            scores = iter(score(asked)) if asked else iter(())
            rows = [writer.make(m, None if m.user is None else next(scores)) for m in chunk]
            frames.append(_frame([row for row in rows if row is not None], split, config))
            bar.advance(len(numbers))
    everything = pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)
    constants = {"phrasing": PHRASING[part], "split": part, "teacher": teacher, "label_rule": LABEL_RULE}
    everything = everything.with_columns(
        pl.lit(config.seed, pl.Int64).alias("seed"),
        *(pl.lit(value, pl.String).alias(name) for name, value in constants.items()),
    ).select(*SCHEMA)
    with atomic_path(Path(folder) / f"{part}.parquet") as temporary:
        everything.write_parquet(temporary)
    report = _report(everything, writer.tally, split, config, part, teacher, memorisation)
    write_json(Path(folder) / f"{part}.json", report)
    return report


def _scorer(
    teacher_scores: TeacherScores, crossfit_scores: CrossFitScores | None
) -> Callable[[list[Moment]], Scores]:
    def score(moments: list[Moment]) -> Scores:
        histories = [moment.history for moment in moments]
        if crossfit_scores is not None:
            return crossfit_scores(histories, [int(moment.user or 0) for moment in moments])
        return teacher_scores(histories)

    return score


@dataclass
class _Tally:
    redrawn: int = 0
    fallen_back: int = 0
    dropped: int = 0
    violations: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A finished row, before it becomes text and columns."""

    moment: Moment
    task: str
    request: Request | None
    instruction: str
    items: list[int] | None = None
    text: str | None = None
    top: Ints | None = None
    top_scores: Scores | None = None


@dataclass(frozen=True, eq=False)
class _RowMaker:
    """Draws, labels and certifies one row after another."""

    attributes: Attributes
    config: MixtureConfig
    part: Part
    chat: Chat
    tally: _Tally = field(default_factory=_Tally)

    def make(self, moment: Moment, scores: Scores | None) -> Row | None:
        """Return the row of a moment, or None where no list exists for it.

        Args:
            moment: what was drawn.
            scores: (N,) of the teacher; None for a task without a user.
        """
        if moment.task == CHAT:
            question, answer = self.chat.draw(moment.rng, self.part)
            return Row(moment=moment, task=CHAT, request=None, instruction=question, text=answer)
        situation = self._situation(moment, scores)
        for _ in range(self.config.max_attempts):
            row = self._attempt(moment, moment.task, situation)
            if row is not None:
                return row
            self.tally.redrawn += 1
        if moment.user is not None and moment.task != "next_items":
            self.tally.fallen_back += 1
            for _ in range(self.config.max_attempts):
                row = self._attempt(moment, "next_items", situation)
                if row is not None:
                    return row
        self.tally.dropped += 1
        return None

    def _situation(self, moment: Moment, scores: Scores | None) -> Situation:
        catalog = self.attributes.catalog
        if scores is None:
            scores = np.log1p(catalog.popularity).astype(np.float32)
        unseen = ~seen_mask(moment.history, catalog.work)
        size = max(self.config.top_size, _LEAST_BEST)
        return Situation(
            attributes=self.attributes,
            history=moment.history,
            target=moment.target,
            unseen=unseen,
            scores=scores,
            best=best_items(scores, unseen, catalog.work, size, has_twins=self.attributes.has_twins),
        )

    def _attempt(self, moment: Moment, task: str, situation: Situation) -> Row | None:
        phrasing = PHRASING[self.part]
        draft = TASKS[task].draw(situation, moment.rng, self.config, phrasing)
        if draft is None:
            return None
        if draft.request is None:
            assert draft.instruction is not None
            return Row(
                moment=moment,
                task=task,
                request=None,
                instruction=draft.instruction,
                text=draft.answer_text,
            )
        labelled = self._label(draft, situation)
        if labelled is None:
            return None
        items, top = labelled
        words = draft.instruction
        if words is None:
            words = render(draft.request, self.attributes.catalog, moment.rng, split=phrasing)
        top = None if moment.user is None else top
        return Row(
            moment=moment,
            task=task,
            request=draft.request,
            instruction=words,
            items=items,
            top=top,
            top_scores=None if top is None else situation.scores[top],
        )

    def _label(self, draft: Draft, situation: Situation) -> tuple[list[int], Ints | None] | None:
        """Return the label and the teacher's list for distillation; None where no list satisfies."""
        assert draft.request is not None
        catalog, size = self.attributes.catalog, self.config.top_size
        if draft.is_plain:
            unseen = situation.unseen
            problem = Problem(count=draft.request.count, allowed=unseen, work=catalog.work)
            target = situation.target
            target = target if target is not None and unseen[target] else None
            label = label_plain(situation.best, target, draft.request.count, catalog.work)
            top = situation.best[:size]
        else:
            problem = compile_request(draft.request, catalog, situation.history)
            found = label_request(problem, situation.scores, situation.target)
            if found is None:
                return None
            label = found
            top = best_items(
                situation.scores,
                individually_allowed(problem),
                catalog.work,
                size,
                has_twins=self.attributes.has_twins,
            )
        if len(label) < problem.count:  # a catalogue with too few unseen items
            return None
        if not obeys(problem, label):
            self.tally.violations += 1
            return None
        return label, top if size else None


def _frame(rows: list[Row], split: Split, config: MixtureConfig) -> pl.DataFrame:
    catalog = split.catalog
    columns: dict[str, list[Any]] = {name: [] for name in list(SCHEMA)[:14]}
    for row in rows:
        moment = row.moment
        completion = row.text if row.items is None else completion_text(row.items, catalog)
        values: dict[str, Any] = {
            "row": moment.number,
            "task": row.task,
            "user": moment.user,
            "history": moment.history.tolist(),
            "request": None if row.request is None else row.request.to_json(),
            "instruction": row.instruction,
            "answer_items": row.items,
            "answer_text": row.text,
            "target": moment.target,
            "has_target": None if row.items is None else moment.target in row.items,
            "prompt": prompt_text(moment.history.tolist(), row.instruction, catalog, config.prompt_history),
            "completion": completion,
            "teacher_top": None if row.top is None else row.top.tolist(),
            "teacher_top_scores": None if row.top_scores is None else row.top_scores.tolist(),
        }
        for name, value in values.items():
            columns[name].append(value)
    return pl.DataFrame([pl.Series(name, values, dtype=SCHEMA[name]) for name, values in columns.items()])


def _report(
    rows: pl.DataFrame,
    tally: _Tally,
    split: Split,
    config: MixtureConfig,
    part: Part,
    teacher: str,
    memorisation: Mapping[str, float] | None,
) -> RowsReport:
    lists = rows.filter(pl.col("answer_items").is_not_null())
    first = lists.filter(pl.col("answer_items").list.first() == pl.col("target"))
    lengths = Counter(lists["answer_items"].list.len().to_list())
    return RowsReport(
        part=part,
        rows=rows.height,
        tasks=dict(sorted(Counter(rows["task"].to_list()).items())),
        with_target=dict(sorted(Counter(lists.filter(pl.col("has_target"))["task"].to_list()).items())),
        target_first=first.height,
        counts={str(length): lengths[length] for length in sorted(lengths)},
        redrawn=tally.redrawn,
        fallen_back=tally.fallen_back,
        dropped=tally.dropped,
        violations=tally.violations,
        teacher=teacher,
        label_rule=LABEL_RULE,
        phrasing=PHRASING[part],
        phrasing_sha256=phrase_hash(PHRASING[part]),
        seed=config.seed,
        split_hash=split.hash,
        catalogue_sha256=split.catalog.sha256,
        memorisation=None if memorisation is None else dict(memorisation),
    )
