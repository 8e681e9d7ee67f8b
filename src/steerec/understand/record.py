"""What was understood of a text, as one JSON object: the request, what was not placed, what cannot be."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
        smallest contradicting `controls` (by index) with their `quotes` of the text, the pseudo-controls
        `names` it takes, its `slack`, and the nearest `relaxation`.
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
        refuse(reading.request, catalog, problem, reading.quotes)
    except InfeasibleRequest as refusal:
        data = refusal.as_data()
        conflict = {"message": str(refusal), **data["conflict"], "relaxation": data["relaxation"]}
    request = json.loads(reading.request.to_json())
    return {"request": request, "unplaced": list(reading.unplaced), "conflict": conflict}
