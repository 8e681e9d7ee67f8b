"""RecGPT: prompts by hand, guesses that see no future, recall in steps, and a world with two interests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recommender_worlds import SMALL, world_split

from steerec.artifacts import write_json
from steerec.data.split import Split
from steerec.evaluate.steps import Hits, fit_prompted, render_steps
from steerec.loop import TrainingConfig
from steerec.networks.actions import NO_ACTION
from steerec.networks.attention import Sequences
from steerec.networks.prompts import PASSED, TAKEN, PromptNetwork, running_mean
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import TransformerConfig
from steerec.recipes.sequential_actions import recgpt, run_study
from steerec.recommend.fitting import fitting_key
from steerec.recommend.recommender import Recommender
from steerec.recommend.sequences.recgpt import PromptConfig, PromptLessons, RecGPT, with_prompts
from steerec.recommend.validation import Validation

TINY = PromptConfig(
    model=SMALL.replace(
        repeats=None, training=TrainingConfig(max_steps=60, learning_rate=1e-2, eval_steps=30)
    ),
    num_prompts=2,
    horizon=3,
    epochs=2,
    num_evaluations=1,
    training=TrainingConfig(max_steps=40, learning_rate=5e-3),
)


@pytest.fixture(scope="module")
def world() -> Split:
    torch.set_num_threads(1)
    return world_split()


@pytest.fixture(scope="module")
def model(world: Split) -> RecGPT:
    return RecGPT(TINY).fit(world)


def test_prompts_by_hand() -> None:
    """Window 5 6 7 8, 8 only a target. Before 6 the guess 6: taken, and since it is what comes next, the
    target behind it is 7. Before 7 the guess 9: never taken. Before 8 the guess 8: nothing is left."""
    row = with_prompts(np.array([5, 6, 7, 8]), np.array([6, 9, 8]), np.array([1, 2, 3]), horizon=3)
    assert row.items.tolist() == [5, 6, 6, 9, 7, 8]
    assert row.actions.tolist() == [NO_ACTION, TAKEN, NO_ACTION, PASSED, NO_ACTION, TAKEN]
    assert row.targets is not None
    assert row.targets.tolist() == [6, 7, 7, 7, 8, -1]


def test_taken_looks_as_far_as_the_horizon() -> None:
    items = np.array([5, 6, 7, 8, 9])
    near, far = (with_prompts(items, np.array([9]), np.array([1]), horizon=one) for one in (3, 4))
    assert (near.actions[1], far.actions[1]) == (PASSED, TAKEN)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=12), st.data())
def test_without_its_prompts_a_window_is_what_it_was(items: list[int], data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(1, len(items) - 1), max_size=3)))
    guesses = data.draw(st.lists(st.integers(0, 9), min_size=len(places), max_size=len(places)))
    row = with_prompts(np.array(items), np.array(guesses, np.int64), np.array(places, np.int64), horizon=2)
    own = row.actions == NO_ACTION
    assert row.targets is not None
    assert row.items[own].tolist() == items[:-1]
    assert row.targets[own].tolist() == items[1:]
    assert row.items[~own].tolist() == guesses


def test_the_user_is_the_mean_of_the_own_items_so_far() -> None:
    vectors, counted = torch.randn(7, 3), torch.tensor([True, False, True, True, True, True, False])
    positions = torch.tensor([0, 1, 2, 0, 1, 2, 3])
    found = running_mean(vectors, counted, positions)
    for place, start in enumerate([0, 0, 0, 3, 3, 3, 3]):
        own = vectors[start : place + 1][counted[start : place + 1]]
        assert torch.allclose(found[place], own.mean(dim=0), atol=1e-6)


def test_a_prompt_is_another_token_than_its_item_and_the_feedback_counts() -> None:
    torch.manual_seed(0)
    network = PromptNetwork(TransformerConfig(), num_items=9, width=8, window=6, personal=True).eval()
    said = []
    for feedback in (NO_ACTION, PASSED, TAKEN):
        actions = torch.tensor([NO_ACTION, NO_ACTION, feedback])
        batch = Sequences(torch.tensor([1, 2, 3]), torch.arange(3), plan_flat([3]), actions=actions)
        said.append(network(batch))
    assert torch.equal(said[0][:2], said[1][:2])
    assert torch.equal(said[1][:2], said[2][:2])
    assert len({tuple(one[2].tolist()) for one in said}) == 3
    plain = Sequences(torch.tensor([1, 2, 3]), torch.arange(3), plan_flat([3]))
    assert torch.equal(network(plain), said[0])


def test_guesses_are_the_best_new_items_of_what_came_before(model: RecGPT, world: Split) -> None:
    items = world.train[0]
    guesses = model.guesses([items])[0]
    for place in range(1, len(items)):
        scores = model._scores([items[:place]])[0]
        scores[items[:place]] = -np.inf
        assert guesses[place].tolist() == np.argsort(-scores, kind="stable")[:3].tolist()


def test_a_lesson_is_a_pure_function_of_the_step(model: RecGPT, world: Split) -> None:
    guesses = model.guesses(world.train)
    first, second = (PromptLessons(world, TINY, guesses) for _ in range(2))
    second(5)
    for one, other in zip(first(2), second(2), strict=True):
        if isinstance(one, torch.Tensor):
            assert torch.equal(one, other)
    assert torch.equal(first(2).batch.items, second(2).batch.items)
    assert not torch.equal(first(2).batch.items[:20], first(3).batch.items[:20])


def test_recall_in_steps(model: RecGPT, world: Split) -> None:
    """One step is the ranking; two steps keep its head, go on from another state and repeat nothing."""
    validation = Validation.of(world)
    histories = validation.histories[:20]
    scores = model._scores(histories)
    scores[validation.masked[:20]] = -np.inf
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :6]
    one, two = model.recall(histories, [6]), model.recall(histories, [3, 3])
    assert one == ranked.tolist()
    assert [items[:3] for items in two] == ranked[:, :3].tolist()
    assert any(items != other for items, other in zip(one, two, strict=True))
    for history, items in zip(histories, two, strict=True):
        assert len(set(items)) == 6
        assert not set(items) & set(history.tolist())
    # The second step by its definition: the state behind the history and the item said.
    item = two[0][0]
    again = model._at([histories[0]], [[item]])[0]
    again[[*histories[0].tolist(), *two[0][:3]]] = -np.inf
    assert two[0][3:] == np.argsort(-again, kind="stable")[:3].tolist()


def test_it_learns_the_planted_rule_and_saves_it(model: RecGPT, world: Split, tmp_path: Path) -> None:
    validation = Validation.of(world)
    popularity = np.tile(model._popularity, (len(validation.targets), 1))
    found = validation.metrics(model.scores(validation.histories))["hr@10"]
    assert found > 2 * validation.metrics(popularity)["hr@10"]
    model.save_pretrained(tmp_path)
    loaded = RecGPT.from_pretrained(tmp_path)
    assert isinstance(loaded, Recommender)
    histories = validation.histories[:5]
    assert np.array_equal(loaded.scores(histories), model.scores(histories))
    assert loaded.recall(histories, [2, 2]) == model.recall(histories, [2, 2])


def test_a_study_of_steps_counts_hits_and_keeps_what_is_fitted(
    model: RecGPT, world: Split, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "tiny")
    done = {"seconds": 7.0, "key": fitting_key(TINY, world)}
    write_json(tmp_path / "tiny" / "done.json", done)
    study = recgpt().replace(models={"tiny": TINY}, ways=((4,), (2, 2)))
    text = run_study(study, world, tmp_path)
    validation = Validation.of(world)
    for way in ((4,), (2, 2)):
        lists = model.recall(validation.histories, way)
        share = np.mean([t in items for t, items in zip(validation.targets.tolist(), lists, strict=True)])
        line = next(one for one in text.splitlines() if f" {'+'.join(map(str, way))} " in one)
        assert f"{share:.4f}" in line
        assert line.endswith(" 7"), "nothing was fitted again"
    assert "+0.0000 [+0.0000, +0.0000]" in text


def test_a_model_of_another_split_is_not_taken(world: Split, tmp_path: Path) -> None:
    short = TrainingConfig(max_steps=1, learning_rate=1e-3)
    models = {"one": TINY.replace(model=TINY.model.replace(training=short), epochs=0)}
    assert world.times is not None
    later = replace(world, times=tuple(one + 1 for one in world.times))
    fit_prompted(world, models, tmp_path)
    for split, is_new in ((world, False), (later, True), (later, False), (world, True)):
        before = (tmp_path / "one" / "done.json").stat().st_mtime_ns
        fit_prompted(split, models, tmp_path)
        assert ((tmp_path / "one" / "done.json").stat().st_mtime_ns != before) == is_new


def test_a_user_with_many_points_counts_once(tmp_path: Path) -> None:
    """User 4 has two points, both found; user 7 one, not found: 1/2, not 2/3."""
    write_json(tmp_path / "tiny" / "done.json", {"seconds": 7.0})
    found = {("tiny", (2,)): np.array([1.0, 1.0, 0.0]), ("tiny", (1, 1)): np.zeros(3)}
    lines = render_steps(Hits(np.array([4, 4, 7]), found), "tiny", tmp_path).splitlines()
    assert lines[1].split()[:3] == ["tiny", "2", "0.5000"]
    assert "-0.5000 [" in lines[2]


def test_the_plain_model_of_the_study_has_as_many_passes() -> None:
    plain, prompted = recgpt().models["without-prompts"], recgpt().models["recgpt"]
    assert plain.model.epochs == prompted.model.epochs + prompted.epochs
    assert plain.epochs == 0


def test_bidirectional_networks_are_refused() -> None:
    from steerec.recommend.sequences.tasks import MaskedItems

    masked = SMALL.replace(encoder=TransformerConfig(mask="bidirectional"), task=MaskedItems())
    with pytest.raises(pydantic.ValidationError, match="prompts need causal attention"):
        PromptConfig(model=masked)
    with pytest.raises(pydantic.ValidationError, match="prompts need repeats=None"):
        PromptConfig(model=SMALL)
