"""Candidates behind one history: all in one pass (M-FALCON) against a batch of sequences, one for each.

Legend: C candidates, L items of the history, D width.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pydantic
import torch
from rich import box
from rich.table import Table
from torch import Tensor

from steerec.config import Config
from steerec.networks.attention import Sequences
from steerec.networks.candidates import candidate_states, remember
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import HstuConfig, SequenceNetwork, TransformerConfig

_NUM_ITEMS = 2000


class CandidateBenchConfig(Config):
    """What is timed."""

    candidates: pydantic.PositiveInt = 500
    history: pydantic.PositiveInt = 200
    """Items of the history."""
    batch: pydantic.PositiveInt = 64
    """Sequences that go through the network at once, one by one."""
    width: pydantic.PositiveInt = 64
    layers: pydantic.PositiveInt = 2
    heads: pydantic.PositiveInt = 2
    repeats: pydantic.PositiveInt = 3
    """Paired runs after one that is not counted; medians are reported."""


def candidate_cost(config: CandidateBenchConfig) -> list[dict[str, Any]]:
    """Time both ways, for softmax attention and HSTU, with random weights.

    Returns:
        A row per network: `network`, seconds `together` and `one_by_one`, their `ratio` (above 1: together
        is faster), `difference`: the largest absolute one of any number in any state, and `scale`: the
        largest absolute value of a state.
    """
    torch.manual_seed(0)
    history = torch.randint(_NUM_ITEMS, (config.history,))
    candidates = torch.randint(_NUM_ITEMS, (config.candidates,))
    shape = {"num_layers": config.layers, "num_heads": config.heads}
    rows = []
    for name, encoder in (("softmax", TransformerConfig(**shape)), ("hstu", HstuConfig(**shape))):
        network = SequenceNetwork(encoder, num_items=_NUM_ITEMS, width=config.width, window=config.history)
        network.eval()
        times = torch.arange(config.history) * 3600 if name == "hstu" else None
        now = None if times is None else int(times[-1]) + 60
        rows.append({"network": name} | _race(network, history, candidates, times, now, config))
    return rows


def _race(
    network: SequenceNetwork,
    history: Tensor,
    candidates: Tensor,
    times: Tensor | None,
    now: int | None,
    config: CandidateBenchConfig,
) -> dict[str, float]:
    def together() -> Tensor:
        return candidate_states(network, remember(network, history, times), candidates, now)

    def alone() -> Tensor:
        return one_by_one(network, history, candidates, times, now, batch=config.batch)

    first, second = together(), alone()
    seconds = {"together": list[float](), "one_by_one": list[float]()}
    for _ in range(config.repeats):
        seconds["together"].append(_seconds(together))
        seconds["one_by_one"].append(_seconds(alone))
    pairs = zip(seconds["one_by_one"], seconds["together"], strict=True)
    return {
        **{name: median(values) for name, values in seconds.items()},
        "ratio": median(slow / fast for slow, fast in pairs),
        "difference": float((first - second).abs().max()),
        "scale": float(second.abs().max()),
    }


@torch.no_grad()
def one_by_one(
    network: SequenceNetwork,
    history: Tensor,
    candidates: Tensor,
    times: Tensor | None,
    now: int | None,
    *,
    batch: int,
) -> Tensor:
    """Return the state of each candidate, (C, D), each behind a history of its own.

    Args:
        network: in evaluation mode.
        history: (L,) items.
        candidates: (C,) items.
        times: (L,) seconds of the history.
        now: seconds at which candidates would be taken.
        batch: sequences at once.
    """
    length, found = len(history) + 1, []
    for start in range(0, len(candidates), batch):
        part = candidates[start : start + batch]
        number = len(part)
        items = torch.cat([history.expand(number, -1), part[:, None]], dim=1)  # (number, L + 1)
        moments = None
        if times is not None and now is not None:
            moments = torch.cat([times, times.new_tensor([now])]).repeat(number)
        positions = torch.arange(length).repeat(number)
        states: Tensor = network(Sequences(items.flatten(), positions, plan_flat([length] * number), moments))
        found.append(states.view(number, length, -1)[:, -1])
    return torch.cat(found)


def _seconds(call: Callable[[], Tensor]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def candidate_table(report: dict[str, Any]) -> Table:
    """Return the table of both ways."""
    config = report["config"]["candidates"]
    table = Table(
        header_style="bold",
        pad_edge=False,
        box=box.SIMPLE_HEAD,
        caption=f"{config['candidates']} candidates behind {config['history']} items; "
        f"{config['layers']} layers, width {config['width']}; one by one: in batches of {config['batch']}",
        caption_justify="left",
    )
    table.add_column("candidates")
    for heading in ("together ms", "one by one ms", "ratio", "largest difference"):
        table.add_column(heading, justify="right")
    for row in report["candidates"]:
        table.add_row(
            row["network"],
            f"{1e3 * row['together']:.1f}",
            f"{1e3 * row['one_by_one']:.1f}",
            f"{row['ratio']:.1f} x",
            f"{row['difference']:.1e}",
        )
    return table
