"""HeterRec's objective by hand, and the model around it: saved, refused, and better where fields tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch
from recommender_worlds import SMALL, world_split

from steerec.networks.heterogeneous import HeterogeneousConfig, HeterogeneousNetwork
from steerec.networks.sequence import TransformerConfig
from steerec.recommend.popularity import Popularity
from steerec.recommend.sequences.losses import FullSoftmax, next_item_loss
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.steps_ahead import ahead, learn_ahead
from steerec.recommend.sequences.tasks import AllActions, Lesson, NextItem, lesson
from steerec.recommend.sequences.text import TextConfig, given_vectors
from steerec.recommend.validation import Validation

TEXT = TextConfig(encoder="words", categories=True, id_dropout=0.0)
HETERO = SMALL.replace(text=TEXT, heterogeneous=HeterogeneousConfig())


def of_windows() -> Lesson:
    windows = [np.array([3, 4, 5, 6]), np.array([7, 8]), np.array([1, 2, 3])]
    return lesson(windows, None, NextItem(), 9, np.random.default_rng(0))


def test_targets_further_ahead_stay_within_their_sequence() -> None:
    """Inputs 3 4 5 | 7 | 1 2; what follows: 4 5 6 | 8 | 2 3."""
    given = of_windows()
    for step, expected in enumerate(
        [
            ([0, 1, 2, 3, 4, 5], [4, 5, 6, 8, 2, 3]),
            ([0, 1, 4], [5, 6, 3]),
            ([0], [6]),
            ([], []),
        ]
    ):
        places, targets = ahead(given, step)
        assert (places.tolist(), targets.tolist()) == expected
    assert len(ahead(given, 60)[0]) == 0


def network(tokens: HeterogeneousConfig) -> HeterogeneousNetwork:
    torch.manual_seed(0)
    made = HeterogeneousNetwork(
        tokens,
        torch.tensor([2, 3]),
        0.0,
        config=TransformerConfig(dropout=0.0),
        num_items=9,
        width=8,
        window=6,
        given=torch.randn(9, 5),
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def test_the_loss_is_that_of_items_and_tokens_at_each_step_weighed() -> None:
    made = network(HeterogeneousConfig(steps=2, step_decay=0.25, token_weight=3.0, token_share=1.0))
    given, popularity = of_windows(), torch.ones(9)
    output = learn_ahead(FullSoftmax(), popularity)(made, given)
    states = made.encoder(made.embed(given.batch), given.batch)
    tokens, expected = made.read(given.batch), torch.zeros(())
    for step, weight in ((0, 1.0), (1, 0.25)):
        places, targets = ahead(given, step)
        of_item = next_item_loss(made.look_ahead(states[places], step), targets, made.head(), FullSoftmax())
        of_tokens = [
            next_item_loss(
                made.token_states(tokens[places, field], step),
                targets,
                made.token_head(field),
                FullSoftmax(),
            )
            for field in range(3)
        ]
        expected = expected + weight * (of_item + 3.0 / 3 * torch.stack(of_tokens).sum())
    assert float(output.loss_sum.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert output.weight == 6


def test_one_step_without_tokens_is_the_next_item_loss() -> None:
    made = network(HeterogeneousConfig(steps=1, token_weight=0.0))
    given = of_windows()
    output = learn_ahead(FullSoftmax(), torch.ones(9))(made, given)
    expected = next_item_loss(made(given.batch), given.targets, made.head(), FullSoftmax())
    assert float(output.loss_sum.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_it_learns_the_planted_rule_and_is_the_same_after_loading(tmp_path: Path) -> None:
    split = world_split(num_users=200)
    validation = Validation.of(split)
    model = SequenceModel(HETERO.replace(training=SMALL.training.replace(max_steps=80))).fit(split)
    assert isinstance(model.network, HeterogeneousNetwork)
    scores = model.scores(validation.histories)
    popular = Popularity().fit(split).scores(validation.histories)
    reached = validation.metrics(scores)["ndcg@10"]
    assert reached > 2 * validation.metrics(popular)["ndcg@10"]
    model.save_pretrained(tmp_path)
    loaded = SequenceModel.from_pretrained(tmp_path)
    assert np.array_equal(loaded.scores(validation.histories), scores)


def test_fields_are_text_and_each_category_column() -> None:
    catalog = world_split().catalog
    given = given_vectors(catalog, TEXT)
    columns = [name for name, kind in catalog.columns.items() if kind in ("category", "categories", "path")]
    assert len(given.widths) == 1 + len(columns)
    assert given.table.shape == (len(catalog), int(given.widths.sum()))
    for field in torch.split(given.table, given.widths.tolist(), 1):
        assert field.square().sum(dim=1).mean() == pytest.approx(1.0, abs=1e-4)
    assert given_vectors(catalog, TEXT.replace(categories=False)).widths.tolist() == [128]


def test_what_it_cannot_do_is_refused() -> None:
    for change in ({"text": None}, {"text": TEXT.replace(ids=False)}, {"task": AllActions()}):
        with pytest.raises(pydantic.ValidationError, match="need text with ids"):
            HETERO.replace(**change)
