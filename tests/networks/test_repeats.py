"""What a prediction looks back on, against a plain loop."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from steerec.networks.attention import Sequences
from steerec.networks.ragged import plan_flat
from steerec.networks.repeats import Seen, items_seen
from steerec.recommend.sequences.tasks import PermutedItems, lesson

N, MASK = 5, 5
ROWS = st.lists(st.lists(st.integers(0, MASK), min_size=1, max_size=6), min_size=1, max_size=4)


def _pairs(seen: Seen, num_predictions: int) -> list[tuple[int, int]]:
    rows, items = seen.within(0, num_predictions)
    return list(zip(rows.tolist(), items.tolist(), strict=True))


@given(rows=ROWS, data=st.data(), both_sides=st.booleans())
def test_seen_are_the_distinct_items_in_view(
    rows: list[list[int]], data: st.DataObject, both_sides: bool
) -> None:
    flat = [(row, place) for row, items in enumerate(rows) for place in range(len(items))]
    chosen = data.draw(st.lists(st.sampled_from(range(len(flat))), min_size=1, unique=True))
    batch = Sequences(
        torch.tensor([item for row in rows for item in row]),
        torch.tensor([place for _, place in flat]),
        plan_flat([len(row) for row in rows]),
    )
    seen = items_seen(batch, torch.tensor(chosen), "bidirectional" if both_sides else "causal", N)
    expected = set()
    for number, (row, place) in enumerate(flat[one] for one in chosen):
        in_view = rows[row] if both_sides else rows[row][: place + 1]
        expected |= {(number, item) for item in in_view if item != MASK}
    assert _pairs(seen, len(chosen)) == sorted(expected)
    every = torch.arange(N).expand(len(chosen), -1)
    held = seen.holds(every)
    assert {(row, item) for row, item in held.nonzero().tolist()} == expected


def test_a_permuted_query_sees_what_is_earlier_in_its_order_and_never_itself() -> None:
    rng = np.random.default_rng(0)
    given_ = lesson([np.arange(5)], None, PermutedItems(share=0.6), N, rng)
    seen = items_seen(given_.batch, given_.places, "bidirectional", N)
    held = seen.holds(torch.arange(N).expand(len(given_.places), -1))
    assert sorted(held.sum(dim=1).tolist()) == [2, 3, 4]
    assert not held[torch.arange(3), given_.targets].any()


def test_a_part_counts_its_own_rows() -> None:
    batch = Sequences(torch.tensor([3, 1, 3]), torch.tensor([0, 1, 0]), plan_flat([2, 1]))
    rows, items = items_seen(batch, torch.arange(3), "causal", N).within(1, 3)
    assert rows.tolist() == [0, 0, 1]
    assert items.tolist() == [1, 3, 3]
