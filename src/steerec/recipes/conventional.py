"""Conventional recommenders as recipes: the honest bar."""

from __future__ import annotations

from steerec.evaluate.session import EvaluationConfig
from steerec.recipes.paper import Paper
from steerec.recommend.panel import PanelConfig
from steerec.run_config import RunConfig


def sasrec() -> RunConfig:
    """SASRec with full softmax, three seeds, beside the training-free floor and the ensemble."""
    return RunConfig(
        recipe="sasrec",
        paper=Paper(
            systems=("D02",),
            title="Self-Attentive Sequential Recommendation",
            authors="Kang, McAuley",
            venue="ICDM 2018",
            url="https://arxiv.org/abs/1808.09781",
            state="runs",
            reported="no ml-100k leave-last-out full-ranking value is published",
            ours="ml-100k test NDCG@10 .124 [.108, .140] (.1244 / .1270 / .1210), minus the floor +.0038 "
            "[-.0089, +.0166]; 2026-11-23, commit 41f8f70, 2 cores AMD EPYC, 30 s a seed",
            sources={"loss": "full softmax: Klenitskiy and Vasilev, RecSys 2023 (arXiv 2309.07602)"},
            departures=(
                "full softmax over the catalogue instead of one sampled negative: it is far stronger",
                "item embeddings start from the spectrum of the training transitions",
                "attention has a learned bias per distance",
                "a learned number is added to the score of items that the window holds already",
            ),
        ),
        panel=PanelConfig(seeds=(0, 1, 2)),
        evaluation=EvaluationConfig(num_requests=0, num_valid_requests=0),
    )


def floor() -> RunConfig:
    """The training-free floor alone: EASE with recency and decayed transitions, in seconds."""
    return sasrec().replace(
        recipe="floor",
        paper=Paper(
            systems=(),
            title="Embarrassingly Shallow Autoencoders for Sparse Data",
            authors="Steck",
            venue="WWW 2019",
            url="https://arxiv.org/abs/1905.03375",
            state="runs",
            reported="no ml-100k leave-last-out full-ranking value is published",
            ours="ml-100k test NDCG@10 .1203, HR@10 .2195; 2026-11-23, 2 cores AMD EPYC, 5 s (docs/LOG.md)",
            departures=(
                "the history is weighted by recency",
                "decayed item-to-item transitions are added, settings chosen on validation",
            ),
        ),
        panel=PanelConfig(rows=("popularity", "item-knn", "ease", "floor"), ensemble=None),
    )
