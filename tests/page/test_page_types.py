"""The page's types are those of the service: every interface has the fields of the schema it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

TYPES = Path(__file__).parent.parent.parent / "page" / "src" / "api" / "types.ts"
_INTERFACE = re.compile(
    r"/\*\* openapi: (\S+) \*/\nexport interface \w+ (?:extends \w+ )?\{\n(.*?)\n\}", re.DOTALL
)
_FIELD = re.compile(r"^  (\w+)(\??): (.+);$", re.MULTILINE)


def declared() -> dict[str, dict[str, str]]:
    """Return the fields and TypeScript types of each interface, by the schema it names."""
    found = _INTERFACE.findall(TYPES.read_text(encoding="utf-8"))
    return {schema: {name: kind for name, _, kind in _FIELD.findall(body)} for schema, body in found}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    pytest.importorskip("fastapi", reason='the service is not installed: pip install "steerec[serve]"')
    from unittest.mock import MagicMock

    from steerec.serve.http.app import create_app

    schemas: dict[str, Any] = create_app(MagicMock()).openapi()["components"]["schemas"]
    return schemas


def test_every_interface_has_the_fields_of_its_schema(schemas: dict[str, Any]) -> None:
    assert len(declared()) >= 30
    for name, fields in declared().items():
        assert set(fields) == set(schemas[name]["properties"]), name


def test_plain_fields_have_the_types_of_the_schema(schemas: dict[str, Any]) -> None:
    plain = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}
    checked = 0
    for name, fields in declared().items():
        for field, kind in fields.items():
            schema = schemas[name]["properties"][field]
            if schema.get("type") in plain and "enum" not in schema:
                assert kind == plain[schema["type"]], f"{name}.{field}"
                checked += 1
            branches = {one.get("type") for one in schema.get("anyOf", ())}
            if "null" in branches:
                assert "null" in kind, f"{name}.{field}"
    assert checked > 40
