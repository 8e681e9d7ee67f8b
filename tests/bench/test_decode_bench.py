"""The bench of decoders: what it counts, not how long it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from steerec.bench import rivals
from steerec.bench.decode import ADAPTER, OURS, REFERENCE, DecodeBenchConfig, bench_decode
from steerec.bench.meter import measure
from steerec.bench.search import valid_items
from steerec.bench.tables import decode_table
from steerec.data.split import make_split
from steerec.data.synthetic import make_world
from tiny_shelf import tiny


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    config = DecodeBenchConfig(
        data="synthetic", models=("tiny", "tiny-titles"), batch_sizes=(1, 3), repeats=1, history=4
    )
    return bench_decode(config)


def test_every_method_runs_on_every_model_and_batch(report: dict[str, Any]) -> None:
    places = [(row["model"], row["batch"], row["method"]) for row in report["rows"]]
    assert len(places) == len(set(places)) == 2 * 2 * 5
    assert {row["lists_per_s"] > 0 for row in report["rows"]} == {True}
    assert all(row["speedup"] == 1 for row in report["rows"] if row["method"] == REFERENCE)


def test_ours_takes_a_fraction_of_the_passes_for_the_same_lists(report: dict[str, Any]) -> None:
    rows = {(row["model"], row["batch"], row["method"]): row for row in report["rows"]}
    for model, batch in (("tiny", 3), ("tiny-titles", 3), ("tiny-titles", 1)):
        ours, adapter = rows[model, batch, OURS], rows[model, batch, ADAPTER]
        assert ours["same_lists_as_adapter"] is True
        assert ours["forwards"] < adapter["forwards"]
    assert rows["tiny-titles", 3, OURS]["mask_share"] > 0
    assert rows["tiny-titles", 3, REFERENCE]["mask_share"] == 0


def test_the_table_shows_every_row(report: dict[str, Any]) -> None:
    parts = {(row["model"], row["batch"]) for row in report["rows"]}
    assert decode_table(report).row_count == len(report["rows"]) + len(parts)
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(decode_table(report))
    assert "…" not in console.export_text()


def test_a_prefix_function_walks_markers_titles_and_the_end() -> None:
    lm = tiny(identifier="title")
    root = rivals.dict_trie(lm)
    allowed = rivals.prefix_function(lm, root, count=2, prompt_tokens=3)
    answer = [*lm.encode_answer([4, 2])]
    for place in range(len(answer)):
        tokens = torch.tensor([0, 0, 0, *answer[:place]])
        assert answer[place] in allowed(0, tokens)
    begins = {lm.identifier.spell(item)[0][0] for item in range(lm.identifier.num_items)}
    marker = len(lm.identifier.marker(1, 2))
    assert set(allowed(0, torch.tensor([0, 0, 0, *answer[:marker]]))) == begins
    assert allowed(0, torch.tensor([0, 0, 0, *answer[:-1]])) == [lm.end_id]


def test_passes_are_counted_once_and_the_model_is_left_as_it_was() -> None:
    lm = tiny()
    ids = torch.tensor([[5, 6, 7]])
    cost, _ = measure(lm.model, lambda: [lm.model(input_ids=ids) for _ in range(3)], lambda: None)
    assert cost.forwards == 3
    assert 0 < cost.model_seconds <= cost.seconds
    for part in (lm.model, lm.model.get_decoder(), lm.model.get_output_embeddings()):
        assert "forward" not in vars(part)


def test_invalid_items_are_dropped_from_a_free_answer() -> None:
    split = make_split(make_world(num_users=12, num_items=30, seed=0))
    point = split.points("valid")[0]
    seen, fresh = int(point.history[0]), [i for i in range(30) if i not in point.history]
    works = split.catalog.work
    fresh = [fresh[k] for k in np.unique(works[fresh], return_index=True)[1]]
    assert valid_items([fresh[0], None, seen, fresh[0], fresh[1]], point, split) == (fresh[0], fresh[1])
