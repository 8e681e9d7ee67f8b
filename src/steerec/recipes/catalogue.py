"""The names of all recipes, imported on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from steerec.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from steerec.recipes.paper import Paper
    from steerec.run_config import RunConfig, SuiteConfig

RECIPES = {
    "controllable-tiny": "steerec.recipes.controllable:tiny",
    "controllable-tiny-titles": "steerec.recipes.controllable:tiny_titles",
    "controllable-smollm2": "steerec.recipes.controllable:smollm2",
    "controllable-tiny-continued": "steerec.recipes.alignment:tiny_continued",
    "controllable-tiny-grpo": "steerec.recipes.alignment:tiny_grpo",
    "controllable-tiny-merged": "steerec.recipes.alignment:tiny_merged",
    "controllable-tiny-titles-grpo": "steerec.recipes.alignment:titles_grpo",
    "controllable-tiny-dpo": "steerec.recipes.alignment:tiny_dpo",
    "controllable-tiny-pro": "steerec.recipes.alignment:tiny_pro",
    "controllable-tiny-best-of": "steerec.recipes.alignment:tiny_best_of",
    "controllable-tiny-rlhf": "steerec.recipes.alignment:tiny_rlhf",
    "controllable-tiny-on-policy": "steerec.recipes.alignment:tiny_on_policy",
    "controllable-tiny-ppo": "steerec.recipes.ablation:both_rewards",
    "ablation-next-items": "steerec.recipes.ablation:next_items",
    "ablation-item-rewards": "steerec.recipes.ablation:item_rewards",
    "ablation-list-rewards": "steerec.recipes.ablation:list_rewards",
    "ablation-published-ppo": "steerec.recipes.ablation:published_ppo",
    "study-everything": "steerec.recipes.studies:everything",
    "study-lima-diverse": "steerec.recipes.studies:lima_diverse",
    "study-lima-random": "steerec.recipes.studies:lima_random",
    "study-self-instruct-seeds": "steerec.recipes.studies:self_instruct_seeds",
    "study-self-instruct": "steerec.recipes.studies:self_instruct",
    "study-flan-without-exclusion": "steerec.recipes.studies:flan_without_exclusion",
    "reclm-gen-sft": "steerec.recipes.reclm:gen_sft",
    "reclm-gen": "steerec.recipes.reclm:gen",
    "sasrec": "steerec.recipes.conventional:sasrec",
    "floor": "steerec.recipes.conventional:floor",
    "hstu": "steerec.recipes.sequential:hstu",
    "hstu-no-bias": "steerec.recipes.sequential:hstu_no_bias",
    "hstu-softmax": "steerec.recipes.sequential:hstu_softmax",
    "hstu-long": "steerec.recipes.sequential:hstu_long",
    "hstu-stochastic": "steerec.recipes.sequential:hstu_stochastic_length",
    "bert4rec": "steerec.recipes.sequential:bert4rec",
    "transformers4rec": "steerec.recipes.sequential:transformers4rec",
    "transformers4rec-replaced": "steerec.recipes.sequential:transformers4rec_replaced",
    "gru4rec": "steerec.recipes.sequential:gru4rec",
    "narm": "steerec.recipes.sequential:narm",
    "attrec": "steerec.recipes.sequential:attrec",
    "pinnerformer": "steerec.recipes.sequential:pinnerformer",
    "sasrec-original": "steerec.recipes.sequential:sasrec_original",
    "gsasrec": "steerec.recipes.sequential:gsasrec",
    "star": "steerec.recipes.sequential:star",
    "id-text": "steerec.recipes.sequential_content:id_text",
    "s3rec": "steerec.recipes.sequential_content:s3rec",
    "heterorec": "steerec.recipes.sequential_content:heterorec",
    "sasrec-amazon": "steerec.recipes.sequential_suites:sasrec_amazon",
    "hstu-amazon": "steerec.recipes.sequential_suites:hstu_amazon",
    "teacher-ensemble": "steerec.recipes.sequential_suites:ensemble",
    "reader": "steerec.recipes.reading:reader",
}

SUITES = {
    "all-sequential": "steerec.recipes.sequential_suites:all_sequential",
    "all-sequential-amazon": "steerec.recipes.sequential_suites:all_sequential_amazon",
}
STUDIES = {
    "hstu-tasks": "steerec.recipes.sequential_actions:hstu_tasks",
    "unigrf": "steerec.recipes.sequential_actions:unigrf",
    "recgpt": "steerec.recipes.sequential_actions:recgpt",
}
"""Systems that predict something else than the next item, with a table of their own."""


def load_recipe(name: str) -> RunConfig:
    """Return the configuration that a recipe stands for.

    Raises:
        ConfigError: there is no recipe of that name.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, [*RECIPES, *STUDIES, *SUITES])
        known = f"Recipes: {', '.join([*RECIPES, *STUDIES])}. Suites: {', '.join(SUITES)}."
        raise ConfigError(f'There is no recipe "{name}".{hint} {known}')
    config: RunConfig = _call(RECIPES[name])
    return config


def load_suite(name: str) -> SuiteConfig:
    """Return the configuration that a suite of recipes stands for; its name is one of `SUITES`."""
    config: SuiteConfig = _call(SUITES[name])
    return config


def load_study(name: str) -> Any:
    """Return the configuration of a study; its name is one of `STUDIES`."""
    return _call(STUDIES[name])


def load_any(name: str) -> Any:
    """Return the configuration of a recipe, a suite or a study.

    Raises:
        ConfigError: there is no such name.
    """
    if name in SUITES:
        return load_suite(name)
    return load_study(name) if name in STUDIES else load_recipe(name)


def load_paper(name: str) -> Paper:
    """Return the record of a recipe or study."""
    paper: Paper = load_any(name).paper
    return paper


def _call(path: str) -> Any:
    module, function = path.split(":")
    return getattr(import_module(module), function)()


def describe() -> list[dict[str, Any]]:
    """Return one record per recipe, as `steerec list --json` prints them."""
    records = []
    for name in (*RECIPES, *STUDIES):
        paper = load_paper(name)
        records.append(
            {
                "name": name,
                "system": list(paper.systems),
                "state": paper.state,
                "reported": paper.reported,
                "ours": paper.ours,
                "command": f"steerec run {name}",
            }
        )
    return records
