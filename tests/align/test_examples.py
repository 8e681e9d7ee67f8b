"""Rows become tokens and weights; epochs are permutations whatever order they are asked in."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerec.align.examples import BatchPlan, encode_rows
from steerec.errors import DataError
from tiny_shelf import tiny

SCHEMA = {"history": pl.List(pl.Int32), "instruction": pl.String, "answer_items": pl.List(pl.Int32)}


def rows(*values: tuple[list[int], str, list[int] | None, str | None]) -> pl.DataFrame:
    names = [*SCHEMA, "answer_text"]
    return pl.DataFrame(
        [dict(zip(names, value, strict=True)) for value in values],
        schema={**SCHEMA, "answer_text": pl.String},
    )


def test_weights_by_hand() -> None:
    lm = tiny()
    encoded = encode_rows(lm, rows(([4, 1], "Go", [3, 0], None)))
    example = encoded.example(0, history_weight=0.25)
    words = len(lm.encode_words("Go"))
    assert lm.tokenizer.decode(list(example.tokens)) == (
        "<|user|><|item:4|><|item:1|>Go<|assistant|><|2|><|item:3|><|1|><|item:0|><|end|>"
    )
    assert example.weights == (0, 0.25, 0.25, *[0] * words, 0, 1, 1, 1, 1, 1)


def test_history_weight_0_leaves_the_answer_only() -> None:
    encoded = encode_rows(tiny(), rows(([4, 1], "Go", [3], None)))
    example = encoded.example(0, history_weight=0.0)
    assert sum(example.weights) == 3  # slot, item, end
    assert example.weights[-3:] == (1, 1, 1)


def test_headers_of_title_prompts_have_no_weight() -> None:
    lm = tiny(identifier="title", context_length=200)
    example = encode_rows(lm, rows(([4, 7], "Go", [3], None))).example(0, history_weight=0.5)
    weighed = [t for t, w in zip(example.tokens, example.weights, strict=True) if w == 0.5]
    assert lm.tokenizer.decode(weighed) == "- Été à Óbidos\n- M\n"


def test_answers_in_words() -> None:
    lm = tiny()
    example = encode_rows(lm, rows(([], "Which category?", None, "Drama <|end|>"))).example(0, 1.0)
    weighed = [t for t, w in zip(example.tokens, example.weights, strict=True) if w]
    assert lm.tokenizer.decode(weighed) == "Drama <|end|><|end|>"
    assert weighed.count(lm.end_id) == 1


def test_long_rows_lose_old_history_and_impossible_ones_are_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lm = tiny()
    table = rows(([1, 2, 3, 4, 5], "Go", [6], None), ([], "Go " * 40, [6], None))
    words = len(lm.encode_words("Go"))
    with caplog.at_level(logging.WARNING, logger="steerec"):
        encoded = encode_rows(lm, table, max_tokens=words + 2 + 3 + 2)
    assert "1 of 2 instruction rows are left out" in caplog.text
    assert encoded.source.tolist() == [0]
    assert "<|item:4|><|item:5|>Go" in lm.tokenizer.decode(list(encoded.example(0, 0).tokens))
    assert "<|item:3|>" not in lm.tokenizer.decode(list(encoded.example(0, 0).tokens))
    with pytest.raises(DataError, match="Raise pack_length"):
        encode_rows(lm, table, max_tokens=4)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(0, 5))
def test_every_epoch_is_a_permutation_cut_at_the_budget(lengths: list[int], seed: int) -> None:
    plan = BatchPlan(lengths=lengths, tokens_per_batch=40, seed=seed)
    late = plan[7].tolist()  # asked out of order
    for _ in range(2):
        seen: list[int] = []
        for index in range(200):
            if len(seen) >= 2 * len(lengths):
                break
            batch = plan[index].tolist()
            assert sum(lengths[i] for i in batch) <= 40 or len(batch) == 1
            seen += batch
        assert sorted(seen[: len(lengths)]) == sorted(seen[len(lengths) :]) == list(range(len(lengths)))
    again = BatchPlan(lengths=lengths, tokens_per_batch=40, seed=seed)
    assert again[7].tolist() == late


def test_epochs_differ() -> None:
    plan = BatchPlan(lengths=[1] * 50, tokens_per_batch=50, seed=0)
    assert not np.array_equal(plan[0], plan[1])
