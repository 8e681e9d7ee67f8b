"""What was understood of a text, as one JSON object: the request, what was not placed, what cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steerec.control.refusal import refuse
from steerec.control.request import compile_request
from steerec.data.catalog import Catalog
from steerec.errors import InfeasibleRequest, RequestError
from steerec.understand.reading import Reader


def understood(
    reader: Reader,
    text: str,
    catalog: Catalog,
    history: Sequence[int] = (),
    unavailable: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return `{"request": ..., "unplaced": [...], "conflict": ...}` of a text.

    Args:
        reader: reads it.
        text: one sentence or a short conversation.
        catalog: N items.
        history: item indices that the user has seen.
        unavailable: (N,) items that cannot be recommended now; None: all can.

    Returns:
        `request`: its JSON form, null where no request says the text. `unplaced`: words that could not be
        placed. `conflict`: null; or `message`, and where a request was read that no list satisfies also its
        smallest contradicting `controls` (by index), the pseudo-controls `names` it takes, and the nearest
        `relaxation`.
    """
    try:
        reading = reader.reading(text)
        problem = compile_request(reading.request, catalog, history)
        if unavailable is not None:
            problem = problem.without(unavailable)
    except RequestError as error:
        return {"request": None, "unplaced": [], "conflict": {"message": str(error)}}
    conflict = None
    try:
        refuse(reading.request, catalog, problem)
    except InfeasibleRequest as refusal:
        conflict = {
            "message": str(refusal),
            "controls": list(refusal.conflict.controls),
            "names": list(refusal.conflict.names),
            "relaxation": asdict(refusal.relaxation),
        }
    request = json.loads(reading.request.to_json())
    return {"request": request, "unplaced": list(reading.unplaced), "conflict": conflict}
