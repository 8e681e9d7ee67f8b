"""What decoding returns: a list that satisfies its problem, or a free answer as it was written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DecodedList:
    """A list from the constrained decoder: right length, admissible at every position, no work twice."""

    items: tuple[int, ...]
    """K item indices, best first."""
    log_probs: tuple[float, ...]
    """K raw log-probabilities of each item given the prompt and the items before it: nats, full vocabulary,
    summed over the item's spellings, without the markers; fewer than K after a fall-back."""
    scores: tuple[float, ...]
    """K values that the choice maximised: the log-probability plus the teacher term; equal at weight 0."""
    forwards: int
    """Forward passes of the batch that this list was decoded in, the prompt's included."""
    fallback_from: int | None = None
    """Position from which the teacher filled the list because time was up; None where the model chose all."""


@dataclass(frozen=True, kw_only=True)
class FreeAnswer:
    """An answer decoded without constraint, read back into items as far as they exist."""

    items: tuple[int | None, ...]
    """Entries in the order written, repeats kept; None where the entry is no item of the catalogue."""
    requested: int
    """How many items the request asked for."""
    ended: bool
    """Whether the model ended its answer; False when it was cut at the token limit."""
    tokens: tuple[int, ...]
    """Token ids, without the end token."""
    text: str
    """The tokens as text."""
    log_prob: float
    """Log-probability of the tokens (and the end token, if it came) under the model; nats, temperature 1."""

    @property
    def known(self) -> tuple[int, ...]:
        """The entries that are items, in order, repeats kept."""
        return tuple(item for item in self.items if item is not None)
