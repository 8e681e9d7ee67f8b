"""What the token of an item starts from, before a language model learns it.

Legend: N items.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steerec.data.split import Split
from steerec.instruct.attributes import Attributes
from steerec.items.vectors import item_vectors, text_vectors_installed
from steerec.recommend.panel import Panel
from steerec.recommend.sequences.model import SequenceModel
from steerec.recommend.sequences.spectrum import spectral_embeddings

_SPECTRUM_WIDTH = 128


def item_starts(panel: Panel, split: Split, folder: Path) -> list[NDArray[np.float32]]:
    """Return what item tokens start from: the spectrum of the log, the teacher's embeddings, text, topics.

    Topics are in the text too, but a table of their own makes "is a comedy" a direction from the first step
    (docs/LOG.md, 2026-11-28, says what that gives on validation and on test).
    """
    vectors = [spectral_embeddings(split.train, len(split.catalog), _SPECTRUM_WIDTH)]
    vectors += [one.network.head().vectors.detach().cpu().numpy() for one in panel.of_type(SequenceModel)[:1]]
    if text_vectors_installed():
        vectors.append(item_vectors(split.catalog, folder / "data"))
    topics = Attributes.of(split.catalog).topic_table()
    return [*vectors, topics] if topics.any() else vectors
