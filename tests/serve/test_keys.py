"""Who may ask: hashed keys, no exposure without them, no names but our own on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from steerec.cli import app
from steerec.errors import ConfigError
from steerec.serve.engine import Recommender
from steerec.serve.http.keys import check_exposure, hash_key, is_local_name, is_loopback, key_fits, read_keys

live = pytest.importorskip(
    "live_service", reason='the service is not installed: pip install "steerec[serve]"'
)


def test_only_hashes_are_kept_and_any_of_them_fits(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{hash_key('one').upper()}\n{hash_key('two')} # the shop\n")
    hashes = read_keys(file)
    assert hashes == (hash_key("one"), hash_key("two"))
    assert key_fits("one", hashes)
    assert key_fits("two", hashes)
    assert not key_fits("", hashes)
    assert not key_fits(hash_key("one"), hashes)  # the file gives nothing away
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2


@pytest.mark.parametrize(
    ("content", "words"),
    [("one\n", "Line 1 of .* is no SHA-256"), ("# none\n", "names no key"), (None, "cannot be read")],
)
def test_files_that_are_no_key_files(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    with pytest.raises(ConfigError, match=words):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "shop.example", "", "127.0.0.1.example"])
def test_other_machines_need_a_key(host: str, tmp_path: Path, engine: Recommender) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="is reached from other machines, and no API key is set"):
        live.make_service(engine, tmp_path, tmp_path, host=host)
    check_exposure(host, tmp_path / "keys")


def test_the_command_refuses_before_it_loads_anything(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", str(tmp_path / "no run"), "--host", "0.0.0.0"])
    assert isinstance(done.exception, ConfigError)
    assert "--set keys_file=FILE" in str(done.exception)
    wrong = CliRunner().invoke(app, ["serve", str(tmp_path), "--set", "batching.max_batch=0"])
    assert isinstance(wrong.exception, ConfigError)
    assert "batching.max_batch" in str(wrong.exception)


@pytest.mark.parametrize(
    ("header", "ours"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8000", True),
        ("localhost:1", True),
        ("LOCALHOST", True),
        ("[::1]:8000", True),
        ("127.0.0.1.evil.example", False),
        ("evil.example:8000", False),
        ("[::2]:80", False),
        ("", False),
    ],
)
def test_names_of_this_machine(header: str, ours: bool) -> None:
    assert is_local_name(header) is ours


def test_a_page_elsewhere_cannot_use_its_own_name_for_us(
    engine: Recommender, run_folder: Path, tmp_path: Path
) -> None:
    async def story() -> list[int]:
        async with live.client_of(live.make_service(engine, run_folder, tmp_path)) as client:
            evil = await client.get("/v1/users", headers={"Host": "evil.example"})
            # a form of another site can be sent without asking us first, but it cannot be JSON
            form = await client.post("/v1/recommend", content="{}", headers={"Content-Type": "text/plain"})
            return [evil.status_code, form.status_code]

    assert live.run(story()) == [403, 422]
