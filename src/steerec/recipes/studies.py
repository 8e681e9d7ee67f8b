"""Small studies of instruction data, on the demo's model with a third of its steps, one seed each."""

from __future__ import annotations

from steerec.instruct.mixture import TASK_WEIGHTS
from steerec.instruct.selection import PickConfig
from steerec.instruct.self_instruct import SelfInstructConfig
from steerec.recipes.controllable import tiny
from steerec.recipes.paper import Paper
from steerec.run_config import RunConfig

_LIMA = Paper(
    systems=("A10",),
    title="LIMA: Less Is More for Alignment",
    authors="Zhou, Liu, Xu, Iyer, Sun, Mao, Ma, Efrat, Yu, Yu, Zhang, Ghosh, Lewis, Zettlemoyer, Levy",
    venue="NeurIPS 2023",
    url="https://arxiv.org/abs/2305.11206",
    state="runs",
    reported="1,000 curated prompts tune a 65B model as well as far more; no recommender among its tasks",
    ours="ml-100k, last-five validation, one seed, 30,000 rows / 1,000 diverse / 1,000 random: NDCG@10 "
    ".1403 / .1255 / .1328, obeys validation words 34.3 / 31.6 / 32.1 %; diversity does not help",
    departures=("a model from scratch, which has no knowledge from pre-training that tuning could call up",),
)
_FLAN = Paper(
    systems=("A08",),
    title="Finetuned Language Models Are Zero-Shot Learners",
    authors="Wei, Bosma, Zhao, Guu, Yu, Lester, Du, Dai, Le",
    venue="ICLR 2022",
    url="https://arxiv.org/abs/2109.01652",
    state="runs",
    reported="137B parameters tuned on 11 task clusters beat the untuned model on the 12th",
    ours="ml-100k, last-five validation, one seed: without is obeyed by 10 %, with its rows by 36 % (39 "
    "requests, validation words): no transfer; only rises from 15 to 51 %",
    departures=("families of controls instead of clusters of tasks",),
)
_SELF_INSTRUCT = Paper(
    systems=("A11",),
    title="Self-Instruct: Aligning Language Models with Self-Generated Instructions",
    authors="Wang, Kordi, Mishra, Liu, Smith, Khashabi, Hajishirzi",
    venue="ACL 2023",
    url="https://arxiv.org/abs/2212.10560",
    state="runs",
    reported="175 seed tasks grown to 52,000 instructions lift GPT-3 by 33 % on Super-NaturalInstructions",
    ours="ml-100k, last-five validation, one seed: 31 seeds grown to 182 phrasings; obeys validation words "
    "21.5 -> 27.6 %, +6.0 points [+2.7, +9.5]; phrasings by hand 34.3 %",
    departures=(
        "phrasings of known kinds of requests instead of tasks: nothing is classified, no answer written",
        "SmolLM2-135M-Instruct writes, and another model is tuned",
    ),
)


def everything() -> RunConfig:
    """All rows: what the studies are compared with."""
    parent = tiny()
    assert parent.sft is not None
    training = parent.sft.training.replace(max_steps=400, eval_steps=200)
    return parent.replace(
        recipe="study-everything",
        paper=parent.paper.replace(
            ours="ml-100k, last-five validation, one seed: NDCG@10 .1403, obeys validation words 34.3 %"
        ),
        sft=parent.sft.replace(training=training),
    )


def lima_diverse() -> RunConfig:
    """LIMA: 1,000 diverse rows."""
    return _picked("study-lima-diverse", PickConfig(how="diverse"))


def lima_random() -> RunConfig:
    """LIMA: 1,000 random rows."""
    return _picked("study-lima-random", PickConfig(how="random"))


def _picked(recipe: str, pick: PickConfig) -> RunConfig:
    parent = everything()
    assert parent.instruct is not None
    return parent.replace(recipe=recipe, paper=_LIMA, instruct=parent.instruct.replace(pick=pick))


def flan_without_exclusion() -> RunConfig:
    """FLAN: no row excludes a category, alone or among others; is "no horror" obeyed all the same?"""
    parent = everything()
    assert parent.instruct is not None
    left_out = ("exclude_category", "compound")
    weights = {name: weight for name, weight in TASK_WEIGHTS.items() if name not in left_out}
    return parent.replace(
        recipe="study-flan-without-exclusion", paper=_FLAN, instruct=parent.instruct.replace(weights=weights)
    )


def self_instruct_seeds() -> RunConfig:
    """Self-Instruct's baseline: every kind of sentence in one phrasing."""
    return _phrased("study-self-instruct-seeds", SelfInstructConfig(num_phrasings=0))


def self_instruct() -> RunConfig:
    """Self-Instruct: the same, grown to 500 phrasings by SmolLM2-135M-Instruct."""
    return _phrased("study-self-instruct", SelfInstructConfig())


def _phrased(recipe: str, growth: SelfInstructConfig) -> RunConfig:
    parent = everything()
    assert parent.instruct is not None
    instruct = parent.instruct.replace(self_instruct=growth)
    return parent.replace(recipe=recipe, paper=_SELF_INSTRUCT, instruct=instruct)
