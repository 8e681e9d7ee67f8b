"""Requests drawn from our own OpenAPI description: no answer is a 5xx, and errors have the one shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steerec.serve.engine import Recommender

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)

EXAMPLES = 20
"""Drawn for each operation."""


def test_nothing_drawn_from_the_description_breaks_the_service(
    engine: Recommender, run_folder: Path, tmp_path: Path
) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    asked: dict[str, int] = {}
    with live.served_over_loopback(live.make_service(engine, run_folder, tmp_path)) as url:
        description = schemathesis.openapi.from_url(f"{url}/openapi.json")
        for result in description.get_all_operations():
            draw(result.ok(), url, asked)
    assert len(asked) >= 15
    assert asked["POST /v1/recommend"] >= EXAMPLES // 2


def draw(operation: Any, url: str, asked: dict[str, int]) -> None:
    """Send requests of one operation, good and bad, and count them."""
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error

    modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @given(data=st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    def send(data: Any) -> None:
        case = data.draw(st.one_of(modes))
        answer = case.call(base_url=url)
        case.validate_response(answer, checks=[not_a_server_error])
        asked[operation.label] = asked.get(operation.label, 0) + 1
        if answer.status_code >= 400 and case.method != "HEAD":
            assert answer.json()["error"]["message"]

    send()
