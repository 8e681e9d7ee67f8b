"""Recipes of models that read what people did: HSTU's tasks, UniGRF.

Each is a small study of its own: `python -m steerec.recipes.sequential_actions unigrf --data ml-100k`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steerec.config import Config
from steerec.data.split import Split
from steerec.recipes.paper import Paper
from steerec.recommend.action_losses import AdaptiveWeights, Enhancer
from steerec.recommend.actions import ActionConfig

_WHERE = (
    "ml-100k leave-last-out validation, seed 0; 2026-11-28, 2 cores x86_64, one thread, beside other jobs"
)


class ActionStudy(Config):
    """Models of actions fitted on one split, and which of them are compared."""

    recipe: str
    paper: Paper
    models: dict[str, ActionConfig]
    """By row name."""
    pairs: tuple[tuple[str, str], ...]
    """Rows, baselines included, whose difference is shown, first minus second."""


def hstu_tasks() -> ActionStudy:
    """HSTU's ranking and recall by one backbone, against means and popularity."""
    return ActionStudy(
        recipe="hstu-tasks",
        paper=Paper(
            systems=("D07", "D09"),
            title="Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative "
            "Recommendations",
            authors="Zhai, Liao, Liu, Wang, Li, Cao, Gao, Gong, Gu, He, Lu, Shi",
            venue="ICML 2024",
            url="https://arxiv.org/abs/2402.17152",
            state="runs",
            reported="normalised entropy on data of its own; no ml-100k value is published",
            ours="see docs/LOG.md",
            sources={
                "interleaving": "section 2.2: the content position foretells the action, target-aware",
                "samples": "section 2.3: one per request end",
                "only_liked": "table 1: recall has no target where the next action is not positive",
            },
            departures=(
                "an action is a rating of at least 4; its token carries its item's vector too",
                "recall stands at action positions of the interleaved sequence, as in UniGRF",
                "a request is a stretch without a pause of half an hour, cut to 50 items",
                "item vectors start from the spectrum of the training transitions",
                "the feature view is a function of its own: ml-100k has no slow features",
            ),
        ),
        models={
            "hstu-ranking": ActionConfig(learns="action", epochs=8),
            "hstu-recall": ActionConfig(learns="item", epochs=8),
        },
        pairs=(
            ("hstu-ranking", "item mean"),
            ("hstu-ranking", "user + item mean"),
            ("hstu-recall", "popularity"),
        ),
    )


def unigrf() -> ActionStudy:
    """UniGRF: recall and ranking by one model against separately trained twins."""
    twins = hstu_tasks().models
    joint = ActionConfig(learns="both", epochs=8)
    return ActionStudy(
        recipe="unigrf",
        paper=Paper(
            systems=("D16",),
            title="Killing Two Birds with One Stone: Unifying Retrieval and Ranking with a Single Generative "
            "Recommendation Model",
            authors="Zhang, Song, Lee, Guo, Wang, Li, Guo, Liu, Lian, Chen",
            venue="arXiv 2504.16454, 2025",
            url="https://arxiv.org/abs/2504.16454",
            state="runs",
            reported="MovieLens and Amazon Books, other splits; no ml-100k value is published",
            ours="see docs/LOG.md",
            departures=(
                "weights take the form of dynamic weight averaging: the paper's formula is not confirmed",
                "thresholds of the enhancer are ours; a quarter of the samples, one place each",
                "hard negatives count more in a full softmax instead of being sampled",
                "item vectors start from the spectrum of the training transitions",
            ),
        ),
        models={
            **twins,
            "joint": joint,
            "unigrf": joint.replace(adaptive=AdaptiveWeights(), enhancer=Enhancer()),
        },
        pairs=(
            ("joint", "hstu-ranking"),
            ("joint", "hstu-recall"),
            ("unigrf", "hstu-ranking"),
            ("unigrf", "hstu-recall"),
        ),
    )


STUDIES = {"hstu-tasks": hstu_tasks, "unigrf": unigrf}


def run_study(study: ActionStudy, split: Split, folder: Path) -> str:
    """Fit what is not yet saved in `folder` and return the table; validation only."""
    from steerec.evaluate.actions import baselines, differences, fit_models, render, rows_of

    level = next(iter(study.models.values())).liked_from
    answers = {**baselines(split, level), **fit_models(split, study.models, folder)}
    pairs = {f"{a} - {b}": differences(split, answers[a], answers[b], level) for a, b in study.pairs}
    return f"{render(rows_of(split, answers, level), pairs)}\nsplit {split.hash[:12]}, validation"


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES)}.")],
    data: Annotated[str, typer.Option(help="A source of data.")] = "ml-100k",
    out: Annotated[Path, typer.Option(help="Folder for the fitted models.")] = Path("runs/actions"),
) -> None:
    """Run a study and print its table."""
    from steerec.data.source import load_source
    from steerec.data.split import make_split
    from steerec.errors import ConfigError, did_you_mean

    if name not in STUDIES:
        raise ConfigError(f'There is no study "{name}".{did_you_mean(name, STUDIES)} {", ".join(STUDIES)}.')
    typer.echo(run_study(STUDIES[name](), make_split(load_source(data)), out))


if __name__ == "__main__":
    typer.run(main)
