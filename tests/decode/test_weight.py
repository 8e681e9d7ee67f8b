"""The weight of the teacher term is chosen on validation, and has to earn its place."""

from __future__ import annotations

import pytest

from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.decode.validation import PlainValidation
from steerec.decode.weight import DecodeConfig, choose_weight
from steerec.llm.language_model import LanguageModel
from steerec.llm.tiny import TinyConfig, build_tiny
from steerec.recommend.floor import Floor


@pytest.fixture(scope="module")
def world() -> tuple[Split, Floor, LanguageModel]:
    split = make_split(make_world(num_users=30, num_items=40, seed=1))
    size = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 32, "num_words": 300}
    lm = build_tiny(split.catalog, ["Recommend 10 items."], TinyConfig(**size))
    return split, Floor().fit(split), lm


def test_a_huge_weight_is_the_teacher_and_wins_against_an_untrained_model(
    world: tuple[Split, Floor, LanguageModel],
) -> None:
    split, teacher, lm = world
    chosen = choose_weight(lm, split, teacher, DecodeConfig(weights=(0.0, 1e4)), seed=0)
    untrained, taught = chosen["curve"]
    assert (untrained["weight"], taught["weight"]) == (0.0, 1e4)
    assert taught["ndcg@10"] == pytest.approx(taught["teacher"])
    assert untrained["ndcg@10"] < taught["ndcg@10"]
    assert chosen["weight"] == 1e4


def test_ties_go_to_the_smaller_weight(world: tuple[Split, Floor, LanguageModel]) -> None:
    split, teacher, lm = world
    chosen = choose_weight(lm, split, teacher, DecodeConfig(weights=(0.0, 1e-12)), seed=0)
    assert chosen["weight"] == 0.0


def test_validation_points_are_fixed_and_samples_are_readable(
    world: tuple[Split, Floor, LanguageModel],
) -> None:
    split, _, lm = world
    one, two = (PlainValidation(split, num_points=7, beam=2, seed=5) for _ in range(2))
    assert [point.user for point in one.points] == [point.user for point in two.points]
    assert len(one.points) == 7
    assert one(lm) == two(lm)
    texts = one.samples(lm, 2)
    assert len(texts) == 2
    assert all(text.startswith("1. ") for text in texts)


def test_the_teacher_term_cannot_be_forced() -> None:
    with pytest.raises(ValueError, match="has to earn its place"):
        DecodeConfig(weights=(0.5,))
