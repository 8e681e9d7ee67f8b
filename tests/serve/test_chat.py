"""OpenAI's own client against the real server: whole and streamed answers, errors, keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from steerec.control.certificate import Certificate, verify
from steerec.data.split import Split
from steerec.serve.engine import Recommender
from steerec.serve.http.keys import hash_key

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)
openai = pytest.importorskip("openai", reason="the client is not installed: pip install openai")

COMEDIES = {"count": 3, "controls": [{"where": {"categories": "Comedy"}, "at_least": "all"}]}


@pytest.fixture(scope="module")
def address(
    split: Split, teacher: Any, run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("chat")
    (folder / "keys").write_text(f"{hash_key('let me in')}  # the tests\n")
    service = live.make_service(
        Recommender(split.catalog, teacher, None), run_folder, folder, keys_file=folder / "keys"
    )
    with live.served_over_loopback(service) as url:
        yield url


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="let me in", max_retries=0) as made:
        yield made


def ask(client: Any, text: str = "Recommend something.", **options: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="toy", messages=messages, **options)


def test_the_vendor_object_goes_in_and_comes_out(client: Any, split: Split) -> None:
    assert [model.id for model in client.models.list()] == ["toy"]
    assert client.models.retrieve("toy").owned_by == "steerec"
    wanted = {"user_id": split.users[1], "request": COMEDIES}
    answer = ask(client, extra_body={"recommend": wanted})
    data = answer.recommend
    certificate = Certificate.from_json(json.dumps(data["certificate"]))
    assert verify(certificate, split.catalog, split.sequences[1].tolist())
    assert [one.matched for one in certificate.controls] == [3]
    lines = answer.choices[0].message.content.splitlines()
    assert lines == [f"{place}. {item['title']}" for place, item in enumerate(data["items"], start=1)]
    assert answer.choices[0].finish_reason == "stop"
    assert data["understood"]["request"]["count"] == 3
    usage = answer.usage
    assert usage.completion_tokens == len(" ".join(lines).split())
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens == 2


def test_a_stream_says_the_same(client: Any, split: Split) -> None:
    wanted = {"recommend": {"history": [split.catalog.item_ids[0]]}}
    whole = ask(client, "Three comedies, please.", extra_body=wanted)
    stream = ask(
        client,
        "Three comedies, please.",
        extra_body=wanted,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len(text.splitlines()) == 3
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    (data,) = [chunk.recommend for chunk in chunks if getattr(chunk, "recommend", None)]
    assert data["items"] == whole.recommend["items"]
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_last_user_message_counts(client: Any) -> None:
    messages = [
        {"role": "system", "content": "You recommend films."},
        {"role": "user", "content": "Nine dramas."},
        {"role": "assistant", "content": "1. Something"},
        {"role": "user", "content": [{"type": "text", "text": "Make it two comedies."}]},
    ]
    answer = client.chat.completions.create(model="toy", messages=messages, temperature=0.2, seed=1)
    assert len(answer.recommend["items"]) == 2


def test_errors_are_the_clients_own_exceptions(client: Any, address: str) -> None:
    with pytest.raises(openai.NotFoundError, match='no model "gpt"'):
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.UnprocessableEntityError, match="largest count that works") as refusal:
        ask(client, extra_body={"recommend": {"request": {"count": 900}}})
    assert refusal.value.type == "infeasible_request"
    with pytest.raises(openai.UnprocessableEntityError, match="No message has the role user"):
        client.chat.completions.create(model="toy", messages=[{"role": "system", "content": "x"}])
    stranger = openai.OpenAI(base_url=f"{address}/v1", api_key="let me in!", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError, match="valid API key"):
        ask(stranger)


def test_only_health_is_open_without_a_key(address: str) -> None:
    asked = {
        path: httpx.get(address + path).status_code
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/users", "/nowhere")
    }
    assert asked == {
        "/healthz": 200,
        "/readyz": 200,
        "/metrics": 401,
        "/openapi.json": 401,
        "/v1/users": 401,
        "/nowhere": 401,
    }


@pytest.mark.parametrize("header", ["", "Bearer", "Basic let me in", "Bearer \xff\xfe", "bearer LET ME IN"])
def test_what_is_no_key(address: str, header: str) -> None:
    answer = httpx.get(address + "/v1/models", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "unauthorized"


def test_the_client_in_the_documents_works(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = Path(__file__).parent.parent.parent / "docs" / "serving.md"
    block = document.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    for said, here in (("http://127.0.0.1:8000", address), ('"demo"', '"toy"'), ('"none"', '"let me in"')):
        assert said in block
        block = block.replace(said, here)
    exec(compile(block, str(document), "exec"), {})
    assert "5. " in capsys.readouterr().out
