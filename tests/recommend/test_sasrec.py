"""The sequence model: windows, causality, warm start, what it learns, and the same bits twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recommender_worlds import SMALL_SASREC, world_split

from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.loop import TrainingConfig
from steerec.metrics.ranking import history_mask, hit_rate, rank_of_targets
from steerec.networks.sasrec import SASRecNetwork
from steerec.recommend.popularity import Popularity
from steerec.recommend.sasrec import SASRec, SASRecConfig
from steerec.recommend.spectrum import spectral_embeddings
from steerec.recommend.validation import Validation
from steerec.recommend.windows import PAD_TARGET, EpochBatches, cut_windows


@given(length=st.integers(0, 40), window=st.integers(1, 9), data=st.data())
def test_windows_hold_every_transition_exactly_once(length: int, window: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, window - 1))
    pieces = cut_windows(np.arange(length), window, offset)
    pairs = [(int(a), int(b)) for piece in pieces for a, b in pairwise(piece)]
    assert pairs == [(i, i + 1) for i in range(length - 1)]
    assert all(2 <= len(piece) <= window + 1 for piece in pieces)


def test_an_epoch_holds_every_transition_exactly_once() -> None:
    rng = np.random.default_rng(0)
    sequences = [np.arange(n) * 100 + n for n in rng.permutation(np.arange(1, 60))]
    batches = EpochBatches(sequences, window=10, batch_size=8, seed=1)
    expected = sorted((int(a), int(b)) for s in sequences for a, b in pairwise(s))
    for epoch in range(3):
        found: list[tuple[int, int]] = []
        for step in range(batches.steps_per_epoch):
            batch = batches(epoch * batches.steps_per_epoch + step)
            real = batch.targets != PAD_TARGET
            found += zip(batch.inputs[real].tolist(), batch.targets[real].tolist(), strict=True)
        assert sorted(found) == expected


def test_batches_are_a_pure_function_of_the_step() -> None:
    sequences = [np.arange(n) for n in range(2, 50)]
    forward = EpochBatches(sequences, window=8, batch_size=16, seed=1)
    backward = EpochBatches(sequences, window=8, batch_size=16, seed=1)
    steps = range(3 * forward.steps_per_epoch)
    first = [forward(step) for step in steps]
    for step in reversed(steps):
        assert np.array_equal(backward(step).inputs, first[step].inputs)
    other = EpochBatches(sequences, window=8, batch_size=16, seed=2)
    assert any(other(step).inputs.shape != first[step].inputs.shape for step in steps)


def _network(distance_bias: bool) -> SASRecNetwork:
    torch.manual_seed(0)
    network = SASRecNetwork(
        num_items=20, width=8, num_blocks=2, num_heads=2, window=6, dropout=0.5, distance_bias=distance_bias
    )
    return network.eval()


@pytest.mark.parametrize("distance_bias", [False, True])
def test_no_position_sees_the_future_or_padding(distance_bias: bool) -> None:
    network = _network(distance_bias)
    windows = torch.tensor([[3, 4, 5, 6, 7, 8], [3, 4, 5, 0, 0, 0]])
    states = network(windows)
    assert torch.allclose(states[0, :3], states[1, :3], atol=1e-6)
    assert not torch.allclose(states[0, 3], states[1, 3], atol=1e-3)


def test_distance_bias_is_added_to_the_attention_logits() -> None:
    """Slow definition: softmax over the past of q.k / sqrt(d) + bias(distance), head by head."""
    attention = _network(True).blocks[0].attention
    hidden = torch.randn(1, 5, 8)
    query, key, value = attention.project_in(hidden)[0].view(5, 3, 2, 4).permute(1, 2, 0, 3)
    rows = []
    for place in range(5):
        heads = []
        for head in range(2):
            logits = torch.stack(
                [
                    query[head, place] @ key[head, past] / 2.0 + attention.distance_bias[head, place - past]
                    for past in range(place + 1)
                ]
            )
            heads.append(torch.softmax(logits, 0) @ value[head, : place + 1])
        rows.append(torch.cat(heads))
    assert torch.allclose(attention(hidden)[0], attention.project_out(torch.stack(rows)), atol=1e-6)


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


def test_only_the_window_counts(split: Split) -> None:
    model = SASRec(SMALL_SASREC.replace(window=4)).fit(split)
    assert np.array_equal(model.scores([[9, 8, 1, 2, 3, 4]]), model.scores([[1, 2, 3, 4]]))


def test_learns_the_planted_rule_far_beyond_popularity() -> None:
    # Rings of 20 items: nobody walks round one, so the successor is right nine times in ten.
    split = make_split(make_world(num_users=300, num_items=120, seed=3))
    config = SMALL_SASREC.replace(
        width=32, training=TrainingConfig(max_steps=200, learning_rate=1e-2, eval_steps=50)
    )
    model, popularity = SASRec(config).fit(split), Popularity().fit(split)
    points = split.points("test")
    histories = [point.history for point in points]
    masked, targets = history_mask(histories, 120), np.array([point.target for point in points])

    def hit(scores: np.ndarray) -> float:
        return float(hit_rate(rank_of_targets(scores, targets, masked), 1).mean())

    assert hit(model.scores(histories)) > 0.6
    assert hit(popularity.scores(histories)) < 0.1


def test_log_and_best_step_are_written(split: Split, tmp_path: Path) -> None:
    SASRec(SMALL_SASREC).fit(split, tmp_path)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert '"sasrec/ndcg@10"' in text
    assert '"sasrec/loss"' in text
    assert not (tmp_path / "best.safetensors").exists()


def test_the_weights_kept_are_the_best_on_validation(split: Split, tmp_path: Path) -> None:
    import json

    model = SASRec(SMALL_SASREC).fit(split, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    best = max(line["sasrec/ndcg@10"] for line in lines if "sasrec/ndcg@10" in line)
    validation = Validation.of(split)
    assert validation.metrics(model.scores(validation.histories))["ndcg@10"] == pytest.approx(best, abs=1e-6)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    split = world_split(num_users=60)
    config = SMALL_SASREC.replace(
        training=TrainingConfig(max_steps=30, learning_rate=5e-3, eval_steps=10, save_steps=10)
    )
    whole = SASRec(config).fit(split, tmp_path / "whole")

    class KilledError(Exception):
        pass

    from steerec.recommend import sasrec as module

    calls = 0
    step = module._step

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 20:
            raise KilledError
        return step(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_step", dying)
        with pytest.raises(KilledError):
            SASRec(config).fit(split, tmp_path / "killed")
    resumed = SASRec(config).fit(split, tmp_path / "killed")
    history = [split.points("valid")[0].history]
    assert np.array_equal(resumed.scores(history), whole.scores(history))


def test_seeds_differ(split: Split) -> None:
    other = SMALL_SASREC.replace(training=SMALL_SASREC.training.replace(seed=1))
    assert not np.array_equal(*(SASRec(config).fit(split).scores([[1]]) for config in (other, SMALL_SASREC)))


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="must be a multiple of num_heads"):
        SASRecConfig(width=10, num_heads=4)
    accumulating = TrainingConfig(max_steps=1, learning_rate=1.0, gradient_accumulation_steps=2)
    with pytest.raises(pydantic.ValidationError, match="use batch_size"):
        SASRecConfig(training=accumulating)
