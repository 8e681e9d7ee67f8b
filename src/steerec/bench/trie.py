"""What the trie and its moving mask cost, from a thousand items to ten million.

Setting a request up may look at every item; a step must not. The two are timed apart, one catalogue size at a
time, each in a process of its own so that its memory can be told.

Legend: N items.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from steerec.artifacts import provenance
from steerec.bench import shelf
from steerec.control.problem import BoolArray, Problem, Quota
from steerec.decode.mask import MovingMask, Window
from steerec.errors import ConfigError
from steerec.items.trie import IntervalTrie

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
KINDS = {"titles": shelf.titles, "codes": shelf.codes}
COUNT = 10
"""Items of a simulated list."""
_CATEGORIES = 50
_SEEN = 200

Predicate = Callable[[int], BoolArray]
"""The mask (N,) of the j-th variant of a predicate, from its raw column."""


def bench_trie(
    sizes: Sequence[int] = SIZES,
    kinds: Sequence[str] = tuple(KINDS),
    *,
    repeats: int = 5,
    lists: int = 20,
    seed: int = 0,
    isolated: bool = True,
) -> dict[str, Any]:
    """Measure building, setting requests up, and stepping.

    Args:
        sizes: numbers of items.
        kinds: spellings to measure: "titles" (about 12 tokens, words by Zipf's law), "codes" (4 tokens of
            256 values).
        repeats: requests set up per predicate, each with another mask; medians are reported.
        lists: lists of 10 items simulated, each under a request of its own.
        seed: of catalogues, columns and lists.
        isolated: whether each size runs in a process of its own, which tells its peak of memory.

    Returns:
        `{"schema": 1, "rows": [...], "versions": ..., ...}`, JSON-able; times in seconds (`_s`), milliseconds
        (`_ms`) or microseconds (`_us`), memory in bytes.

    Raises:
        ConfigError: a kind or a number is out of range.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or min([*sizes, repeats, lists], default=0) < 1 or min(sizes) < 2 * COUNT:
        raise ConfigError(
            f"bench_trie takes kinds of {', '.join(KINDS)}, sizes from {2 * COUNT} items, repeats and lists "
            f"from 1; got {tuple(kinds)}, {tuple(sizes)}, {repeats} and {lists}."
        )
    rows = []
    for kind in kinds:
        for size in sizes:
            arguments = (kind, size, repeats, lists, seed)
            rows.append(_alone(arguments) if isolated else measure(*arguments))
    return {"schema": 1, "rows": rows, **provenance()}


def _alone(arguments: tuple[str, int, int, int, int]) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def measure(kind: str, num_items: int, repeats: int, lists: int, seed: int) -> dict[str, Any]:
    """Measure one catalogue; returns one row of the report."""
    tokens = KINDS[kind](num_items, seed)
    before = _peak_bytes()
    begin = time.perf_counter()
    trie = IntervalTrie.from_tokens(tokens)
    build_s = time.perf_counter() - begin
    peak = _peak_bytes()
    input_bytes, mean_tokens = tokens.nbytes, float(trie.lengths.mean())
    texts = shelf.texts(shelf.titles(num_items, seed) if kind == "codes" else tokens)
    del tokens
    work = np.arange(num_items)
    MovingMask(trie, [_problem([], work)])  # what is found once a catalogue, such as its twins
    predicates = _predicates(num_items, texts, seed)
    return {
        "kind": kind,
        "num_items": num_items,
        "mean_tokens": mean_tokens,
        "num_nodes": trie.num_nodes,
        "root_children": len(trie.children(0)),
        "input_bytes": input_bytes,
        "build_s": build_s,
        "array_bytes": trie.nbytes,
        "build_peak_bytes": peak if peak > before else None,
        **_file_cost(trie),
        "set_up_ms": {name: _set_up_cost(trie, work, own, repeats) for name, own in predicates.items()},
        "step_us": _step_cost(trie, work, predicates, lists, seed),
    }


def _peak_bytes() -> int:
    """Largest memory that the process has held; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _file_cost(trie: IntervalTrie) -> dict[str, float]:
    """Seconds to write the trie and to map it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trie.safetensors"
        begin = time.perf_counter()
        trie.save(path)
        written = time.perf_counter()
        IntervalTrie.load(path)
        return {"save_s": written - begin, "load_s": time.perf_counter() - written}


def _predicates(num_items: int, texts: Any, seed: int) -> dict[str, Predicate]:
    """Predicates over raw columns: numbers, category codes, folded texts."""
    rng = np.random.default_rng([seed, 3])
    year = rng.integers(1950, 2025, size=num_items).astype(np.float64)
    category = np.minimum(rng.geometric(0.1, size=num_items) - 1, _CATEGORIES - 1).astype(np.int32)

    def contains(variant: int) -> BoolArray:
        found: BoolArray = texts.str.contains(f"w{variant + 20}", literal=True).to_numpy()
        return found

    return {
        "numeric": lambda variant: (year >= 1980 + variant) & (year <= 2005),
        "category": lambda variant: category == variant,
        "text": contains,
    }


def _problem(masks: Sequence[BoolArray], work: NDArray[np.int64]) -> Problem:
    """At most seven of a list from each mask, at least three from the first; 200 items have been seen."""
    quotas = [
        Quota(
            mask=mask,
            lower=0 if place else min(3, int(np.count_nonzero(mask)) // 3),
            upper=7,
            first=1,
            last=COUNT,
            control=place,
        )
        for place, mask in enumerate(masks)
    ]
    allowed = np.ones(work.size, np.bool_)
    allowed[:: max(work.size // _SEEN, 2)] = False
    return Problem(count=COUNT, quotas=tuple(quotas), allowed=allowed, work=work)


def _set_up_cost(
    trie: IntervalTrie, work: NDArray[np.int64], predicate: Predicate, repeats: int
) -> dict[str, float]:
    """Milliseconds from a raw column to the root's children; each repeat has a new mask: none is cached."""
    times, parts = [], []
    for variant in range(repeats):
        begin = time.perf_counter()
        mask = predicate(variant)
        masked = time.perf_counter()
        row = np.zeros(1, np.int64)
        MovingMask(trie, [_problem([mask], work)]).window(row, [()]).children(row, row)
        times.append(time.perf_counter() - begin)
        parts.append(masked - begin)
    return {
        "median": 1e3 * float(np.median(times)),
        "worst": 1e3 * max(times),
        "predicate": 1e3 * float(np.median(parts)),
    }


def _step_cost(
    trie: IntervalTrie, work: NDArray[np.int64], predicates: dict[str, Predicate], lists: int, seed: int
) -> dict[str, float]:
    """Microseconds per item of a list: open faces (`window`), and children along its path (`children`).

    `decision` is the mean per level of the trie, that is, per token that had to be chosen.

    Every list is that of a request just set up; what is made later, when a quota is filled, counts as steps.
    Processor time of this thread, which does all the work, so that other processes do not count.
    `counts` is what counting below all children would take instead, without what is kept of wide nodes.
    """
    rng = np.random.default_rng([seed, 4])
    costs = np.zeros((lists, COUNT, 5))
    row = np.zeros(1, np.int64)
    for number in range(lists):
        names = (("numeric",), ("category", "numeric"), ("text",))[number % 3]
        moving = MovingMask(trie, [_problem([predicates[name](number) for name in names], work)])
        moving.window(row, [()]).children(row, row)
        chosen: list[int] = []
        for position in range(COUNT):
            begin = time.thread_time()
            window = moving.window(row, [chosen])
            costs[number, position, 0] = time.thread_time() - begin
            leaf = _random_leaf(trie, window, rng)
            costs[number, position, 1:] = _path_cost(trie, window, leaf)
            chosen.append(int(trie.items[leaf]))
    window_s, children_s, counts_s, levels, children = costs.mean(axis=(0, 1)).tolist()
    whole = costs[:, :, :2].sum(axis=2).mean(axis=1)  # a list's mean step
    return {
        "median": 1e6 * float(np.median(whole)),
        "mean": 1e6 * float(whole.mean()),
        "window": 1e6 * window_s,
        "children": 1e6 * children_s,
        "counts": 1e6 * counts_s,
        "decision": 1e6 * (window_s + children_s) / max(levels, 1.0),
        "levels": levels,
        "fan_out": children,
    }


def _random_leaf(trie: IntervalTrie, window: Window, rng: np.random.Generator) -> int:
    """A random admissible leaf."""
    row = np.zeros(64, np.int64)
    while True:
        leaves = rng.integers(trie.num_leaves, size=row.size)
        admissible = np.flatnonzero(window.counts(row, leaves, leaves + 1))
        if admissible.size:
            return int(leaves[admissible[0]])


def _path_cost(trie: IntervalTrie, window: Window, leaf: int) -> tuple[float, float, int, int]:
    """Seconds to find the admissible children along a path, to count below all; levels, children."""
    row, node = np.zeros(1, np.int64), 0
    found_s, counted_s, levels, children = 0.0, 0.0, 0, 0
    while trie.first_child[node] != trie.last_child[node]:
        begin = time.thread_time()
        _, alive = window.children(row, np.array([node]))
        found = time.thread_time()
        first, last = int(trie.first_child[node]), int(trie.last_child[node])
        window.counts(np.zeros(last - first, np.int64), trie.low[first:last], trie.high[first:last])
        counted_s += time.thread_time() - found
        found_s += found - begin
        levels, children = levels + 1, children + last - first
        node = int(alive[np.searchsorted(trie.low[alive], leaf, side="right") - 1])
    return found_s, counted_s, levels, children


def render(report: dict[str, Any]) -> Table:
    """Return a report as a table of 80 columns; the JSON has more."""
    caption = f"{report['machine']}, {report['written']}"
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("spelling", no_wrap=True)
    set_up = [f"{name}\nms" for name in ("number", "category", "text")]
    for heading in ("items", "build\ns", "peak\nMiB", *set_up, "item\nus", "levels", "decision\nus"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["rows"]:
        peak, step = row["build_peak_bytes"], row["step_us"]
        table.add_row(
            row["kind"],
            f"{row['num_items']:,}",
            f"{row['build_s']:.2f}",
            "-" if peak is None else f"{peak / 2**20:,.0f}",
            *(f"{row['set_up_ms'][name]['median']:.1f}" for name in ("numeric", "category", "text")),
            f"{step['mean']:,.0f}",
            f"{step['levels']:.1f}",
            f"{step['decision']:,.0f}",
        )
    return table
