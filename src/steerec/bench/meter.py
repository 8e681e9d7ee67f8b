"""What a decoding call costs: wall time, time inside the model, forward passes, memory.

Everything that is not inside the model counts as the decoder's own: masks, tries, sampling and bookkeeping.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil
import torch


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One call, or the medians of several."""

    seconds: float
    """Wall time of the whole call."""
    prompt_seconds: float
    """Wall time of reading the same prompts the same way and nothing more."""
    model_seconds: float
    """Of `seconds`, what passed inside the model."""
    setup_seconds: float
    """Of `seconds`, what setting the requests up took (ours only)."""
    mask_seconds: float
    """Of `seconds`, what the steps of the moving mask took (ours only)."""
    forwards: int
    """Forward passes, the prompts' included."""
    rss_mib: float
    """Resident memory after the call, MiB."""

    @property
    def decode_seconds(self) -> float:
        """Wall time without reading the prompts."""
        return max(self.seconds - self.prompt_seconds, 1e-9)

    @property
    def mask_share(self) -> float:
        """Share of decoding time spent in the moving mask."""
        return self.mask_seconds / self.decode_seconds

    @property
    def own_share(self) -> float:
        """Share of decoding time not spent inside the model: everything the decoder adds."""
        return max(0.0, self.seconds - self.model_seconds) / self.decode_seconds


Methods = tuple[tuple[type, str], ...]
"""(class, name of a method) pairs."""


class _Clock:
    """Adds up the time of calls; calls within calls count once."""

    def __init__(self) -> None:
        self.seconds, self.calls, self._depth = 0.0, 0, 0

    def watch(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start, self._depth = time.perf_counter(), self._depth + 1
            try:
                return function(*args, **kwargs)
            finally:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - start
                    self.calls += 1

        # `generate` reads the signature of forward to know which arguments a model takes.
        timed.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return timed


def measure(
    model: Any, call: Callable[[], Any], prompt: Callable[[], Any], *, setup: Methods = (), mask: Methods = ()
) -> tuple[Cost, Any]:
    """Time one call, every forward pass in it, and the reading of its prompts by itself.

    Args:
        model: a causal model of transformers.
        call: what to time.
        prompt: reads the same prompts and stops.
        setup: methods that set requests up.
        mask: methods that are the steps of the moving mask.

    Returns:
        The cost, and what the call returned.
    """
    start = time.perf_counter()
    prompt()
    prompt_seconds = time.perf_counter() - start
    inside, passes, setting_up, masking = _Clock(), _Clock(), _Clock(), _Clock()
    with ExitStack() as stack:
        for part in (model, model.get_output_embeddings()):
            stack.enter_context(_replaced(part, "forward", inside))
        decoder = model.get_decoder()
        stack.enter_context(_replaced(decoder, "forward", inside))
        stack.enter_context(_replaced(decoder, "forward", passes))
        for methods, clock in ((setup, setting_up), (mask, masking)):
            for owner, name in methods:
                stack.enter_context(_replaced(owner, name, clock))
        start = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
    cost = Cost(
        seconds=seconds,
        prompt_seconds=prompt_seconds,
        model_seconds=inside.seconds,
        setup_seconds=setting_up.seconds,
        mask_seconds=masking.seconds,
        forwards=passes.calls,
        rss_mib=psutil.Process().memory_info().rss / 2**20,
    )
    return cost, result


def typical(costs: list[Cost]) -> Cost:
    """Return the median of every figure."""
    names = ("seconds", "prompt_seconds", "model_seconds", "setup_seconds", "mask_seconds", "rss_mib")
    values = {name: median(getattr(cost, name) for cost in costs) for name in names}
    return Cost(**values, forwards=round(median(cost.forwards for cost in costs)))


@contextmanager
def _replaced(owner: Any, name: str, clock: _Clock) -> Iterator[None]:
    plain, own = getattr(owner, name), name in vars(owner)
    setattr(owner, name, clock.watch(plain))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, plain)
        else:
            delattr(owner, name)
