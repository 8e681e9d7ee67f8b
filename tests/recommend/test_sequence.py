"""The sequence model: windows, causality, warm start, what it learns, and the same bits twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recommender_worlds import SMALL, hand_split, world_split

from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.loop import TrainingConfig
from steerec.metrics.ranking import history_mask, hit_rate, rank_of_targets
from steerec.networks.sequence import AttRecConfig, TransformerConfig
from steerec.recommend.popularity import Popularity
from steerec.recommend.sequences.config import SequenceConfig
from steerec.recommend.sequences.model import SequenceModel, repeat_odds
from steerec.recommend.sequences.spectrum import spectral_embeddings
from steerec.recommend.sequences.windows import EpochBatches, Window, cut_windows, expected_sparsity, thin
from steerec.recommend.validation import Validation


@given(length=st.integers(0, 40), window=st.integers(1, 9), data=st.data())
def test_windows_hold_every_transition_exactly_once(length: int, window: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, window - 1))
    pieces = cut_windows(length, window, offset)
    pairs = [(int(a), int(b)) for piece in pieces for a, b in pairwise(piece)]
    assert pairs == [(i, i + 1) for i in range(length - 1)]
    assert all(2 <= len(piece) <= window + 1 for piece in pieces)


def test_an_epoch_holds_every_transition_exactly_once() -> None:
    rng = np.random.default_rng(0)
    sequences = [np.arange(n) * 100 + n for n in rng.permutation(np.arange(1, 60))]
    batches = EpochBatches([len(one) for one in sequences], window=10, batch_size=8, seed=1)
    expected = sorted((int(a), int(b)) for s in sequences for a, b in pairwise(s))
    for epoch in range(3):
        found: list[tuple[int, int]] = []
        for step in range(batches.steps_per_epoch):
            for window in batches(epoch * batches.steps_per_epoch + step):
                items = sequences[window.user][window.places]
                found += [(int(a), int(b)) for a, b in pairwise(items)]
        assert sorted(found) == expected


def test_batches_are_a_pure_function_of_the_step() -> None:
    lengths = list(range(2, 50))
    forward, backward = (EpochBatches(lengths, window=8, batch_size=16, seed=1) for _ in range(2))
    steps = range(3 * forward.steps_per_epoch)
    first = [_said(forward(step)) for step in steps]
    assert all(_said(backward(step)) == first[step] for step in reversed(steps))
    other = EpochBatches(lengths, window=8, batch_size=16, seed=2)
    assert any(_said(other(step)) != first[step] for step in steps)


def test_no_batch_is_empty_however_the_offsets_fall() -> None:
    """20 transitions in windows of 10 make two pieces at offset 0 and three at the nine others."""
    batches = EpochBatches([21] * 3, window=10, batch_size=1, seed=0)
    assert batches.steps_per_epoch == 3 * 2
    assert all(batches(step) for step in range(40 * 6))


def _said(windows: list[Window]) -> list[tuple[int, list[int]]]:
    return [(window.user, window.places.tolist()) for window in windows]


def test_stochastic_length_leaves_out_what_the_closed_form_says() -> None:
    """N = 200, alpha = 1.7: a sequence of 200 keeps int(200^.85) = 90 of its items with probability
    1 - 200^1.7 / 200^2 = 1 - 200^-.3 = .796."""
    rng = np.random.default_rng(0)
    lengths = np.array([200] * 4000)
    kept = [len(thin(np.arange(200), 200, 1.7, rng)) for _ in lengths]
    assert set(kept) == {90, 200}
    assert np.mean(np.array(kept) == 90) == pytest.approx(0.796, abs=0.02)
    assert expected_sparsity(lengths, 200, 1.7) == pytest.approx(0.796 * 110 / 200, abs=1e-3)
    assert 1 - np.mean(kept) / 200 == pytest.approx(expected_sparsity(lengths, 200, 1.7), abs=0.01)
    assert expected_sparsity(np.array([90, 10]), 200, 1.7) == 0
    assert len(thin(np.arange(200), 200, 2.0, rng)) == 200


def test_stochastic_length_keeps_recent_items_and_the_last_always() -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros(100)
    for _ in range(500):
        kept = thin(np.arange(100), 100, 1.2, rng)
        assert kept[-1] == 99
        assert np.all(np.diff(kept) > 0)
        counts[kept] += 1
    assert counts[80:99].mean() > 2 * counts[:50].mean()


def test_spectral_embeddings_put_neighbours_together(split: Split) -> None:
    embeddings = spectral_embeddings(split.train, len(split.catalog), 8)
    assert embeddings.shape == (len(split.catalog), 8)
    assert embeddings.std() == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(embeddings, spectral_embeddings(split.train, len(split.catalog), 8))
    world = make_world(num_users=150, num_items=60, seed=3)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    likeness, same = unit @ unit.T, world.main[:, None] == world.main
    assert likeness[same].mean() > likeness[~same].mean() + 0.3


def test_spectral_embeddings_of_few_items_are_padded_with_zeros() -> None:
    embeddings = spectral_embeddings([np.array([0, 1, 2]), np.array([1, 0, 2])], 4, 16)
    assert embeddings.shape == (4, 16)
    assert (embeddings[:, 3:] == 0).all()
    assert embeddings[3] == pytest.approx(0, abs=1e-6)


def test_spectral_embeddings_of_nothing_are_zeros() -> None:
    """One item alone, and people of whom nobody went from one item to another."""
    for sequences, number in (([np.array([0, 0, 0])], 1), ([np.array([1]), np.array([2])], 3)):
        assert np.array_equal(spectral_embeddings(sequences, number, 4), np.zeros((number, 4)))


def test_distances_are_not_compared_by_cosine() -> None:
    with pytest.raises(
        pydantic.ValidationError, match='"attrec" compares by distance, cosine_temperature 0.1 by'
    ):
        SequenceConfig(encoder=AttRecConfig(), cosine_temperature=0.1)


def test_only_the_window_counts(split: Split) -> None:
    model = SequenceModel(SMALL.replace(window=4)).fit(split)
    assert np.array_equal(model.scores([[9, 8, 1, 2, 3, 4]]), model.scores([[1, 2, 3, 4]]))


def test_learns_the_planted_rule_far_beyond_popularity() -> None:
    # Rings of 20 items: nobody walks round one, so the successor is right nine times in ten.
    split = make_split(make_world(num_users=300, num_items=120, seed=3))
    config = SMALL.replace(
        width=32, training=TrainingConfig(max_steps=200, learning_rate=1e-2, eval_steps=50)
    )
    model, popularity = SequenceModel(config).fit(split), Popularity().fit(split)
    points = split.points("test")
    histories = [point.history for point in points]
    masked, targets = history_mask(histories, 120), np.array([point.target for point in points])

    def hit(scores: np.ndarray) -> float:
        return float(hit_rate(rank_of_targets(scores, targets, masked), 1).mean())

    assert hit(model.scores(histories)) > 0.6
    assert hit(popularity.scores(histories)) < 0.1


def test_where_nobody_repeats_the_history_need_not_be_masked() -> None:
    # A world without repeats, few steps: a network that must unlearn repeats by itself still lists them.
    split = make_split(make_world(num_users=200, num_items=60, seed=3))
    points = split.points("test")
    histories, targets = [point.history for point in points], np.array([point.target for point in points])

    def lost(config: SequenceConfig) -> float:
        scores = SequenceModel(config).fit(split).scores(histories)
        masked = rank_of_targets(scores, targets, history_mask(histories, 60))
        return float((hit_rate(masked, 10) - hit_rate(rank_of_targets(scores, targets), 10)).mean())

    config = SMALL.replace(window=50)
    assert lost(config) < 0.01
    assert lost(config.replace(repeats=None)) > 0.05


def test_where_people_repeat_the_model_says_so() -> None:
    sequences = [[user % 5, 5 + user % 3] * 6 for user in range(30)]
    model = SequenceModel(SMALL).fit(hand_split(sequences, 10))
    again = model.network.again
    assert again is not None
    assert again.item() > repeat_odds([np.array(one) for one in sequences]) > 1.0
    assert model.scores([[3, 6, 3, 6, 3, 6]])[0].argmax() == 3


def test_counted_repeats_change_the_scores_of_the_window_alone(split: Split) -> None:
    plain, counted = (
        SequenceModel(SMALL.replace(repeats=repeats)).fit(split) for repeats in (None, "counted")
    )
    difference = counted.scores([[5, 9, 5]]) - plain.scores([[5, 9, 5]])
    again = repeat_odds(split.train)
    assert again < -4  # nobody repeats there
    assert difference[0, [5, 9]] == pytest.approx(counted.scale * again, abs=1e-3)
    assert np.abs(np.delete(difference[0], [5, 9])).max() < 1e-2  # the scale of probabilities


def test_odds_of_a_repeat_by_hand() -> None:
    # Seven transitions, two of them to an item that was there before: 2.5 to 5.5.
    sequences = [np.array([1, 2, 1, 3]), np.array([4, 4, 5, 6, 7]), np.array([8])]
    assert repeat_odds(sequences) == pytest.approx(np.log(2.5 / 5.5))


def test_log_and_best_step_are_written(split: Split, tmp_path: Path) -> None:
    SequenceModel(SMALL).fit(split, tmp_path)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert '"sequence/ndcg@10"' in text
    assert '"sequence/loss"' in text
    assert not (tmp_path / "best.safetensors").exists()


def test_the_weights_kept_are_the_best_on_validation(split: Split, tmp_path: Path) -> None:
    import json

    model = SequenceModel(SMALL).fit(split, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    best = max(line["sequence/ndcg@10"] for line in lines if "sequence/ndcg@10" in line)
    validation = Validation.of(split)
    assert validation.metrics(model.scores(validation.histories))["ndcg@10"] == pytest.approx(best, abs=1e-6)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    split = world_split(num_users=60)
    config = SMALL.replace(training=TrainingConfig(max_steps=30, learning_rate=5e-3, eval_steps=10))
    whole = SequenceModel(config).fit(split, tmp_path / "whole")

    class KilledError(Exception):
        pass

    from steerec.recommend.sequences import lessons as module

    calls = 0
    loss = module.next_item_loss

    def dying(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 26:
            raise KilledError
        return loss(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "next_item_loss", dying)
        with pytest.raises(KilledError):
            SequenceModel(config).fit(split, tmp_path / "killed")
        resumed = SequenceModel(config).fit(split, tmp_path / "killed")
    assert calls == 26 + 10  # from the evaluation after 20 steps on
    history = [split.points("valid")[0].history]
    assert np.array_equal(resumed.scores(history), whole.scores(history))


def test_seeds_differ(split: Split) -> None:
    other = SMALL.replace(training=SMALL.training.replace(seed=1))
    assert not np.array_equal(*(SequenceModel(config).fit(split).scores([[1]]) for config in (other, SMALL)))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="must be a multiple of num_heads"):
        SequenceConfig(width=10, encoder=TransformerConfig(num_heads=4))
