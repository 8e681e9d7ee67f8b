"""Sequence models as recipes, each beside the training-free floor."""

from __future__ import annotations

from steerec.evaluate.session import EvaluationConfig
from steerec.networks.sequence import AttRecConfig, HstuConfig, RecurrentConfig, TransformerConfig
from steerec.recipes.conventional import sasrec
from steerec.recipes.paper import Paper
from steerec.recipes.sequential_content import (
    AGAIN,
    FLOORS,
    NO_VALUE,
    WARM,
    beside_floors,
)
from steerec.recommend.panel import PanelConfig
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.losses import BinaryCrossEntropy, GeneralisedBinaryCrossEntropy
from steerec.recommend.sequences.tasks import AllActions, MaskedItems, PermutedItems, ReplacedItems
from steerec.run_config import DataConfig, RunConfig


def _measured(test: str, hit_rate: str, valid: str, seconds: int, more: str = "") -> str:
    """Return what the suite says of a row on ml-100k: test NDCG@10 and HR@10, validation NDCG@10."""
    beside = f"{more}; " if more else ""
    return (
        f"ml-100k test NDCG@10 {test}, HR@10 {hit_rate}, validation {valid}; {beside}{seconds} s a seed; "
        "2026-11-29, commit b26c883, 2 cores x86_64, one thread beside another job"
    )


def _alone(name: str, model: SequenceConfig, paper: Paper, seeds: tuple[int, ...] = (0,)) -> RunConfig:
    """Return a run of one sequence model beside the floors."""
    return beside_floors(name, {name: model}, paper, seeds)


def hstu() -> RunConfig:
    """HSTU: pointwise attention with a gate and a bias by distance and time."""
    return _alone(
        "hstu",
        SequenceConfig(encoder=HstuConfig()),
        Paper(
            systems=("D08",),
            title="Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers",
            authors="Zhai et al.",
            venue="ICML 2024",
            url="https://arxiv.org/abs/2402.17152",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(
                ".1239 [.108, .139] (.1219 / .1240 / .1257)", ".231", ".1408", 47, "SASRec .1315 and .1407"
            ),
            departures=(
                WARM,
                AGAIN,
                "full softmax over the catalogue instead of a sampled one",
                "the bias of time is that of the item itself, not of the moment the next one is taken: that "
                "moment is not known when a list is asked for",
            ),
        ),
        seeds=(0, 1, 2),
    )


def hstu_no_bias() -> RunConfig:
    """HSTU without its relative bias: what the bias is worth."""
    config = hstu()
    model = SequenceConfig(encoder=HstuConfig(bias="none"))
    paper = config.paper.replace(
        ours=_measured(".1107 [.095, .126]", ".212", ".1241", 49, "with the bias .1239 and .1408")
    )
    return _alone("hstu-no-bias", model, paper)


def hstu_softmax() -> RunConfig:
    """HSTU that weighs by softmax: what pointwise attention is worth."""
    paper = hstu().paper.replace(
        ours=_measured(
            ".1267 [.110, .143]",
            ".242",
            ".1426",
            60,
            "pointwise .1219 and .1403, seed 0: no gain of pointwise weights here",
        )
    )
    return _alone("hstu-softmax", SequenceConfig(encoder=HstuConfig(softmax=True)), paper)


def hstu_stochastic_length() -> RunConfig:
    """HSTU on histories of 200 items, of which training sees about N^1.7 of N^2 pairs."""
    paper = hstu().paper.replace(
        systems=("D10",),
        ours=_measured(
            ".1196 [.104, .135]",
            ".225",
            ".1350",
            77,
            "whole histories .1219 and .1392 (3 seeds, validation: .1366 and .1380)",
        ),
    )
    return _alone(
        "hstu-stochastic", SequenceConfig(encoder=HstuConfig(), window=200, stochastic_length=1.7), paper
    )


def hstu_long() -> RunConfig:
    """HSTU on histories of 200 items, whole: what stochastic length is measured against."""
    paper = hstu().paper.replace(ours=_measured(".1219 [.106, .138]", ".236", ".1392", 110))
    return _alone("hstu-long", SequenceConfig(encoder=HstuConfig(), window=200), paper)


def bert4rec() -> RunConfig:
    """BERT4Rec: hidden items guessed from both sides."""
    return _alone(
        "bert4rec",
        SequenceConfig(
            encoder=TransformerConfig(mask="bidirectional"), task=MaskedItems(), epochs=24, num_evaluations=12
        ),
        Paper(
            systems=("D03",),
            title="BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations",
            authors="Sun et al.",
            venue="CIKM 2019",
            url="https://arxiv.org/abs/1904.06690",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(
                ".1217 [.106, .137] (.1246 / .1163 / .1241)", ".226", ".1364", 116, "SASRec .1315 and .1407"
            ),
            sources={"epochs": "twice SASRec's: a pass predicts fewer items (Petrov and Macdonald 2022)"},
            departures=(WARM, AGAIN, "attention has a learned bias per distance"),
        ),
        seeds=(0, 1, 2),
    )


def transformers4rec() -> RunConfig:
    """Transformers4Rec's permuted items: guessed in a random order, as XLNet does."""
    return _alone(
        "transformers4rec",
        SequenceConfig(
            encoder=TransformerConfig(mask="bidirectional"),
            task=PermutedItems(),
            epochs=24,
            num_evaluations=12,
        ),
        Paper(
            systems=("D03",),
            title="Transformers4Rec: Bridging the Gap between NLP and Sequential Recommendation",
            authors="de Souza Pereira Moreira et al.",
            venue="RecSys 2021",
            url="https://dl.acm.org/doi/10.1145/3460231.3474255",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(".1195 [.104, .135]", ".234", ".1375", 182),
            departures=(
                WARM,
                AGAIN,
                "two streams are one: queries stand behind the items as tokens of their own",
                "other objectives: recipes sasrec, bert4rec and transformers4rec-replaced",
            ),
        ),
    )


def transformers4rec_replaced() -> RunConfig:
    """Transformers4Rec's replaced items: ELECTRA's objective beside that of BERT4Rec."""
    model = SequenceConfig(
        encoder=TransformerConfig(mask="bidirectional"), task=ReplacedItems(), epochs=24, num_evaluations=12
    )
    departures = (WARM, AGAIN, "the network that guesses and the one that finds guesses are one")
    paper = transformers4rec().paper.replace(departures=departures)
    return _alone("transformers4rec-replaced", model, paper)


def gru4rec() -> RunConfig:
    """GRU4Rec with full softmax."""
    return _alone(
        "gru4rec",
        SequenceConfig(encoder=RecurrentConfig(), width=128),
        Paper(
            systems=("D01",),
            title="Session-based Recommendations with Recurrent Neural Networks",
            authors="Hidasi, Karatzoglou, Baltrunas, Tikk",
            venue="ICLR 2016",
            url="https://arxiv.org/abs/1511.06939",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(".1159 [.101, .131] (.1177 / .1132 / .1169)", ".221", ".1285", 105),
            departures=(WARM, AGAIN, "full softmax over the catalogue instead of negatives of the batch"),
        ),
        seeds=(0, 1, 2),
    )


def narm() -> RunConfig:
    """NARM: a GRU and what its session was about."""
    return _alone(
        "narm",
        SequenceConfig(encoder=RecurrentConfig(kind="narm")),
        Paper(
            systems=("D01",),
            title="Neural Attentive Session-based Recommendation",
            authors="Li et al.",
            venue="CIKM 2017",
            url="https://arxiv.org/abs/1711.04725",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(".1138 [.098, .130]", ".209", ".1189", 109),
            departures=(WARM, AGAIN, "a bias per item is added to the bilinear scores"),
        ),
    )


def attrec() -> RunConfig:
    """AttRec: attention over recent items, compared by distance."""
    return _alone(
        "attrec",
        SequenceConfig(encoder=AttRecConfig()),
        Paper(
            systems=("D01",),
            title="Next Item Recommendation with Self-Attentive Metric Learning",
            authors="Zhang, Tay, Yao, Sun",
            venue="AAAI 2019 workshop",
            url="https://arxiv.org/abs/1808.06414",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(".0993 [.085, .114]", ".187", ".1167", 37),
            departures=(
                WARM,
                AGAIN,
                "the long-term taste is the mean of the history, not a free vector per user, which a person "
                "unknown at training has not",
                "full softmax of negative distances instead of a hinge on sampled ones",
            ),
        ),
    )


def pinnerformer() -> RunConfig:
    """The dense all-action loss against the next-item loss, by what they see of the next ten items."""
    paper = Paper(
        systems=("D05",),
        title="PinnerFormer: Sequence Modeling for User Representation at Pinterest",
        authors="Pancha, Zhai, Leskovec, Rosenberg",
        venue="KDD 2022",
        url="https://arxiv.org/abs/2205.04507",
        state="runs",
        reported="its data is not public",
        ours="temporal split, validation: recall@10 of the next ten .093 [.058, .133], the next-item "
        "loss .094 [.060, .134], NDCG@10 of the next item .116 and .123: its check is not shown; seed 0, "
        "commit bd1085b. Leave-last-out: " + _measured(".1231 [.106, .140]", ".226", ".1354", 150),
        departures=(WARM, AGAIN, "full softmax over the catalogue instead of a corrected sampled one"),
    )
    models = {
        "sasrec": SequenceConfig(),
        "pinnerformer": SequenceConfig(task=AllActions(), epochs=24, num_evaluations=12),
    }
    config = beside_floors("pinnerformer", models, paper)
    return config.replace(
        data=DataConfig(split="temporal"),
        evaluation=config.evaluation.replace(horizon=10),
    )


def star() -> RunConfig:
    """STAR's training-free score of text and co-occurrence."""
    return RunConfig(
        recipe="star",
        paper=Paper(
            systems=("E13",),
            title="STAR: A Simple Training-free Approach for Recommendations using Large Language Models",
            authors="Lee et al.",
            venue="arXiv 2024",
            url="https://arxiv.org/abs/2410.16458",
            state="runs",
            reported="with the reordering: HR@10 +23.8 % on Beauty, +37.5 % on Toys, -1.8 % on Sports "
            "relative to the best supervised model of its table (abstract)",
            ours=_measured(
                ".1064 [.090, .123]", ".187", ".1166", 1, "co-occurrence alone (item-knn) .1022 and .1176"
            ),
            departures=(
                "text vectors of MiniLM instead of a large embedding model, centred",
                "the share of the text is chosen on validation",
                "ratings of the history do not weigh, the language model that reorders is not built",
            ),
        ),
        panel=PanelConfig(rows=(*FLOORS, "star"), ensemble=None),
        evaluation=EvaluationConfig(num_requests=0, num_valid_requests=0, unmasked=True),
    )


def sasrec_original() -> RunConfig:
    """SASRec as published: one sampled negative, binary cross-entropy, nothing added."""
    model = SequenceConfig(
        encoder=TransformerConfig(bias="none", num_heads=1, dropout=0.2),
        loss=BinaryCrossEntropy(),
        warm_start=0.0,
        repeats=None,
        epochs=60,
        num_evaluations=15,
        training=SequenceConfig().training.replace(learning_rate=1e-3),
    )
    paper = sasrec().paper.replace(
        ours=_measured(
            ".0917 [.077, .106]",
            ".175",
            ".0979",
            167,
            "full softmax and what else `sasrec` adds .1315 and .1407",
        ),
        sources={},
        departures=(),
    )
    return _alone("sasrec-original", model, paper)


def gsasrec() -> RunConfig:
    """gSASRec: many negatives without overconfidence."""
    return _alone(
        "gsasrec",
        SequenceConfig(loss=GeneralisedBinaryCrossEntropy()),
        Paper(
            systems=("D02",),
            title="gSASRec: Reducing Overconfidence in Sequential Recommendation",
            authors="Petrov, Macdonald",
            venue="RecSys 2023",
            url="https://arxiv.org/abs/2308.07192",
            state="runs",
            reported=NO_VALUE,
            ours=_measured(".1002 [.085, .115]", ".193", ".1147", 256, "full softmax .1315 and .1407"),
            departures=(WARM, AGAIN, "attention has a learned bias per distance"),
        ),
    )
