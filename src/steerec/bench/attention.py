"""What attention costs by the length of the history: softmax, HSTU, and HSTU with stochastic length.

One layer, forward and backward, on sequences of one length; short ones go many at a time, so that all lengths
have the same number of items. Stochastic length keeps all items of a sequence, or N^(alpha/2) of them, with
known chances: its expected time is that mixture of two measured times, per item of the whole sequence. All is
processor time, of all threads, which other processes disturb least.

Legend: L length, S sequences, D width.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import torch
from rich import box
from rich.table import Table
from torch import Tensor

from steerec.artifacts import atomic_path
from steerec.config import Config
from steerec.networks.attention import Layer, Sequences
from steerec.networks.ragged import plan_flat
from steerec.networks.sequence import AttentionEncoder, Bias, HstuConfig, TransformerConfig, build_encoder

logger = logging.getLogger("steerec")

SOFTMAX, HSTU, STOCHASTIC = "softmax", "hstu", "hstu, stochastic length"
METHODS = (SOFTMAX, HSTU, STOCHASTIC)


class AttentionBenchConfig(Config):
    """What is timed."""

    lengths: tuple[int, ...] = (50, 100, 200, 400, 800, 1600, 2400, 4096)
    """Items of a sequence."""
    items: pydantic.PositiveInt = 4096
    """Of a pass in all, at least one sequence."""
    width: pydantic.PositiveInt = 64
    heads: pydantic.PositiveInt = 2
    bias: Bias = "distance"
    """Added to the scores, of all methods alike."""
    alpha: float = pydantic.Field(1.7, gt=1, le=2)
    """Of stochastic length."""
    repeats: pydantic.PositiveInt = 3
    """Counted passes after one that is not; the fastest is reported."""

    @pydantic.field_validator("lengths")
    @classmethod
    def _long_enough(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        if not lengths or min(lengths) < 2:
            raise ValueError("lengths must be at least one number, each 2 or more")
        return lengths


class Thinning(NamedTuple):
    """Stochastic length on sequences as long as they may be."""

    kept: int
    """Items where it leaves some out."""
    chance: float
    """Of leaving some out."""


def thinning(length: int, alpha: float) -> Thinning:
    """Return what `windows.thin` does to a sequence of the longest length, N = L.

    Example:
        >>> thinning(4096, 1.7)
        Thinning(kept=1176, chance=0.917530...)
    """
    return Thinning(int(length ** (alpha / 2)), 1.0 - length ** (alpha - 2.0))


def attention_cost(config: AttentionBenchConfig) -> list[dict[str, Any]]:
    """Time all methods at all lengths.

    Returns:
        A row per length: `length`, `sequences`, `kept` and `chance` of stochastic length, and for each method
        `microseconds` per item and `ratio` to softmax attention (below 1: cheaper).
    """
    rows = []
    for length in config.lengths:
        logger.info("bench train: attention over %d items", length)
        thinned = thinning(length, config.alpha)
        softmax = _microseconds(SOFTMAX, length, length, config)
        whole = _microseconds(HSTU, length, length, config)
        part = _microseconds(HSTU, thinned.kept, length, config)
        times = {
            SOFTMAX: softmax,
            HSTU: whole,
            STOCHASTIC: thinned.chance * part + (1.0 - thinned.chance) * whole,
        }
        rows.append(
            {
                "length": length,
                "sequences": _sequences(length, config),
                **thinned._asdict(),
                "microseconds": times,
                "ratio": {name: each / softmax for name, each in times.items()},
            }
        )
    return rows


def _sequences(length: int, config: AttentionBenchConfig) -> int:
    return max(1, config.items // length)


def _microseconds(method: str, shown: int, length: int, config: AttentionBenchConfig) -> float:
    """Return processor time per item of whole sequences, of a pass over the `shown` items that are left."""
    number = _sequences(length, config)
    run = one_layer(method, shown, length, number, config)
    run()
    times = []
    for _ in range(config.repeats):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return 1e6 * min(times) / (number * length)


def one_layer(
    method: str, shown: int, length: int, number: int, config: AttentionBenchConfig
) -> Callable[[], Tensor]:
    """Return a call that runs a layer forward and backward and returns its output, (S * shown, D).

    Args:
        method: "softmax" or "hstu".
        shown: items of each sequence.
        length: the longest sequence it is built for.
        number: S.
        config: width, heads, bias.
    """
    torch.manual_seed(0)
    kind = TransformerConfig if method == SOFTMAX else HstuConfig
    shape = kind(num_layers=1, num_heads=config.heads, bias=config.bias, dropout=0.0)
    encoder = build_encoder(shape, config.width, length)
    assert isinstance(encoder, AttentionEncoder)
    layer = encoder.layers[0]
    assert isinstance(layer, Layer)
    hidden = torch.randn(number * shown, config.width, requires_grad=True)
    positions = torch.arange(shown).repeat(number)
    times = 3600 * positions if config.bias == "distance_and_time" else None
    batch = Sequences(positions, positions, plan_flat([shown] * number), times)

    def run() -> Tensor:
        layer.zero_grad(set_to_none=True)
        output: Tensor = layer(hidden, batch)
        output.sum().backward()  # type: ignore[no-untyped-call]
        return output

    return run


def attention_table(report: dict[str, Any]) -> Table:
    """Return the table of costs."""
    asked = report["config"]["attention"]
    table = Table(
        header_style="bold",
        pad_edge=False,
        box=box.SIMPLE_HEAD,
        caption="CPU microseconds per item, one layer, forward and backward; ratios to softmax attention\n"
        f"width {asked['width']}, {asked['heads']} heads, bias {asked['bias']}, alpha {asked['alpha']:g}\n"
        "kept: items where some are left out, and how often that is",
        caption_justify="left",
    )
    table.add_column("length", justify="right")
    for name in ("softmax\nus", "HSTU\nus", "ratio", "stochastic\nus", "ratio", "kept"):
        table.add_column(name, justify="right")
    for row in report["attention"]:
        times, ratio = row["microseconds"], row["ratio"]
        table.add_row(
            f"{row['length']:,}",
            f"{times[SOFTMAX]:.2f}",
            f"{times[HSTU]:.2f}",
            f"{ratio[HSTU]:.2f}",
            f"{times[STOCHASTIC]:.2f}",
            f"{ratio[STOCHASTIC]:.2f}",
            f"{row['kept']:,} ({100 * row['chance']:.0f} %)",
        )
    return table


def plot_attention(report: dict[str, Any], path: Path) -> None:
    """Draw the time per item against the length, both axes by powers, a line per method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.6), layout="constrained")
    rows = report["attention"]
    for name in METHODS:
        axes.plot(
            [row["length"] for row in rows], [row["microseconds"][name] for row in rows], "o-", label=name
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([row["length"] for row in rows], [f"{row['length']:,}" for row in rows], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("items of the history")
    axes.set_ylabel("CPU microseconds per item, forward and backward")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(
        f"One layer of attention, {report['machine']}, {report['threads']} threads", loc="left", fontsize=10
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    pyplot.close(figure)
