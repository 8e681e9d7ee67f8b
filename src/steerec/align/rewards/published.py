"""The item and list rewards of RecLM-gen (Lu et al. 2024, arXiv 2403.05063) as its code computes them.

They are here for like-for-like ablations, so their oddities stay: a title outside the catalogue stands for
the first item where repeats and hits are looked for, the target counts as a hit even after position k, and
"less than c" is strict for items but inclusive for lists. Where its rewards go (on tokens) is not told here.

Legend: B lists, L entries of the longest, H history, N items of the catalogue, k requested length of a list,
C target category, c quota of C, j place of an entry from 0, a accuracy and b control of an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Task = Literal["SeqRec", "+C", "-C", "LP", "MP", "EP", "ItemCount", "Ranking"]
"""Next items; only C; none of C; at most, at least, about c of C; a stated length; ordering candidates."""
_ACCURACY_ONLY = ("SeqRec", "ItemCount", "Ranking")
_LIST_SCALE = 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Cases:
    """B answers to B prompts."""

    tasks: Sequence[Task]
    """(B,)."""
    items: IntArray
    """(B, L) item indices in the order written; -1: a title outside the catalogue, and after the end."""
    lengths: IntArray
    """(B,) entries written, 0 to L."""
    counts: IntArray
    """(B,) k, at least 1."""
    histories: IntArray
    """(B, H) items of the history in any order, filled up with -1."""
    targets: IntArray
    """(B,) the true next item."""
    teacher_ranks: IntArray
    """(B, N) rank of each item by the teacher, from 0, over the whole catalogue; see `teacher_ranks`."""
    members: BoolArray
    """(B, N) whether each item is in C; not looked at by tasks without a category."""
    quotas: IntArray
    """(B,) c; not looked at by tasks without a quota."""
    candidates: BoolArray | None = None
    """(B, N) the candidates of each `Ranking` prompt; None: all items. Other tasks do not look at it."""
    unknown_item: int = 0
    """Item that a title outside the catalogue stands for where repeats and hits are looked for; -1: none."""

    def __post_init__(self) -> None:
        """Raise ValueError where shapes, names or counts cannot be."""
        size, num_items = len(self.tasks), self.teacher_ranks.shape[-1]
        tables = [self.teacher_ranks, self.members, *([] if self.candidates is None else [self.candidates])]
        columns = (self.lengths, self.counts, self.targets, self.quotas)
        if (
            any(column.shape != (size,) for column in columns)
            or any(table.shape != (size, num_items) for table in tables)
            or any(part.ndim != 2 or len(part) != size for part in (self.items, self.histories))
        ):
            raise ValueError(
                f"Shapes do not agree for {size} tasks: items and histories are (B, L) and (B, H), lengths, "
                "counts, targets and quotas (B,), teacher_ranks, members and candidates (B, N)."
            )
        unknown = set(self.tasks) - set(get_args(Task))
        if unknown:
            raise ValueError(f"No task is called {sorted(unknown)}. Tasks: {', '.join(get_args(Task))}.")
        if (self.counts < 1).any():
            raise ValueError(f"A list has at least one item; got counts {self.counts.tolist()!r:.80}.")


def as_rows(lists: Sequence[Sequence[int]]) -> IntArray:
    """Return lists of item indices as rows of `Cases`, filled up with -1."""
    rows = np.full((len(lists), max(map(len, lists), default=0)), -1, dtype=np.int64)
    for row, items in enumerate(lists):
        rows[row, : len(items)] = items
    return rows


def teacher_ranks(scores: NDArray[np.floating]) -> IntArray:
    """Return the 0-based rank of every item by descending score, ties by index.

    Args:
        scores: (B, N), history not masked.

    Returns:
        (B, N).

    Example:
        >>> teacher_ranks(np.array([[0.2, 0.9, 0.5]])).tolist()
        [[2, 0, 1]]
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.argsort(order, axis=1)


def item_rewards(cases: Cases, *, alpha: float = 0.5) -> FloatArray:
    """Return the reward of every entry.

    An entry fails with -1 where it stands at k or later, is no item of the catalogue (no candidate, in a
    ranking task), repeats an earlier entry or is in the history. Otherwise it is worth a for tasks without a
    category and alpha * a + (1 - alpha) * b for the others. a is 1 for the target and else 1 / log2(r + 3), r
    being the teacher's rank (in a ranking task: the rank among the items of the answer). With the numbers
    `in` and `out` of valid entries so far, inside and outside C and this one included, b is

    - +C: 1 inside C, else 0; -C: the reverse;
    - LP: 0.5 if out > k - c, else 1 outside C, else 0.5 if in < c, else 0;
    - MP: 0.5 if in > c, else 1 inside C, else 0.5 if out < k - c, else 0;
    - EP inside C: 1 if in <= c, else 0; outside: 1 if in >= c, else 0.5 if out <= k - c, else 0.

    Args:
        cases: B answers.
        alpha: share of accuracy, 0 to 1.

    Returns:
        (B, L), 0 after the end of an answer.
    """
    read = _read(cases)
    without_category = np.isin(cases.tasks, _ACCURACY_ONLY)[:, None]
    mixed = alpha * read.accuracy + (1 - alpha) * _item_control(cases, read)
    worth = np.where(without_category, read.accuracy, mixed)
    return np.where(read.written, np.where(read.valid, worth, -1.0), 0.0)


def list_rewards(cases: Cases, *, alpha: float = 0.5) -> FloatArray:
    """Return the reward of every list, 10 * (alpha * A + (1 - alpha) * B).

    A is the sum over entries of a / log2(j + 2), an undiscounted -1 for each that fails, over
    Z_k = sum_{i < k} 1 / log2(i + 2)^2. B is

    - without a category: 1 / log2(j + 2) for the target at place j, 0 where it is absent;
    - +C: 1 / (min(k, |C|) - in + 1); -C: 1 / (k - out + 1);
    - LP: 1 if in <= c; MP: 1 if in >= c; EP: 1 if in = c; otherwise 1 / (|in - c| + 1),

    where `in` and `out` count the valid entries inside and outside C. An empty answer has A = 0.

    Args:
        cases: B answers.
        alpha: share of accuracy, 0 to 1.

    Returns:
        (B,).
    """
    read = _read(cases)
    gains = np.where(read.valid, read.accuracy * _discounts(cases.items.shape[1]), -1.0)  # (B, L)
    ideal = np.cumsum(_discounts(int(cases.counts.max(initial=1))) ** 2)[cases.counts - 1]  # (B,) Z_k
    accuracy = np.where(read.written, gains, 0.0).sum(axis=1) / ideal
    rewards: FloatArray = _LIST_SCALE * (alpha * accuracy + (1 - alpha) * _list_control(cases, read))
    return rewards


class _Read(NamedTuple):
    """What the entries of B answers are; all (B, L)."""

    written: BoolArray
    """Whether there is an entry."""
    valid: BoolArray
    is_target: BoolArray
    """Whether it stands for the target, valid or not."""
    accuracy: FloatArray
    """a, meaningful for valid entries."""
    member: BoolArray
    """Whether it is in C."""
    inside: IntArray
    """Valid entries in C, up to this one."""
    outside: IntArray
    """Valid entries not in C, up to this one."""


def _read(cases: Cases) -> _Read:
    row, place = np.arange(len(cases.tasks))[:, None], np.arange(cases.items.shape[1])
    written = place < cases.lengths[:, None]
    named = cases.items >= 0
    item = np.where(named, cases.items, cases.unknown_item)  # (B, L)
    earlier = place[:, None] > place
    repeats = ((item[:, :, None] == item[:, None, :]) & earlier).any(axis=2)
    seen = (item[:, :, None] == cases.histories[:, None, :]).any(axis=2)
    valid = written & named & ~repeats & ~seen & (place < cases.counts[:, None])
    is_ranking = np.isin(cases.tasks, ["Ranking"])[:, None]
    if cases.candidates is not None:
        valid &= cases.candidates[row, item] | ~is_ranking
    is_target = written & (item == cases.targets[:, None])
    rank = cases.teacher_ranks[row, item]
    counted = written & ~repeats & (item >= 0)
    better = (rank[:, None, :] < rank[:, :, None]) & counted[:, None, :]
    rank = np.where(is_ranking, better.sum(axis=2), rank)
    member = cases.members[row, item]
    return _Read(
        written=written,
        valid=valid,
        is_target=is_target,
        accuracy=np.where(is_target, 1.0, 1.0 / np.log2(rank + 3.0)),
        member=member,
        inside=np.cumsum(valid & member, axis=1),
        outside=np.cumsum(valid & ~member, axis=1),
    )


def _item_control(cases: Cases, read: _Read) -> FloatArray:
    """Return b, (B, L); meaningful for valid entries of tasks with a category."""
    inside, outside, member = read.inside, read.outside, read.member
    quota, rest = cases.quotas[:, None], (cases.counts - cases.quotas)[:, None]
    of_task = {
        "+C": member.astype(np.float64),
        "-C": (~member).astype(np.float64),
        "LP": np.select([outside > rest, ~member, inside < quota], [0.5, 1.0, 0.5], 0.0),
        "MP": np.select([inside > quota, member, outside < rest], [0.5, 1.0, 0.5], 0.0),
        "EP": np.where(
            member,
            (inside <= quota).astype(np.float64),
            np.select([inside >= quota, outside <= rest], [1.0, 0.5], 0.0),
        ),
    }
    return _by_task(cases.tasks, of_task)


def _list_control(cases: Cases, read: _Read) -> FloatArray:
    """Return B, (B,)."""
    inside = (read.valid & read.member).sum(axis=1)
    outside = (read.valid & ~read.member).sum(axis=1)
    quota, most = cases.quotas, np.minimum(cases.counts, cases.members.sum(axis=1))
    near = 1.0 / (np.abs(inside - quota) + 1.0)
    found = np.where(read.is_target, _discounts(read.is_target.shape[1]), 0.0).max(axis=1, initial=0.0)
    of_task = {
        "+C": 1.0 / (most - inside + 1.0),
        "-C": 1.0 / (cases.counts - outside + 1.0),
        "LP": np.where(inside <= quota, 1.0, near),
        "MP": np.where(inside >= quota, 1.0, near),
        "EP": near,
    }
    return _by_task(cases.tasks, of_task | dict.fromkeys(_ACCURACY_ONLY, found))


def _by_task(tasks: Sequence[Task], of_task: dict[str, FloatArray]) -> FloatArray:
    """Take every row from the array of its task; rows of other tasks are 0."""
    names = np.asarray(tasks)
    result = np.zeros_like(next(iter(of_task.values())))
    for task, values in of_task.items():
        result[names == task] = values[names == task]
    return result


def _discounts(size: int) -> FloatArray:
    """Return 1 / log2(j + 2) for j = 0, 1, ..., (size,)."""
    discounts: FloatArray = 1.0 / np.log2(np.arange(size) + 2.0)
    return discounts
