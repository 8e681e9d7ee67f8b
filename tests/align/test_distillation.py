"""Soft labels, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from steerec.align.distillation import open_items, soft_labels
from steerec.control.control import Control
from steerec.control.forms import at_least, cap, only, start_with, without
from steerec.control.request import Request
from steerec.data.catalog import Catalog


def test_soft_labels_by_hand() -> None:
    # weights 1, 2, 3, 4 before normalisation; item 3 is blocked, item 1 listed first
    scores = np.log(np.array([1.0, 2.0, 3.0, 4.0], np.float32))
    labels = soft_labels(scores, [1, 2], np.array([True, True, True, False]), temperature=1.0)
    expected = torch.tensor([[1 / 6, 2 / 6, 3 / 6, 0.0], [1 / 4, 0.0, 3 / 4, 0.0]])
    torch.testing.assert_close(labels, expected)


def test_a_high_temperature_flattens() -> None:
    scores = np.log(np.array([1.0, 4.0], np.float32))
    labels = soft_labels(scores, [0], np.ones(2, dtype=bool), temperature=2.0)  # square roots: 1 and 2
    torch.testing.assert_close(labels, torch.tensor([[1 / 3, 2 / 3]]))


def _shelf() -> Catalog:
    genres = [["Comedy"], ["Comedy", "Drama"], ["Drama"], ["Horror"]]
    frame = {"item_id": list("abcd"), "title": list("ABCD"), "categories": genres}
    return Catalog.from_frame(pl.DataFrame(frame))


@pytest.mark.parametrize(
    ("controls", "opened"),
    [
        ([], "bcd"),
        ([only("Drama")], "bc"),
        ([without("Horror")], "bc"),
        ([only("Drama"), without("Comedy")], "c"),
        ([at_least(1, "Drama")], None),  # counts: what is open depends on what stands before
        ([start_with(1, "Drama")], None),
        ([cap("categories", 1)], None),
    ],
)
def test_open_items_are_those_of_requests_without_counting(
    controls: list[Control], opened: str | None
) -> None:
    request = Request(count=1 if opened == "c" else 2, controls=controls)
    found = open_items(request.to_json(), [0], _shelf())
    assert (None if found is None else "".join(np.array(list("abcd"))[found])) == opened


def test_candidates_are_open_and_text_rows_are_not() -> None:
    request = Request(count=1, candidates=["a", "c"])
    found = open_items(request.to_json(), [0], _shelf())
    assert found is not None
    assert found.tolist() == [False, False, True, False]
    assert open_items(None, [], _shelf()) is None
