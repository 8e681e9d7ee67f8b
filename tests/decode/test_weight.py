"""The weight of the teacher term is chosen on validation, and has to earn its place."""

from __future__ import annotations

import pytest
import torch

from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.decode.constrained import decode_lists
from steerec.decode.prompts import plain_problems, plain_prompts
from steerec.decode.validation import PlainValidation
from steerec.decode.weight import DecodeConfig, choose_weights
from steerec.errors import ConfigError
from steerec.items.identifier import AtomicIdentifier
from steerec.llm.language_model import LanguageModel
from steerec.llm.tiny import TinyConfig, build_tiny
from steerec.recommend.floor import Floor


@pytest.fixture(scope="module")
def world() -> tuple[Split, Floor, LanguageModel]:
    split = make_split(make_world(num_users=30, num_items=40, seed=1))
    size = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 32, "num_words": 300}
    # Untrained, a model whose places have large embeddings writes nothing but places.
    lm = build_tiny(split.catalog, ["Recommend 10 items."], TinyConfig(vector_range=0.02, **size))
    return split, Floor().fit(split), lm


def test_a_huge_weight_is_the_teacher_and_wins_against_an_untrained_model(
    world: tuple[Split, Floor, LanguageModel],
) -> None:
    split, teacher, lm = world
    chosen = choose_weights(lm, split, teacher, DecodeConfig(weights=(0.0, 1e4)), seed=0)
    untrained, taught = chosen["curve"]
    assert (untrained["weight"], taught["weight"]) == (0.0, 1e4)
    assert taught["ndcg@10"] == pytest.approx(taught["teacher"])
    assert untrained["ndcg@10"] < taught["ndcg@10"]
    assert chosen["weight"] == 1e4


def test_a_huge_first_place_ranks_by_the_first_place_alone(world: tuple[Split, Floor, LanguageModel]) -> None:
    split, teacher, lm = world
    validation = PlainValidation(split, num_points=6, beam=8, seed=0)
    prompts = plain_prompts(lm, split.catalog, validation.points, phrasing="validation", seed=0)
    lists = decode_lists(lm, prompts, validation.problems, first_place=1e6)
    assert isinstance(lm.identifier, AtomicIdentifier)
    first = lm.identifier.first_item_id
    changed = 0
    for prompt, problem, found in zip(prompts, validation.problems, lists, strict=True):
        with torch.inference_mode():
            begun = [*prompt, *lm.identifier.marker(1, problem.count)]
            logits = lm.model(input_ids=torch.tensor([begun])).logits[0, -1]
        items = torch.where(torch.from_numpy(problem.allowed), logits[first : first + 40], -torch.inf)
        expected, used = [], set()
        for item in items.argsort(descending=True).tolist():
            if problem.work[item] not in used and len(expected) < problem.count:
                expected.append(item)
                used.add(problem.work[item])
        assert list(found.items) == expected
        changed += list(found.items) != list(decode_lists(lm, [prompt], [problem])[0].items)
    assert changed, "by itself the model orders later places otherwise"
    chosen = choose_weights(lm, split, teacher, DecodeConfig(weights=(0.0,), first_places=(0.0, 2.0)), seed=0)
    assert chosen["first_place"] in (0.0, 2.0)
    curve = {point["first_place"]: point["ndcg@10"] for point in chosen["first_place_curve"]}
    assert curve[chosen["first_place"]] == max(curve.values()) == chosen["curve"][0]["ndcg@10"]


def test_a_first_place_needs_one_token_per_item(world: tuple[Split, Floor, LanguageModel]) -> None:
    split, _, lm = world
    titles = build_tiny(split.catalog, ["Ten."], TinyConfig(identifier="title", hidden_size=16, num_heads=2))
    for model, weight in ((titles, 1.0), (lm, -1.0), (lm, float("nan"))):
        with pytest.raises(ConfigError, match="first"):
            decode_lists(
                model, [[1, 2]], [plain_problems(split.catalog, split.points("valid"))[0]], first_place=weight
            )


def test_ties_go_to_the_smaller_weight(world: tuple[Split, Floor, LanguageModel]) -> None:
    split, teacher, lm = world
    chosen = choose_weights(lm, split, teacher, DecodeConfig(weights=(0.0, 1e-12)), seed=0)
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


def test_no_term_can_be_forced() -> None:
    with pytest.raises(ValueError, match="have to earn their place"):
        DecodeConfig(weights=(0.5,))
