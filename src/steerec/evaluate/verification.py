"""Certificates checked anew: by the control code from scratch, and by the independent oracle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic

from steerec.control.certificate import Certificate, verify
from steerec.control.request import read_history
from steerec.data.catalog import Catalog
from steerec.errors import SteerecError
from steerec.evaluate.oracle import violations


def verify_file(run_folder: Path, file: Path) -> list[str]:
    """Check every certificate in a file against a run's catalogue.

    Args:
        run_folder: a run; its `data/items.parquet` is the catalogue.
        file: JSON: a certificate, an answer of `steerec recommend --json`, or a list of either. With an
            answer its history is checked too.

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
        history = [str(item) for item in record["history"]] if "history" in record else None
        seen = None if history is None else read_history(history, catalog)
        found = [] if verify(certificate, catalog, seen) else ["what it says is not true of this catalogue"]
        if not certificate.satisfied:
            found.append("it says itself that the list does not obey")
        request = json.loads(certificate.request.to_json())
        found += [f"oracle: {what}" for what in violations(request, certificate.items, table, history or [])]
        problems += [f"certificate {place}: {what}" for what in found]
    return problems


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
