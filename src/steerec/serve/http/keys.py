"""API keys: only their hashes are kept, and comparing takes the same time whatever is presented."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path

from steerec.errors import ConfigError

_HEX = re.compile(r"[0-9a-f]{64}")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def hash_key(key: str) -> str:
    """Return the SHA-256 (hex) of an API key, as it stands in the keys file.

    Example:
        >>> hash_key("secret")[:8]
        '2bb80d53'
    """
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(path: Path) -> tuple[str, ...]:
    """Return the hashes of a keys file; empty lines and what follows a "#" are left out.

    Raises:
        ConfigError: the file cannot be read, names no key, or a line is no SHA-256.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The keys file {path} cannot be read: {error}.") from None
    hashes = [line.partition("#")[0].strip().lower() for line in lines]
    for number, line in enumerate(hashes, start=1):
        if line and not _HEX.fullmatch(line):
            raise ConfigError(
                f"Line {number} of {path} is no SHA-256 in hex (64 digits). Write one with: "
                "printf %s KEY | sha256sum"
            )
    found = tuple(line for line in hashes if line)
    if not found:
        raise ConfigError(f"The keys file {path} names no key. Add one with: printf %s KEY | sha256sum")
    return found


def key_fits(presented: str, hashes: Sequence[str]) -> bool:
    """Return whether a key is one of those hashed; all of them are compared, each in constant time."""
    digest = hash_key(presented)
    fits = False
    for one in hashes:
        fits |= hmac.compare_digest(digest, one)
    return fits


def is_loopback(host: str) -> bool:
    """Return whether an address to bind is reached from this machine only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("localhost")
        (True, False, True)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_name(header: str) -> bool:
    """Return whether a Host header names this machine, with or without a port.

    Without keys nothing else is answered: a page of some other site could otherwise point its own name at
    the loopback address and read the answers.

    Example:
        >>> is_local_name("127.0.0.1:8000"), is_local_name("[::1]:8000"), is_local_name("shop.example")
        (True, True, False)
    """
    name = header.rpartition("]")[0].lstrip("[") if header.startswith("[") else header.partition(":")[0]
    return name.lower() in _LOCAL_NAMES or is_loopback(name)


def check_exposure(host: str, keys_file: Path | None) -> None:
    """Refuse to bind an address that others reach without asking them for a key.

    Raises:
        ConfigError: the address is no loopback address and there is no keys file.
    """
    if keys_file is None and not is_loopback(host):
        raise ConfigError(
            f"{host} is reached from other machines, and no API key is set. Name a file of hashed keys with "
            "--set keys_file=FILE (a line is what `printf %s KEY | sha256sum` prints), or bind 127.0.0.1."
        )
