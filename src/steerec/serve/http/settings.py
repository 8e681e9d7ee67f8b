"""What a person can set of the service; every field through `steerec serve RUN --set a.b=value`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from steerec.config import Config


class BatchingConfig(Config):
    """How requests that arrive together are decoded together."""

    max_batch: int = Field(default=16, ge=1)
    """Requests decoded in one pass; 1 turns micro-batching off. A CPU is fastest with about 16."""
    max_wait_ms: float = Field(default=2.0, ge=0)
    """How long a request waits for company when nothing is being decoded, in milliseconds."""
    max_waiting: int = Field(default=512, ge=1)
    """Requests accepted and not yet answered; beyond them the answer is 429."""


class LimitsConfig(Config):
    """What is refused for its size."""

    max_body_bytes: int = Field(default=1_000_000, ge=1)
    """Bytes of a request's body."""
    max_sentence: int = Field(default=20_000, ge=1)
    """Characters of a sentence, and of a chat message."""
    max_history: int = Field(default=10_000, ge=0)
    """Items of a history, given or stored."""
    max_references: int = Field(default=10_000, ge=1)
    """Items that `candidates` or `exclude` names."""
    max_controls: int = Field(default=50, ge=1)
    """Controls, and wishes, of a request."""
    max_remembered: int = Field(default=10_000, ge=1)
    """Answers kept in memory, oldest dropped first, so that feedback can name them by request id."""


class ServeConfig(Config):
    """The service of one run."""

    host: str = "127.0.0.1"
    """Address to bind. Anything but a loopback address needs `keys_file`."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to bind; 0 takes a free one."""
    keys_file: Path | None = None
    """File with the SHA-256 (hex) of an API key on each line; None: no key is asked for."""
    store: str = "sqlite"
    """Where histories live: "sqlite" (a file beside the run) or a postgresql:// address."""
    state_folder: Path | None = None
    """Folder of the history file, feedback, list log and availability; None: the folder of the run."""
    request_timeout_s: float = Field(default=30.0, gt=0)
    """Seconds from acceptance after which the answer is 504."""
    body_timeout_s: float = Field(default=10.0, gt=0)
    """Seconds that a client may take to send its body."""
    shutdown_timeout_s: int = Field(default=30, ge=0)
    """Seconds that running requests may take to finish when the server is told to stop."""
    batching: BatchingConfig = BatchingConfig()
    limits: LimitsConfig = LimitsConfig()
