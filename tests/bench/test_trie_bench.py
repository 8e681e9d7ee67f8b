from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from steerec.bench.shelf import LONGEST, NUM_WORDS, codes, texts, titles
from steerec.bench.trie import bench_trie, render
from steerec.errors import ConfigError
from steerec.items.trie import END, IntervalTrie


def test_titles_branch_like_real_ones() -> None:
    tokens = titles(1_700)
    assert tokens.shape == (1_700, LONGEST)
    trie = IntervalTrie.from_tokens(tokens)
    assert 550 <= len(trie.children(0)) <= 650
    assert trie.num_leaves == 1_700, "titles are distinct"
    assert trie.is_prefix_free
    assert 11.5 < trie.lengths.mean() < 12.5
    np.testing.assert_array_equal(titles(1_700), tokens)
    first = tokens[0][tokens[0] != END]
    assert (first[:-3] < NUM_WORDS).all()
    assert texts(tokens)[0] == " ".join(f"w{word}" for word in first[:4])


def test_codes_are_distinct_and_each_level_has_its_own_tokens() -> None:
    tokens = codes(5_000)
    assert len(np.unique(tokens, axis=0)) == 5_000
    assert (tokens // 256 == np.arange(4)).all()


def test_report_is_json_and_a_table() -> None:
    report = bench_trie((50, 400), ("titles", "codes"), repeats=2, lists=3, isolated=False)
    assert json.loads(json.dumps(report)) == report
    assert [(row["kind"], row["num_items"]) for row in report["rows"]] == [
        ("titles", 50),
        ("titles", 400),
        ("codes", 50),
        ("codes", 400),
    ]
    for row in report["rows"]:
        assert row["num_items"] < row["num_nodes"] <= 2 * row["num_items"]
        assert set(row["set_up_ms"]) == {"numeric", "category", "text"}
        assert all(cost["median"] >= cost["predicate"] > 0 for cost in row["set_up_ms"].values())
        step = row["step_us"]
        assert step["mean"] == pytest.approx(step["window"] + step["children"])
        assert step["levels"] >= 1
    console = Console(width=250, record=True)
    console.print(render(report))
    assert "titles" in console.export_text()


def test_a_size_alone_in_its_process_tells_its_memory() -> None:
    (row,) = bench_trie((20_000,), ("codes",), repeats=1, lists=1)["rows"]
    assert row["build_peak_bytes"] is None or row["build_peak_bytes"] > row["array_bytes"]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="kinds of titles, codes"):
        bench_trie((100,), ("atoms",))
    with pytest.raises(ConfigError, match="sizes from 20 items"):
        bench_trie((10,))
    with pytest.raises(ConfigError, match="repeats and lists from 1"):
        bench_trie((100,), repeats=0)
