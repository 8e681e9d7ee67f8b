"""Recipes of models that read the catalogue: whose models they compare, and the table of cold items."""

from __future__ import annotations

import json

import pytest

from steerec.data.split import make_split
from steerec.data.synthetic import make_world
from steerec.loop import TrainingConfig
from steerec.recipes.sequential_content import cold_rows, heterorec, id_text, s3rec
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.text import TextConfig


@pytest.mark.parametrize("recipe", [id_text, s3rec, heterorec], ids=lambda recipe: recipe.__name__)
def test_each_stands_beside_the_same_network_without_what_is_new(recipe) -> None:  # type: ignore[no-untyped-def]
    config = recipe()
    assert type(config).model_validate(json.loads(config.model_dump_json())) == config
    models = config.panel.models
    assert models["sasrec"] == SequenceConfig()
    for model in models.values():
        plain = model.replace(text=None, heterogeneous=None, pretraining=None)
        assert plain.replace(warm_start=0.1) == SequenceConfig()
    if recipe is s3rec:
        for name in ("sasrec", "sasrec-random"):
            pretrained = models[name.replace("sasrec", "s3rec")]
            assert pretrained.pretraining is not None
            assert pretrained.replace(pretraining=None) == models[name]
    if recipe is heterorec:  # the same fields, summed
        assert models["sasrec-fields"].text == models["heterorec"].text


def test_the_table_of_cold_items_has_a_row_for_each_model() -> None:
    split = make_split(make_world(num_users=60, num_items=40))
    training = TrainingConfig(max_steps=2, learning_rate=1e-3)
    small = SequenceConfig(width=8, window=8, training=training)
    lines = cold_rows(split, {"ids": small, "both": small.replace(text=TextConfig(encoder="words"))}, 0.2, 0)
    assert lines[0].startswith("8 of 40 films hidden; targets: ")
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| ids", "| both"]
    assert all(line.count("|") == 6 for line in lines[2:])
