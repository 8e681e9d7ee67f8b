"""RecTools' and ranx' values of the metrics that we have too, per user.

Legend: P users with one target each, L places of a list.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from ranx import Qrels, Run, evaluate
from rectools.metrics import MRR, NDCG, HitRate, Recall

from steerec.bench.outside.parcel import Parcel

RANX = {"hr": "hit_rate", "recall": "recall", "ndcg": "ndcg", "mrr": "mrr"}
"""ranx' names of our metrics."""


def judge(job: Parcel) -> Parcel:
    """Judge ranked lists.

    Args:
        job: `lists` (P, L) items, best first, -1 where a list has ended; `targets` (P,); the fact `cutoffs`.

    Returns:
        Arrays float64 (P,) called `LIBRARY METRIC@K`; the fact `versions`.
    """
    lists, targets = job.arrays["lists"], job.arrays["targets"]
    values = {}
    for cutoff in job.facts["cutoffs"]:
        for name, array in by_rectools(lists, targets, cutoff).items():
            values[f"RecTools {name}@{cutoff}"] = array
        for name, array in by_ranx(lists, targets, cutoff).items():
            values[f"ranx {name}@{cutoff}"] = array
    return Parcel({"versions": {name: version(name) for name in ("rectools", "ranx")}}, values)


def by_rectools(
    lists: NDArray[np.int64], targets: NDArray[np.int64], cutoff: int
) -> dict[str, NDArray[np.float64]]:
    """Return RecTools' values; its NDCG must divide by what can be reached, which is not its default."""
    users, places = np.nonzero(lists >= 0)
    shown = pd.DataFrame({"user_id": users, "item_id": lists[users, places], "rank": places + 1})
    wanted = pd.DataFrame({"user_id": np.arange(len(targets)), "item_id": targets})
    metrics: dict[str, Any] = {
        "hr": HitRate(k=cutoff),
        "recall": Recall(k=cutoff),
        "ndcg": NDCG(k=cutoff, divide_by_achievable=True),
        "mrr": MRR(k=cutoff),
    }
    return {
        name: metric.calc_per_user(shown, wanted).reindex(wanted["user_id"]).to_numpy(np.float64)
        for name, metric in metrics.items()
    }


def by_ranx(
    lists: NDArray[np.int64], targets: NDArray[np.int64], cutoff: int
) -> dict[str, NDArray[np.float64]]:
    """Return ranx' values; it sorts by score, so places become falling scores."""
    names = [f"{user:09d}" for user in range(len(targets))]  # ranx keeps users in order of their names
    wanted = Qrels({name: {str(target): 1} for name, target in zip(names, targets, strict=True)})
    shown = Run(
        {
            name: {str(item): float(len(row) - place) for place, item in enumerate(row) if item >= 0}
            for name, row in zip(names, lists.tolist(), strict=True)
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's, on casts within ranx
        asked = [f"{name}@{cutoff}" for name in RANX.values()]
        found = evaluate(wanted, shown, asked, return_mean=False)
    return {ours: np.asarray(found[f"{theirs}@{cutoff}"], np.float64) for ours, theirs in RANX.items()}
