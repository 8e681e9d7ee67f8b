"""The certificate that goes out with each list: what was asked, what was served, the counts that prove it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import pydantic
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from steerec.config import Config
from steerec.control.attribute import attribute_index
from steerec.control.control import Control
from steerec.control.part import read_json_exactly, sentence
from steerec.control.problem import Cap as CompiledCap
from steerec.control.problem import IntArray, Problem, Quota
from steerec.control.request import Request, compile_request
from steerec.control.where import null_mask
from steerec.data.catalog import Catalog
from steerec.errors import DataError, RequestError

Rule = Literal["count", "repeat", "seen", "exclude", "candidates"]


class ControlResult(Config):
    """How one control of the request came out."""

    index: int
    """Place of the control in `request.controls`, from 0."""
    lower: int
    """Fewest items that satisfy; 0 for a cap."""
    upper: int
    """Most items that satisfy; for a cap, of any one value."""
    matched: int
    """Items of the stretch that match; for a cap, the largest number that share one value."""
    null_items: tuple[str, ...]
    """Item ids of the stretch that have no value in a column the control names."""
    satisfied: bool
    """Whether `matched` lies within the bounds."""


class Certificate(Config):
    """A list, its request, and every count needed to see whether the list obeys."""

    model_config = pydantic.ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    """Version of this record; written `schema`."""
    catalogue_sha256: str
    """Hash of the catalogue that the list was drawn from."""
    request: Request
    """The request in full, defaults too."""
    items: tuple[str, ...]
    """Item ids, best first."""
    controls: tuple[ControlResult, ...]
    """One result for each control of the request, in order."""
    seen_items: tuple[str, ...]
    """Item ids of the list whose work is in the history."""
    fallback_from: str | None = None
    """Decoder or model that failed and was replaced; None when nothing failed."""
    unplaced: tuple[str, ...] = ()
    """Words of the user that no control, wish or field says."""
    broken_rules: tuple[Rule, ...] = ()
    """Rules beside the controls that the list breaks; empty, and then not written, for every served list."""

    @property
    def satisfied(self) -> bool:
        """Whether the list obeys every control and breaks no other rule of its request."""
        return not self.broken_rules and all(result.satisfied for result in self.controls)

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = dict(handler(self))
        fields = {"schema": fields.pop("schema_version", self.schema_version), **fields}
        if not fields["broken_rules"]:
            del fields["broken_rules"]
        return fields

    def to_json(self) -> str:
        """Return the certificate as JSON."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a saved certificate; `verify` says whether it is true.

        Raises:
            DataError: the text is no certificate.
        """
        try:
            record = read_json_exactly(text)
        except RequestError as error:
            raise DataError(f"The certificate cannot be read. {error}") from None
        try:
            return cls.model_validate(record)
        except pydantic.ValidationError as error:
            raise DataError(f"The certificate cannot be read. {sentence(error)}") from None


def certify(
    request: Request,
    catalog: Catalog,
    items: Sequence[int],
    history: Sequence[int] = (),
    fallback_from: str | None = None,
    unplaced: Sequence[str] = (),
) -> Certificate:
    """Return the certificate of a list, good or bad.

    Args:
        request: what was asked.
        catalog: N items.
        items: catalogue indices of the list, best first.
        history: indices of everything the user has seen.
        fallback_from: decoder or model that failed and was replaced.
        unplaced: words of the user that the request does not say.

    Raises:
        RequestError: an item is no index of the catalogue, or the request does not fit the catalogue.
    """
    shown = np.asarray(list(items), dtype=np.int64)  # (K,)
    if shown.size and not (shown.min() >= 0 and shown.max() < len(catalog)):
        raise RequestError(
            f"A list holds indices of the {len(catalog)} {catalog.noun}, and got {list(items)}."
        )
    problem = compile_request(request, catalog, history)
    results = [_quota_result(quota, request, catalog, shown) for quota in problem.quotas]
    results += [_cap_result(cap, request, catalog, shown) for cap in problem.caps]
    seen = np.isin(catalog.work[shown], catalog.work[np.asarray(list(history), dtype=np.int64)])
    return Certificate(
        catalogue_sha256=catalog.sha256,
        request=request,
        items=_ids(shown, catalog),
        controls=tuple(sorted(results, key=lambda result: result.index)),
        seen_items=_ids(shown[seen], catalog),
        fallback_from=fallback_from,
        unplaced=tuple(unplaced),
        broken_rules=_broken_rules(problem, shown),
    )


def verify(certificate: Certificate, catalog: Catalog, history: Sequence[int] | None = None) -> bool:
    """Return whether a certificate is true of a catalogue: made again from its list, it comes out the same.

    A true certificate may still be one of failure; ask `certificate.satisfied` as well.

    Args:
        certificate: for example read from a file.
        catalog: the catalogue it names.
        history: indices of everything the user had seen; None: `seen_items` is taken on trust.
    """
    if certificate.catalogue_sha256 != catalog.sha256:
        return False
    try:
        items = [catalog.index(item_id) for item_id in certificate.items]
        past = history if history is not None else [catalog.index(name) for name in certificate.seen_items]
        again = certify(
            certificate.request,
            catalog,
            items,
            past,
            fallback_from=certificate.fallback_from,
            unplaced=certificate.unplaced,
        )
    except RequestError:
        return False
    return again == certificate


def _quota_result(quota: Quota, request: Request, catalog: Catalog, shown: IntArray) -> ControlResult:
    control = request.controls[quota.control]
    assert isinstance(control, Control)
    stretch = shown[quota.first - 1 : quota.last]
    matched = int(quota.mask[stretch].sum())
    return ControlResult(
        index=quota.control,
        lower=quota.lower,
        upper=quota.upper,
        matched=matched,
        null_items=_ids(stretch[null_mask(control.where, catalog)[stretch]], catalog),
        satisfied=quota.lower <= matched <= quota.upper,
    )


def _cap_result(cap: CompiledCap, request: Request, catalog: Catalog, shown: IntArray) -> ControlResult:
    column = request.controls[cap.control]
    assert not isinstance(column, Control)
    null = attribute_index(catalog).attribute(column.each).null
    matched = int(cap.counts(shown).max(initial=0))
    return ControlResult(
        index=cap.control,
        lower=0,
        upper=cap.limit,
        matched=matched,
        null_items=_ids(shown[null[shown]], catalog),
        satisfied=matched <= cap.limit,
    )


def _broken_rules(problem: Problem, shown: IntArray) -> tuple[Rule, ...]:
    works = problem.work[shown]
    broken: dict[Rule, bool] = {
        "count": len(shown) != problem.count,
        "repeat": len(np.unique(works)) < len(works),
        "seen": bool(problem.blocked_seen[shown].any()),
        "exclude": bool(problem.blocked_exclude[shown].any()),
        "candidates": bool(problem.blocked_candidates[shown].any()),
    }
    return tuple(rule for rule, is_broken in broken.items() if is_broken)


def _ids(items: IntArray, catalog: Catalog) -> tuple[str, ...]:
    return tuple(catalog.item_ids[index] for index in items)
