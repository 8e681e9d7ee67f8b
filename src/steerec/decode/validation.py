"""Plain next-item accuracy of a language model on validation, by constrained lists of ten.

Legend: B points, N items.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Split
from steerec.decode.constrained import decode_lists
from steerec.decode.free import generate_free
from steerec.decode.prompts import PLAIN, plain_problems, plain_prompts
from steerec.llm.language_model import LanguageModel
from steerec.metrics.lists import ranks_in_lists
from steerec.metrics.names import ranking_summary
from steerec.seeding import numpy_rng

_BATCH = 256
"""Lists between two steps of a progress bar; within it, those of like length are decoded together."""


class PlainValidation:
    """Fixed validation points, with the same phrasings at every call.

    Attributes:
        histories: B histories, oldest item first.
        targets: (B,) held-out items.
    """

    def __init__(self, split: Split, *, num_points: int | None, beam: int, seed: int) -> None:
        """Take the validation points of a split.

        Args:
            split: its validation part is used.
            num_points: B; a random part fixed by the seed when there are more. None takes all.
            beam: beam of the constrained decoder.
            seed: of the points and of the phrasings.
        """
        points = split.points("valid")
        if num_points is not None and num_points < len(points):
            chosen = numpy_rng(seed, "plain-validation").choice(len(points), size=num_points, replace=False)
            points = [points[int(i)] for i in np.sort(chosen)]
        self.points, self.catalog, self.beam, self.seed = points, split.catalog, beam, seed
        self.histories = [point.history for point in points]
        self.targets = np.array([point.target for point in points], dtype=np.int64)
        self.problems = plain_problems(split.catalog, points)

    def __call__(
        self,
        lm: LanguageModel,
        *,
        scores: NDArray[np.floating] | None = None,
        weight: float = 0.0,
        first_place: float = 0.0,
        advance: Callable[[int], None] | None = None,
    ) -> dict[str, float]:
        """Return ndcg@10, hr@10 and mrr@10 of the lists that the model decodes.

        Args:
            lm: the language model.
            scores: (B, N) teacher scores, for the teacher term.
            weight: weight of the teacher term.
            first_place: weight of the first place at all places, see `decode_lists`.
            advance: told how many lists were decoded, for a progress bar.
        """
        prompts = plain_prompts(lm, self.catalog, self.points, phrasing="validation", seed=self.seed)
        lists: list[tuple[int, ...]] = []
        for start in range(0, len(prompts), _BATCH):
            part = slice(start, start + _BATCH)
            decoded = decode_lists(
                lm,
                prompts[part],
                self.problems[part],
                beam=self.beam,
                teacher_scores=None if scores is None else scores[part],
                weight=weight,
                first_place=first_place,
            )
            lists += [one.items for one in decoded]
            if advance is not None:
                advance(len(decoded))
        return ranking_summary(ranks_in_lists(lists, self.targets, self.histories))

    def samples(self, lm: LanguageModel, number: int = 3) -> list[str]:
        """Return a few freely written answers as text: what the model does when nobody holds its hand."""
        points = self.points[:number]
        prompts = plain_prompts(lm, self.catalog, points, phrasing="validation", seed=self.seed)
        answers = generate_free(lm, prompts, [PLAIN.count] * len(prompts))
        return [self._written(answer.items) for answer in answers]

    def _written(self, items: tuple[int | None, ...]) -> str:
        names = ["(unknown)" if item is None else self.catalog.displays[item] for item in items]
        return "; ".join(f"{place}. {name}" for place, name in enumerate(names, start=1))
