"""S3-Rec's pre-training: what is laid out, what the losses are by hand, and that it helps what follows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydantic
import pytest
import torch
from recommender_worlds import SMALL, hand_split, world_split

from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.errors import DataError
from steerec.loop import TrainingConfig
from steerec.networks.attention import Layer, Sequences
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import (
    AttentionEncoder,
    RecurrentConfig,
    SequenceNetwork,
    TransformerConfig,
)
from steerec.recommend.sequences import pretraining as pretraining_module
from steerec.recommend.sequences.attributes import attribute_tables
from steerec.recommend.sequences.losses import SampledSoftmax
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.pretraining import (
    PretrainingConfig,
    attribute_loss,
    looking_both_ways,
    pretraining_lesson,
    segment_loss,
)
from steerec.recommend.validation import Validation

N = 50
WINDOWS = [np.array([3, 4, 5, 6, 7, 8]), np.array([10, 11]), np.arange(20, 40)]
SHORT = PretrainingConfig(
    epochs=100, training=TrainingConfig(max_steps=150, learning_rate=5e-3, logging_steps=1)
)


def test_windows_are_laid_out_three_times() -> None:
    lesson = pretraining_lesson(WINDOWS, 0.2, N, np.random.default_rng(0))
    items, positions = lesson.batch.items.numpy(), lesson.batch.positions.numpy()
    whole = np.concatenate(WINDOWS)
    masked, rests, alone = items[:28], items[28:56], items[56:]
    # Hidden: max(1, round(.2 n)) of each window, the others as they are.
    assert np.flatnonzero(masked == N).tolist() == lesson.hidden.tolist()
    assert [int((masked[a:b] == N).sum()) for a, b in ((0, 6), (6, 8), (8, 28))] == [1, 1, 4]
    assert lesson.hidden_items.tolist() == whole[lesson.hidden].tolist()
    assert lesson.shown.tolist() == np.flatnonzero(masked != N).tolist()
    assert lesson.shown_items.tolist() == masked[lesson.shown].tolist()
    # A segment: items that follow one another, at most half, missing from the rest, at their own places.
    assert lesson.rests.tolist() == [33, 35, 55]
    start = 0
    for window, end, rest in zip(WINDOWS, lesson.segments.tolist(), np.split(rests, [6, 8]), strict=True):
        segment = alone[start : end + 1 - 56]
        assert 1 <= len(segment) <= len(window) // 2
        place = int(np.flatnonzero(window == segment[0])[0])
        inside = np.arange(place, place + len(segment))
        assert segment.tolist() == window[inside].tolist()
        assert positions[56 + start : end + 1].tolist() == inside.tolist()
        assert np.flatnonzero(rest == N).tolist() == inside.tolist()
        assert np.array_equal(np.delete(rest, inside), np.delete(window, inside))
        start = end + 1 - 56
    assert start == len(alone)


def test_attributes_are_judged_one_by_one() -> None:
    """Scores 2 and -1, of which the item has the first: log(1 + e^-2) + log(1 + e^-1)."""
    states, vectors = torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, -1.0]])
    found = attribute_loss(states, vectors, torch.tensor([[1.0, 0.0]]))
    assert float(found) == pytest.approx(math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)))
    assert float(attribute_loss(states[:0], vectors, torch.zeros(0, 2))) == 0


def test_segments_are_told_apart_within_the_batch() -> None:
    """Scores [[3, 0], [0, 0]]: log(1 + e^-3) and log 2."""
    rests, segments = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    expected = math.log1p(math.exp(-3)) + math.log(2)
    assert float(segment_loss(rests, segments)) == pytest.approx(expected)
    assert float(segment_loss(rests[:1], segments[:1])) == 0  # nothing to be told from


def test_a_network_looks_both_ways_for_a_while() -> None:
    torch.manual_seed(0)
    network = SequenceNetwork(TransformerConfig(dropout=0.0), num_items=9, width=8, window=5).eval()
    positions = torch.arange(3)
    one, other = (
        Sequences(torch.tensor(items), positions, plan_flat([3])) for items in ([1, 2, 3], [1, 2, 4])
    )
    assert torch.equal(network(one)[:2], network(other)[:2])
    with looking_both_ways(network):
        assert not torch.allclose(network(one)[0], network(other)[0], atol=1e-5)
    assert torch.equal(network(one)[:2], network(other)[:2])
    assert isinstance(network.encoder, AttentionEncoder)
    layers = [layer for layer in network.encoder.layers if isinstance(layer, Layer)]
    with pytest.raises(RuntimeError), looking_both_ways(network):
        raise RuntimeError
    assert {layer.mask for layer in layers} == {"causal"}
    recurrent = SequenceNetwork(RecurrentConfig(), num_items=9, width=8, window=5)
    with pytest.raises(ValueError, match="the encoder is GruEncoder"), looking_both_ways(recurrent):
        pass


def test_pretraining_teaches_attributes_and_hidden_items(tmp_path: Path) -> None:
    training = SMALL.training.replace(max_steps=1, eval_steps=None)
    config = SMALL.replace(pretraining=SHORT, warm_start=0.0, training=training)
    SequenceModel(config).fit(world_split(), tmp_path)
    text = (tmp_path / "pretraining" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    for task in ("item_attribute", "masked_item", "masked_attribute", "segment"):
        # Windows of a batch are of like length, so whole epochs are compared.
        losses = [line[f"pretraining/{task}_loss"] for line in lines]
        assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10]), task
    assert not (tmp_path / "pretraining" / "pretrained.safetensors").exists()


def test_the_same_short_fine_tuning_gets_further_after_pretraining() -> None:
    """Few steps from random vectors learn little of the world's rings; both sides of an item tell of them."""
    split = world_split(num_users=60, num_items=120)
    validation = Validation.of(split)
    training = SMALL.training.replace(max_steps=10, eval_steps=None)
    found = {}
    for name, pretraining in (("scratch", None), ("pretrained", SHORT)):
        config = SMALL.replace(width=32, warm_start=0.0, training=training, pretraining=pretraining)
        model = SequenceModel(config).fit(split)
        found[name] = validation.metrics(model.scores(validation.histories))["ndcg@10"]
    assert found["pretrained"] > found["scratch"] + 0.05


def test_negatives_of_pretraining_are_drawn_by_popularity_too(monkeypatch: pytest.MonkeyPatch) -> None:
    split = world_split(num_users=60)
    seen, real = [], pretraining_module.next_item_loss

    def loss(states: Any, targets: Any, head: Any, config: Any, popularity: Any = None) -> Any:
        seen.append(popularity)
        return real(states, targets, head, config, popularity)

    monkeypatch.setattr(pretraining_module, "next_item_loss", loss)
    short = SHORT.replace(training=SHORT.training.replace(max_steps=2))
    config = SMALL.replace(pretraining=short, loss=SampledSoftmax(num_negatives=8, popularity_power=1.0))
    SequenceModel(config).fit(split)
    counts = np.bincount(np.concatenate(split.train), minlength=len(split.catalog))
    assert len(seen) == 2
    assert all(one is not None and np.array_equal(one.cpu().numpy(), counts) for one in seen)


def test_a_killed_fine_tuning_does_not_pretrain_again(tmp_path: Path) -> None:
    split = world_split(num_users=60)
    config = SMALL.replace(
        pretraining=SHORT.replace(training=SHORT.training.replace(max_steps=10)),
        training=TrainingConfig(max_steps=20, learning_rate=5e-3, eval_steps=10, save_steps=10),
    )
    whole = SequenceModel(config).fit(split, tmp_path / "whole")
    from steerec.recommend.sequences import lessons as module

    def dying(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "next_item_loss", dying)
        with pytest.raises(KeyboardInterrupt):
            SequenceModel(config).fit(split, tmp_path / "killed")
    place = tmp_path / "killed" / "pretraining"
    assert (place / "pretrained.safetensors").is_file()
    log = (place / "metrics.jsonl").stat().st_mtime_ns
    resumed = SequenceModel(config).fit(split, tmp_path / "killed")
    assert (place / "metrics.jsonl").stat().st_mtime_ns == log
    history = [split.points("valid")[0].history]
    assert np.array_equal(resumed.scores(history), whole.scores(history))


def test_a_catalogue_without_categories_is_refused() -> None:
    split: Split = hand_split([[0, 1, 2], [1, 2, 0]], 3)
    with pytest.raises(DataError, match="have no category column with a value that several share"):
        SequenceModel(SMALL.replace(pretraining=SHORT)).fit(split)


def test_only_causal_attention_is_pretrained() -> None:
    with pytest.raises(pydantic.ValidationError, match='the encoder is "gru"'):
        SMALL.replace(encoder=RecurrentConfig(), pretraining=SHORT)
    with pytest.raises(pydantic.ValidationError, match="neither micro-batches nor evaluations"):
        SHORT.replace(training=SHORT.training.replace(gradient_accumulation_steps=2))


def test_values_of_one_item_or_of_all_are_no_attributes() -> None:
    frame = pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["A", "B", "C"],
            "maker": ["Bo", "Bo", "Al"],
            "path": [["all", "x"], ["all", "x"], ["all", "y"]],
            "year": [1, 2, 2],
        }
    )
    types: dict[str, Any] = {"maker": "category", "path": "path", "year": "number"}
    tables = attribute_tables(Catalog.from_frame(frame, types=types))
    assert {name: table.tolist() for name, table in tables.items()} == {
        "maker": [[1], [1], [0]],
        "path": [[1], [1], [0]],
    }
