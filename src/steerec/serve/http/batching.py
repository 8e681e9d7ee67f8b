"""Requests that arrive together are answered together: a bounded queue and one worker thread.

While the worker is busy, requests gather; when it is free it takes up to `max_batch` of them. A request whose
caller has given up (time-out, vanished client) leaves the queue undecoded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

from steerec.errors import SteerecError

JobT = TypeVar("JobT")
AnswerT = TypeVar("AnswerT")


class Busy(SteerecError):  # noqa: N818  (a state, not a fault)
    """As many requests as may wait are waiting."""


class Closing(SteerecError):  # noqa: N818
    """The service is stopping and takes no further requests."""


class Admission:
    """Counts what is accepted and unanswered, and turns away what is too much."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises:
            Busy: all places are taken.
        """
        if self.waiting >= self._most:
            raise Busy(
                f"{self.waiting} requests are waiting, as many as may. Try again after the seconds that "
                "the header Retry-After names."
            )
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


class _Entry(NamedTuple, Generic[JobT, AnswerT]):
    job: JobT
    answer: asyncio.Future[AnswerT]


class MicroBatcher(Generic[JobT, AnswerT]):
    """Gives jobs to a function in batches; `answer` runs in one thread of its own, never twice at once."""

    def __init__(
        self,
        answer: Callable[[Sequence[JobT]], Sequence[AnswerT | Exception]],
        *,
        max_batch: int,
        max_wait_s: float,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Prepare to work; `run` does it.

        Args:
            answer: returns one answer, or the exception to raise, for each job of a batch.
            max_batch: most jobs of a batch, >= 1.
            max_wait_s: seconds that the first job of a batch waits for others when the worker is idle.
            on_batch: told the size of each batch before it is answered.
        """
        self._answer, self._on_batch = answer, on_batch
        self._max_batch, self._max_wait_s = max_batch, max_wait_s
        self._queue: deque[_Entry[JobT, AnswerT]] = deque()
        self._changed = asyncio.Event()
        self._closing = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="decode")

    async def submit(self, job: JobT) -> AnswerT:
        """Return the answer to a job; cancelling the caller takes the job out of the queue.

        Raises:
            Closing: `close` was called.
            Exception: whatever `answer` returned for the job.
        """
        if self._closing:
            raise Closing("The service is stopping. Send the request again to the one that follows.")
        entry: _Entry[JobT, AnswerT] = _Entry(job, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._changed.set()
        return await entry.answer

    async def run(self) -> None:
        """Answer jobs until `close` is called and the queue is empty."""
        loop = asyncio.get_running_loop()
        while await self._has_work():
            batch = self._take()
            if not batch:
                continue
            self._on_batch(len(batch))
            jobs = [entry.job for entry in batch]
            try:
                answers = await loop.run_in_executor(self._worker, self._answer, jobs)
            except Exception as error:
                answers = [error] * len(batch)
            for entry, answer in zip(batch, answers, strict=True):
                if entry.answer.done():
                    continue  # its caller has gone
                if isinstance(answer, Exception):
                    entry.answer.set_exception(answer)
                else:
                    entry.answer.set_result(answer)
        self._worker.shutdown()

    def hurry(self) -> None:
        """Wait for no further company: the service is about to stop, and what is accepted comes first."""
        self._max_wait_s = 0.0
        self._changed.set()

    def close(self) -> None:
        """Take no further jobs; `run` ends when those accepted are answered."""
        self._closing = True
        self._changed.set()

    async def _has_work(self) -> bool:
        while not self._queue:
            if self._closing:
                return False
            self._changed.clear()
            await self._changed.wait()
        if len(self._queue) < self._max_batch and self._max_wait_s and not self._closing:
            await self._company()
        return True

    async def _company(self) -> None:
        """Wait until a batch is full, or its first job has waited long enough."""
        try:
            async with asyncio.timeout(self._max_wait_s):
                while len(self._queue) < self._max_batch and self._max_wait_s and not self._closing:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass

    def _take(self) -> list[_Entry[JobT, AnswerT]]:
        batch: list[_Entry[JobT, AnswerT]] = []
        while self._queue and len(batch) < self._max_batch:
            entry = self._queue.popleft()
            if not entry.answer.done():  # cancelled: nobody waits for it any more
                batch.append(entry)
        return batch
