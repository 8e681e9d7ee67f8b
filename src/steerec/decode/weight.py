"""How much the teacher says at decode time: the weight of its term, chosen on validation."""

from __future__ import annotations

import logging
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
    """Constrained decoding: the beam, and the weights of the teacher term to choose among."""

    beam: pydantic.PositiveInt = 8
    """Candidates kept while an item is spelled."""
    weights: tuple[pydantic.NonNegativeFloat, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    """Weights tried on validation; 0 switches the teacher term off."""
    num_points: pydantic.PositiveInt | None = None
    """Validation points used for the choice; None uses all."""

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if 0.0 not in self.weights:
            raise ValueError("weights must contain 0.0, so that the teacher term has to earn its place")
        return self


def choose_weight(
    lm: LanguageModel, split: Split, teacher: Recommender, config: DecodeConfig, seed: int
) -> dict[str, Any]:
    """Return the weight with the best validation NDCG@10, and the whole curve.

    Args:
        lm: the tuned language model.
        split: whose validation points are used.
        teacher: scores in nats, (B, N).
        config: beam, weights, number of points.
        seed: seed of the points and of the phrasings.

    Returns:
        `{"weight": w, "curve": [{"weight", "ndcg@10", "hr@10", "mrr@10", "teacher"}, ...]}`; "teacher" is
        the teacher's own NDCG@10 on the same points. Ties go to the smaller weight.
    """
    validation = PlainValidation(split, num_points=config.num_points, beam=config.beam, seed=seed)
    scores = teacher.scores(validation.histories)  # (B, N)
    masked = history_mask(validation.histories, len(split.catalog))
    alone = ranking_summary(rank_of_targets(scores, validation.targets, masked))
    curve = []
    total = len(validation.points) * len(config.weights)
    with progress("weight of the teacher term", total=total, unit="lists") as bar:
        for weight in sorted(config.weights):
            metrics = validation(lm, scores=scores, weight=weight, advance=bar.advance)
            curve.append({"weight": weight, **metrics, "teacher": alone["ndcg@10"]})
            logger.info("teacher term w = %g: validation NDCG@10 %.4f", weight, metrics["ndcg@10"])
    best = max(curve, key=lambda point: (point["ndcg@10"], -point["weight"]))
    return {"weight": best["weight"], "curve": curve}
