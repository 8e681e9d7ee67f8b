"""What decoding listens to beside the next place: the first place and the teacher, weighed on validation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pydantic

from steerec.config import Config
from steerec.data.split import Split
from steerec.decode.validation import PlainValidation
from steerec.llm.language_model import LanguageModel
from steerec.metrics.names import ranking_summary
from steerec.metrics.ranking import history_mask, rank_of_targets
from steerec.progress import progress
from steerec.recommend.recommender import Recommender

logger = logging.getLogger("steerec")


class DecodeConfig(Config):
    """Constrained decoding: the beam, and the weights to choose among."""

    beam: pydantic.PositiveInt = 8
    """Candidates kept while an item is spelled."""
    weights: tuple[pydantic.NonNegativeFloat, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    """Weights tried on validation; 0 switches the teacher term off."""
    first_places: tuple[pydantic.NonNegativeFloat, ...] = (0.0,)
    """Weights tried, without the teacher, of what an item had at the first place; more than 0 needs one token
    per item."""
    num_points: pydantic.PositiveInt | None = None
    """Validation points used for the choice; None uses all."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if 0.0 not in self.weights or 0.0 not in self.first_places:
            raise ValueError(
                "weights and first_places must contain 0.0, so that terms have to earn their place"
            )
        return self


def choose_weights(
    lm: LanguageModel, split: Split, teacher: Recommender, config: DecodeConfig, seed: int
) -> dict[str, Any]:
    """Return the weights with the best validation NDCG@10, and the curves.

    The first place is weighed first, without the teacher; then the teacher beside it.

    Args:
        lm: the tuned language model.
        split: whose validation points are used.
        teacher: scores in nats, (B, N).
        config: beam, weights, number of points.
        seed: seed of the points and of the phrasings.

    Returns:
        `{"first_place": a, "first_place_curve": [{"first_place", "ndcg@10", ..}, ..], "weight": w, "curve":
        [{"weight", "ndcg@10", "hr@10", "mrr@10", "teacher"}, ..]}`; "teacher" is the teacher's own NDCG@10 on
        the same points. Ties go to the smaller weight.
    """
    validation = PlainValidation(split, num_points=config.num_points, beam=config.beam, seed=seed)
    scores = teacher.scores(validation.histories)  # (B, N)
    masked = history_mask(validation.histories, len(split.catalog))
    alone = ranking_summary(rank_of_targets(scores, validation.targets, masked))
    firsts, curve = [], []
    total = len(validation.points) * (len(config.weights) + len(config.first_places))
    with progress("weights of decoding", total=total, unit="lists") as bar:
        for first in sorted(config.first_places):
            metrics = validation(lm, first_place=first, advance=bar.advance)
            firsts.append({"first_place": first, **metrics})
            logger.info("first place a = %g: validation NDCG@10 %.4f", first, metrics["ndcg@10"])
        first = _best(firsts, "first_place")
        for weight in sorted(config.weights):
            metrics = validation(lm, scores=scores, weight=weight, first_place=first, advance=bar.advance)
            curve.append({"weight": weight, **metrics, "teacher": alone["ndcg@10"]})
            logger.info("teacher term w = %g: validation NDCG@10 %.4f", weight, metrics["ndcg@10"])
    return {
        "first_place": first,
        "first_place_curve": firsts,
        "weight": _best(curve, "weight"),
        "curve": curve,
    }


def _best(curve: Sequence[Mapping[str, float]], name: str) -> float:
    return max(curve, key=lambda point: (point["ndcg@10"], -point[name]))[name]
