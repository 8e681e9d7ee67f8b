"""Numbers for Prometheus; each service has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Meters:
    """What is counted and timed."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "steerec_requests_total",
            "Requests by route, method and status; 499: the client had gone.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "steerec_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ("route",),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self.batch_size = Histogram(
            "steerec_batch_size",
            "Requests decoded together.",
            registry=self._registry,
            buckets=_SIZES,
        )
        self.waiting = Gauge(
            "steerec_waiting", "Requests accepted and not yet answered.", registry=self._registry
        )
        self.lists = Counter(
            "steerec_lists_total",
            "Lists served, by whether the teacher finished them.",
            ("fallback",),
            registry=self._registry,
        )
        self.feedback = Counter(
            "steerec_feedback_total", "Feedback accepted and on the disk.", registry=self._registry
        )
        self.reloads = Counter(
            "steerec_reloads_total", "Times that the run was loaded again.", registry=self._registry
        )

    def text(self) -> bytes:
        """Return all numbers in the exposition format."""
        return generate_latest(self._registry)
