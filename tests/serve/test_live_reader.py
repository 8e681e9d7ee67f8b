"""Feeds of stock and prices keep the reader: its networks are loaded once, it is made anew only for news."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from steerec.data.catalog import Catalog
from steerec.data.split import Split
from steerec.recommend.floor import Floor
from steerec.serve.engine import Recommender
from steerec.understand import hybrid

sys.path.insert(0, str(Path(__file__).parent.parent / "understand"))
from tiny_reader import TinyEncoder, embed, small_config

from steerec.understand.model.training import build_network, save_reader

pytest.importorskip("live_service", reason='the service is not installed: pip install "steerec[serve]"')


@pytest.fixture
def reader_folder(tmp_path: Path) -> Path:
    encoder = TinyEncoder(tmp_path / "encoder")
    network = build_network(encoder.folder, small_config(1).network)
    save_reader(network, encoder.folder / "tokenizer.json", tmp_path / "model")
    return tmp_path / "model"


def test_a_feed_loads_no_network(
    split: Split, teacher: Floor, tmp_path: Path, reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steerec.serve.http.live import LiveCatalogue

    loaded: list[str] = []
    load = hybrid.load_network

    def counted(folder: Path) -> Any:
        loaded.append("network")
        return load(folder)

    def embedder() -> Any:
        loaded.append("encoder")
        return embed

    monkeypatch.setattr(hybrid, "load_network", counted)
    monkeypatch.setattr(hybrid, "installed_embedder", embedder)
    engine = Recommender(split.catalog, teacher, None, reader=reader_folder)
    live = LiveCatalogue(engine, tmp_path)
    first = live.view.engine.reader
    assert sorted(loaded) == ["encoder", "network"]

    ids = split.catalog.item_ids
    sold_out = live.change({ids[3]: (False, {})})
    assert sold_out.engine.reader is first

    genres = split.catalog.frame["categories"][4].to_list()
    assert live.change({ids[4]: (None, {"categories": genres})}).engine.reader is first

    news = live.change({ids[5]: (None, {"categories": ["Docufiction"]})})
    renewed = news.engine.reader
    assert renewed is not first
    assert renewed.floor.reading("three docufictions").request.controls[0].where.columns[0][1].any_of == (
        "Docufiction",
    )
    assert not first.floor.reading("three docufictions").request.controls
    assert renewed.model._network is first.model._network
    assert sorted(loaded) == ["encoder", "network"]


def test_the_vocabulary_is_what_a_reader_takes_from_a_catalogue() -> None:
    from steerec.serve.http.live import with_attributes

    frame = pl.DataFrame({
        "item_id": ["a", "b", "c"], "title": ["Kettle", "Teapot", "Mug"], "price": [5.0, 9.5, 20.0],
        "category": ["Kitchen", "Kitchen", "Table"],
    })  # fmt: skip
    catalog = Catalog.from_frame(frame, noun="products")
    same = hybrid.vocabulary(catalog)
    for changes, is_news in (
        ({"b": {"price": 7.5}}, False),  # between the least and the greatest
        ({"c": {"price": 25.5}}, True),
        ({"a": {"category": "Table"}}, False),  # both values are still there
        ({"c": {"category": "Kitchen"}}, True),  # nothing is "Table" any more
    ):
        changed = with_attributes(catalog, changes)
        assert changed.sha256 != catalog.sha256
        assert (hybrid.vocabulary(changed) != same) == is_news
