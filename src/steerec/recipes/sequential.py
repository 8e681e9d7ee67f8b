"""Sequence models as recipes, each beside the training-free floor, and the suite that puts all in a table."""

from __future__ import annotations

from steerec.evaluate.session import EvaluationConfig
from steerec.networks.sequence import AttRecConfig, HstuConfig, RecurrentConfig, TransformerConfig
from steerec.recipes.conventional import floor, sasrec
from steerec.recipes.paper import Paper
from steerec.recipes.sequential_content import (
    AGAIN,
    FLOORS,
    NO_VALUE,
    WARM,
    beside_floors,
    heterorec,
    id_text,
    s3rec,
)
from steerec.recommend.ensemble import EnsembleConfig
from steerec.recommend.panel import PanelConfig
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.losses import BinaryCrossEntropy, GeneralisedBinaryCrossEntropy
from steerec.recommend.sequences.tasks import AllActions, MaskedItems, PermutedItems, ReplacedItems
from steerec.run_config import DataConfig, RunConfig, SuiteConfig


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
            ours="ml-100k validation NDCG@10 .1371 (.1384 / .1338 / .1391), HR@10 .251; SASRec .1355; "
            "2026-11-29, commit 38c3687, 2 cores x86_64, one thread beside other jobs, 64 s a seed",
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
        ours="ml-100k validation NDCG@10 .1183, with the bias .1384; seed 0, docs/LOG.md"
    )
    return _alone("hstu-no-bias", model, paper)


def hstu_softmax() -> RunConfig:
    """HSTU that weighs by softmax: what pointwise attention is worth."""
    paper = hstu().paper.replace(ours="not measured yet")
    return _alone("hstu-softmax", SequenceConfig(encoder=HstuConfig(softmax=True)), paper)


def hstu_stochastic_length() -> RunConfig:
    """HSTU on histories of 200 items, of which training sees about N^1.7 of N^2 pairs."""
    paper = hstu().paper.replace(systems=("D10",), ours="not measured yet")
    return _alone(
        "hstu-stochastic", SequenceConfig(encoder=HstuConfig(), window=200, stochastic_length=1.7), paper
    )


def hstu_long() -> RunConfig:
    """HSTU on histories of 200 items, whole: what stochastic length is measured against."""
    paper = hstu().paper.replace(ours="not measured yet")
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
            ours="ml-100k validation NDCG@10 .1333, HR@10 .245, SASRec .1336 and .234; seed 0, docs/LOG.md",
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
            ours="not measured yet",
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
            ours="width 64: ml-100k validation NDCG@10 .1185, HR@10 .226; seed 0, docs/LOG.md",
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
            ours="not measured yet",
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
            ours="not measured yet",
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
    config = _alone(
        "pinnerformer",
        SequenceConfig(task=AllActions(), epochs=24, num_evaluations=12),
        Paper(
            systems=("D05",),
            title="PinnerFormer: Sequence Modeling for User Representation at Pinterest",
            authors="Pancha, Zhai, Leskovec, Rosenberg",
            venue="KDD 2022",
            url="https://arxiv.org/abs/2205.04507",
            state="runs",
            reported="its data is not public",
            ours="not measured yet",
            departures=(WARM, AGAIN, "full softmax over the catalogue instead of a corrected sampled one"),
        ),
    )
    models = {"sasrec": SequenceConfig(), **config.panel.models}
    config = beside_floors("pinnerformer", models, config.paper)
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
            ours="not measured yet",
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
    paper = sasrec().paper.replace(ours="not measured yet", sources={}, departures=())
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
            ours="not measured yet",
            departures=(WARM, AGAIN, "attention has a learned bias per distance"),
        ),
    )


def ensemble() -> RunConfig:
    """The teachers of the table added up, weights chosen on validation."""
    return _together(sasrec(), hstu(), bert4rec())


def _together(*members: RunConfig) -> RunConfig:
    """Return a run of the models of several runs and the floors, and of the best ensemble of them."""
    models = {one.recipe: one.panel.models[one.recipe] for one in members}
    paper = Paper(
        systems=(),
        title="Ensemble Methods in Machine Learning",
        authors="Dietterich",
        venue="MCS 2000",
        state="runs",
        reported="no system is claimed: a weighted sum of standardised scores",
        ours="not measured yet",
    )
    config = beside_floors("teacher-ensemble", models, paper)
    return config.replace(panel=config.panel.replace(ensemble=EnsembleConfig()))


def all_sequential() -> SuiteConfig:
    """Every sequence model, settings searched on ml-100k."""
    members = {
        "floor": floor(),
        "sasrec": sasrec(),
        "hstu": hstu(),
        "bert4rec": bert4rec(),
        "gru4rec": gru4rec(),
        "narm": narm(),
        "attrec": attrec(),
        "star": star(),
        "transformers4rec": transformers4rec(),
        "transformers4rec-replaced": transformers4rec_replaced(),
        "pinnerformer": pinnerformer(),
        "sasrec-original": sasrec_original(),
        "gsasrec": gsasrec(),
        "hstu-no-bias": hstu_no_bias(),
        "hstu-softmax": hstu_softmax(),
        "hstu-long": hstu_long(),
        "hstu-stochastic": hstu_stochastic_length(),
        "id-text": id_text(),
        "s3rec": s3rec(),
        "heterorec": heterorec(),
        "teacher-ensemble": ensemble(),
    }
    return SuiteConfig(suite="all-sequential", members={k: _in_suite(v) for k, v in members.items()})


def sasrec_amazon() -> RunConfig:
    """SASRec with settings searched on Amazon Beauty: short histories, thousands of items."""
    paper = sasrec().paper.replace(
        reported="Beauty R@10 .0605, N@10 .0318 (TIGER's table); with full cross-entropy .0851, .0421, "
        "history not masked (genrec, max_len 50)",
        ours="Beauty test, 3 seeds, history masked: R@10 .0921, N@10 .0528 (.0526 / .0529 / .0531), the "
        "floor .086 and .053; not masked .0774 and .0368; 2026-11-29, commit aeb352b, 2 cores x86_64, one "
        "thread beside other jobs, 17 min a seed",
    )
    # Short histories: their own items among the wrong answers do good there, and more epochs.
    model = _for_amazon(SequenceConfig(repeats="counted", epochs=18))
    return _alone("sasrec-amazon", model, paper, seeds=(0, 1, 2))


def hstu_amazon() -> RunConfig:
    """HSTU with settings searched on Amazon Beauty."""
    paper = hstu().paper.replace(
        reported="Beauty R@10 .0859, N@10 .0441, full cross-entropy, history not masked (genrec, max_len 50)",
        ours="not measured yet",
    )
    return _alone("hstu-amazon", _for_amazon(SequenceConfig(encoder=HstuConfig())), paper, seeds=(0, 1, 2))


def _for_amazon(model: SequenceConfig) -> SequenceConfig:
    """Return a sequence model with larger batches, a lower rate and more epochs."""
    training = model.training.replace(learning_rate=1e-3)
    epochs = 20 * model.epochs / SequenceConfig().epochs
    return model.replace(batch_size=256, epochs=epochs, num_evaluations=6, training=training)


def all_sequential_amazon() -> SuiteConfig:
    """Every sequence model, settings searched on Amazon Beauty: `--set data=FOLDER`."""
    known = all_sequential().members
    members = {"floor": known["floor"], "sasrec-amazon": sasrec_amazon(), "hstu-amazon": hstu_amazon()}
    for name in ("bert4rec", "gru4rec", "narm", "attrec", "star", "transformers4rec", "gsasrec"):
        config = known[name]
        models = {row: _for_amazon(model) for row, model in config.panel.models.items()}
        members[name] = config.replace(panel=config.panel.replace(models=models, seeds=(0,)))
    members["teacher-ensemble"] = _together(sasrec_amazon(), hstu_amazon())
    return SuiteConfig(suite="all-sequential-amazon", members={k: _in_suite(v) for k, v in members.items()})


def _in_suite(config: RunConfig) -> RunConfig:
    """Return a member without the floors that another member has, and with unmasked rankings."""
    is_ensemble = config.recipe == "teacher-ensemble"
    rows = config.panel.rows if config.recipe == "floor" or is_ensemble else (config.recipe,)
    return config.replace(
        panel=config.panel.replace(rows=rows, ensemble=config.panel.ensemble if is_ensemble else None),
        evaluation=config.evaluation.replace(unmasked=True, horizon=None),
    )
