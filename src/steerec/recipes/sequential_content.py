"""Sequence models that read what the catalogue says of items: text beside ids, attributes, fields.

`python -m steerec.recipes.sequential_content --data ml-100k` hides items from the models of `id_text` and
asks for warm and for cold ones.
"""

from __future__ import annotations

from typing import Annotated

import typer

from steerec.data.split import Split
from steerec.evaluate.session import EvaluationConfig
from steerec.networks.heterogeneous import HeterogeneousConfig
from steerec.recipes.paper import Paper
from steerec.recommend.panel import PanelConfig
from steerec.recommend.sequences.cold import cold_report, hide_items
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.pretraining import PretrainingConfig
from steerec.recommend.sequences.text import TextConfig
from steerec.run_config import RunConfig

NO_VALUE = "no ml-100k leave-last-out full-ranking value is published"
_WHERE = "leave-last-out validation, seed 0; 2026-11-28, 2 cores x86_64, one thread, beside other jobs"
_SUITE = "seed 0; 2026-11-29, commit b26c883"
WARM = "item vectors start from the spectrum of the training transitions"
AGAIN = "a learned number is added to the score of items that the window holds already"
FLOORS = ("popularity", "item-knn", "floor")


def beside_floors(
    name: str, models: dict[str, SequenceConfig], paper: Paper, seeds: tuple[int, ...] = (0,)
) -> RunConfig:
    """Return a run of sequence models beside the floors."""
    return RunConfig(
        recipe=name,
        paper=paper,
        panel=PanelConfig(rows=(*FLOORS, *models), seeds=seeds, models=models, ensemble=None),
        evaluation=EvaluationConfig(num_requests=0, num_valid_requests=0, unmasked=True),
    )


def id_text() -> RunConfig:
    """Ids against text: the same network over learned vectors, over text vectors, and over both."""
    return beside_floors(
        "id-text",
        {
            "sasrec": SequenceConfig(),
            "id-text": SequenceConfig(text=TextConfig()),
            "text": SequenceConfig(text=TextConfig(ids=False)),
        },
        Paper(
            systems=("D17",),
            title="Where to Go Next for Recommender Systems? ID- vs. Modality-based Recommender Models "
            "Revisited",
            authors="Yuan et al.",
            venue="SIGIR 2023",
            url="https://arxiv.org/abs/2303.13835",
            state="reproduced",
            reported=NO_VALUE,
            ours="ml-100k, 252 of 1,682 items hidden: NDCG@10 of warm targets .1559 ids, .1118 text, .1477 "
            "both; HR@10 of cold ones among the hidden (chance .040) .000, .171, .199, among all .000, .021, "
            f".000 (`python -m steerec.recipes.sequential_content`); {_WHERE}. With repeats scored apart: "
            f"test .1293 [.112, .145], validation .1356; {_SUITE}",
            sources={
                "id_dropout": "DropoutNet (Volkovs et al., NeurIPS 2017): items read without their id",
                "text": "MiniLM's vectors of title, year and genres, centred",
            },
            departures=(
                "the text encoder is not trained along: its vectors are projected",
                AGAIN,
                "the projection starts from a ridge regression of the spectrum of the log on text",
                "items that training never saw are no wrong answers there, and take their bias from text",
            ),
        ),
    )


def s3rec() -> RunConfig:
    """S3-Rec: four self-supervised tasks, then the next item; beside the same network from scratch.

    Both ways to start: from the spectrum of the log, and from random vectors as published.
    """
    pretrained = SequenceConfig(pretraining=PretrainingConfig())
    return beside_floors(
        "s3rec",
        {
            "sasrec": SequenceConfig(),
            "s3rec": pretrained,
            "sasrec-random": SequenceConfig(warm_start=0.0),
            "s3rec-random": pretrained.replace(warm_start=0.0),
        },
        Paper(
            systems=("D04",),
            title="S3-Rec: Self-Supervised Learning for Sequential Recommendation with Mutual Information "
            "Maximization",
            authors="Zhou et al.",
            venue="CIKM 2020",
            url="https://arxiv.org/abs/2008.07873",
            state="runs",
            reported=NO_VALUE,
            ours="ml-100k NDCG@10 from random vectors .1299, the same fine-tuning from scratch .1068 "
            "(12 epochs; more would bring it closer); from the spectrum of the log .1324 and .1336, no gain; "
            f"{_WHERE}. With repeats scored apart, from the spectrum: test .1269 [.110, .143], "
            f"validation .1378; {_SUITE}",
            sources={
                "weights": "0.2, 1, 1, 0.5 for item-attribute, masked item, masked attribute, segment; "
                "masked share 0.2: the published code",
            },
            departures=(
                "hidden items are judged by full softmax, segments by the batch, not by one negative each",
                "a segment is read at its places without masks around it",
                "item vectors of the rows sasrec and s3rec start from the spectrum of the log",
                AGAIN,
                "10 epochs of pre-training; the published code takes hundreds",
            ),
        ),
    )


def heterorec() -> RunConfig:
    """HeterRec: items as tokens of their fields, several steps ahead; beside SASRec with summed fields."""
    text = TextConfig(categories=True)
    return beside_floors(
        "heterorec",
        {
            "sasrec": SequenceConfig(),
            "sasrec-fields": SequenceConfig(text=text),
            "heterorec": SequenceConfig(text=text, heterogeneous=HeterogeneousConfig()),
        },
        Paper(
            systems=("D14",),
            title="Hierarchical Causal Transformer with Heterogeneous Information for Expandable Sequential "
            "Recommendation",
            authors="Deng et al.",
            venue="arXiv 2025",
            url="https://arxiv.org/abs/2503.01469",
            state="runs",
            reported=NO_VALUE,
            ours="ml-100k NDCG@10 .1352, SASRec with the same fields summed .1315, of ids .1336: within one "
            f"standard error, at 4 times the processor time; {_WHERE}. With repeats scored apart: test .1283 "
            f"[.111, .144], validation .1420 (SASRec .1327 and .1431); {_SUITE}",
            sources={"steps": "3, each further one half as heavy: ours, the published details are not known"},
            departures=(
                "fields are id, MiniLM vector and genres: ml-100k has no images",
                "tokens are compared with the next items through the tower of their own field",
                WARM,
                AGAIN,
            ),
        ),
    )


def cold_rows(split: Split, models: dict[str, SequenceConfig], share: float, seed: int) -> list[str]:
    """Return a Markdown table of what each model knows of warm and of hidden items, on validation.

    Args:
        split: the split; a part of its items is hidden from training.
        models: by row name.
        share: of the items, see `hide_items`.
        seed: draws them.
    """
    hidden = hide_items(split, share, seed)
    warm, cold = len(hidden.split.points("valid")), len(hidden.points)
    lines = [
        f"{hidden.is_hidden.sum():,} of {len(split.catalog):,} {split.catalog.noun} hidden; targets: "
        f"{warm:,} warm, {cold:,} cold; split {split.hash[:12]}, validation",
        "",
        "| row | warm NDCG@10 | cold HR@10 among hidden | cold NDCG@10 among hidden | cold HR@10 among all |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    shown = ("warm/ndcg@10", "cold/hr@10", "cold/ndcg@10", "cold_among_all/hr@10")
    for name, model in models.items():
        found = cold_report(SequenceModel(model).fit(hidden.split), hidden)
        lines.append(f"| {name} | " + " | ".join(f"{found[metric]:.4f}" for metric in shown) + " |")
    return lines


def main(
    data: Annotated[str, typer.Option(help="A source of data.")] = "ml-100k",
    share: Annotated[float, typer.Option(help="Share of the items that are hidden.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Draws them.")] = 0,
) -> None:
    """Fit the models of `id_text` without some items and print what they know of them."""
    from steerec.data.source import load_source
    from steerec.data.split import make_split

    typer.echo("\n".join(cold_rows(make_split(load_source(data)), id_text().panel.models, share, seed)))


if __name__ == "__main__":
    typer.run(main)
