"""Instruction rows: drawn, labelled, certified and written as Parquet.

Every row is a pure function of (seed, part, row number) and the teacher's scores.

Legend: B rows scored together, N items, K length of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steerec.artifacts import atomic_path, write_json
from steerec.control.phrases import render
from steerec.control.problem import Problem
from steerec.control.request import compile_request
from steerec.data.split import Split
from steerec.instruct.attributes import Attributes, Ints
from steerec.instruct.chat import Chat, default_chat
from steerec.instruct.choice import Situation
from steerec.instruct.labels import (
    best_items,
    individually_allowed,
    label_plain,
    label_request,
    obeys,
    seen_mask,
)
from steerec.instruct.mixture import MixtureConfig
from steerec.instruct.moment import CHAT, Moment, Moments, Part
from steerec.instruct.row_file import PHRASING, SCHEMA, Row, RowsReport, Tally, row_frame, rows_report
from steerec.instruct.selection import pick_rows
from steerec.instruct.tasks import TASKS, Draft
from steerec.progress import progress

Scores = NDArray[np.float32]
TeacherScores = Callable[[list[Ints]], Scores]
"""Histories -> scores (B, N)."""
CrossFitScores = Callable[[list[Ints], list[int]], Scores]
"""Histories and their users -> scores (B, N) of a teacher that was not fitted on these users."""

_LEAST_BEST = 64
"""Items of the teacher's list that tasks may look at."""


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
    phrases: Path | None = None,
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
        phrases: file of phrasings for training rows, see `self_instruct`; None: the trained ones.

    Returns:
        The report.

    Raises:
        DataError: there is no user to ask about, or the catalogue can serve none of the tasks.
    """
    attributes = Attributes.of(split.catalog)
    moments = Moments(split, attributes, config, part)
    score = _scorer(teacher_scores, crossfit_scores if part == "train" else None)
    phrasing = PHRASING[part] if phrases is None or part != "train" else str(phrases)
    maker = _RowMaker(attributes, config, part, chat or default_chat(), phrasing)
    frames = []
    with progress(f"instruction rows ({part})", total=moments.num_rows, unit="rows") as bar:
        for start in range(0, moments.num_rows, config.chunk_rows):
            numbers = range(start, min(start + config.chunk_rows, moments.num_rows))
            chunk = [moments.draw(number) for number in numbers]
            asked = [moment for moment in chunk if moment.user is not None]
            scores = iter(score(asked)) if asked else iter(())
            rows = [maker.make(m, None if m.user is None else next(scores)) for m in chunk]
            finished = [row for row in rows if row is not None]
            frames.append(row_frame(finished, split, config, part, teacher, phrasing))
            bar.advance(len(numbers))
    table = pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)
    if config.pick is not None and part == "train":
        table = pick_rows(table, config.pick, config.seed)
    with atomic_path(Path(folder) / f"{part}.parquet") as temporary:
        table.write_parquet(temporary)
    report = rows_report(table, maker.tally, split, config, part, teacher, memorisation, phrasing)
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


@dataclass(frozen=True, eq=False)
class _RowMaker:
    """Draws, labels and certifies one row after another."""

    attributes: Attributes
    config: MixtureConfig
    part: Part
    chat: Chat
    phrasing: str
    tally: Tally = field(default_factory=Tally)

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
        for task in dict.fromkeys((moment.task, "next_items") if moment.user is not None else (moment.task,)):
            self.tally.fallen_back += task != moment.task
            for _ in range(self.config.max_attempts):
                row = self._attempt(moment, task, situation)
                if row is not None:
                    return row
                self.tally.redrawn += 1
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
        phrasing = self.phrasing
        draft = TASKS[task].draw(situation, moment.rng, self.config, phrasing)
        if draft is None:
            return None
        if draft.request is None:
            words, text = draft.instruction or "", draft.answer_text
            return Row(moment=moment, task=task, request=None, instruction=words, text=text)
        labelled = self._label(draft, situation)
        if labelled is None:
            return None
        items, top = labelled
        words = draft.instruction or render(
            draft.request, self.attributes.catalog, moment.rng, split=phrasing
        )
        row = Row(moment=moment, task=task, request=draft.request, instruction=words, items=items)
        if moment.user is None or not self.config.top_size:
            return row
        return replace(row, top=top, top_scores=situation.scores[top])

    def _label(self, draft: Draft, situation: Situation) -> tuple[list[int], Ints] | None:
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
            problem = compile_request(draft.request, catalog, situation.history.tolist())
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
        return label, top
