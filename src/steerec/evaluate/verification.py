"""Certificates checked anew: by the control code from scratch, and by the independent oracle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from steerec.control.certificate import Certificate, verify
from steerec.control.request import Request, read_history
from steerec.data.catalog import Catalog
from steerec.errors import RequestError, SteerecError
from steerec.evaluate.oracle import violations


def verify_file(run_folder: Path, file: Path) -> list[str]:
    """Check every certificate in a file against a run's catalogue.

    Args:
        run_folder: a run; its `data/items.parquet` is the catalogue.
        file: JSON: a certificate, an answer of `steerec recommend --json`, or a list of either. With an
            answer its history and the items it shows are checked too.

    Returns:
        One sentence per problem; empty when all hold.

    Raises:
        SteerecError: the file is no such JSON.
    """
    catalog = Catalog.load(run_folder / "data")
    table = {row["item_id"]: row for row in catalog.frame.to_dicts()}
    problems = []
    for place, record in enumerate(_records(file)):
        certificate = _certificate(record, file)
        history = _history(record, file)
        found = _contradictions(certificate, catalog, history)
        if "certificate" in record and _shown(record) != certificate.items:
            found.append("the items shown are not the ones it is about")
        try:
            request = request_by_ids(certificate.request, catalog)
        except RequestError as error:
            found.append(f"its request names what this catalogue does not have: {error}")
        else:
            judged = violations(request, certificate.items, table, history or [])
            found += [f"oracle: {what}" for what in judged]
        problems += [f"certificate {place}: {what}" for what in found]
    return problems


def request_by_ids(request: Request, catalog: Catalog) -> dict[str, Any]:
    """Return a request as parsed JSON in which items stand by id: the oracle knows no titles.

    Raises:
        RequestError: the catalogue does not have an item that is named.
    """
    asked: dict[str, Any] = json.loads(request.to_json())

    def ids(references: list[str]) -> list[str]:
        return [catalog.item_ids[catalog.resolve(reference)] for reference in references]

    def by_ids(value: Any) -> Any:
        if isinstance(value, list):
            return [by_ids(part) for part in value]
        if not isinstance(value, dict):
            return value
        return {key: ids(part) if key == "items" else by_ids(part) for key, part in value.items()}

    asked["controls"] = by_ids(asked["controls"])
    asked["exclude"] = ids(asked["exclude"])
    asked["candidates"] = None if asked["candidates"] is None else ids(asked["candidates"])
    return asked


def _contradictions(certificate: Certificate, catalog: Catalog, history: list[str] | None) -> list[str]:
    if certificate.catalogue_sha256 != catalog.sha256:
        theirs, ours = certificate.catalogue_sha256[:12], catalog.sha256[:12]
        return [f"it is about another catalogue: {theirs}, and this run's is {ours}"]
    seen = None if history is None else read_history(history, catalog)
    found = [] if verify(certificate, catalog, seen) else ["what it says is not true of this catalogue"]
    if not certificate.satisfied:
        found.append("it says itself that the list does not obey")
    return found


def _shown(record: Mapping[str, Any]) -> tuple[str, ...]:
    shown = record.get("items")
    entries = shown if isinstance(shown, list) else []
    return tuple(str(entry.get("item_id")) if isinstance(entry, Mapping) else str(entry) for entry in entries)


def _history(record: Mapping[str, Any], file: Path) -> list[str] | None:
    history = record.get("history")
    if history is not None and not isinstance(history, list):
        raise SteerecError(f"{file}: history is a list of item ids, and got {history!r:.80}.")
    return None if history is None else [str(item) for item in history]


def _records(file: Path) -> list[Mapping[str, Any]]:
    try:
        parsed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SteerecError(f"{file} cannot be read as JSON: {error}.") from None
    records = parsed if isinstance(parsed, list) else [parsed]
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise SteerecError(f"{file} holds no certificate: give an answer of `steerec recommend --json`.")
    return records


def _certificate(record: Mapping[str, Any], file: Path) -> Certificate:
    try:
        return Certificate.model_validate(record.get("certificate", record))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SteerecError(f"{file} holds no certificate: {where}: {first['msg']}.") from None
