"""The service behind the routes: pins a view, reads the history, batches, remembers, writes the list log."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from steerec.data.split import Split
from steerec.errors import RequestError
from steerec.serve.engine import Recommendation, Recommender, Understood
from steerec.serve.http.answering import Prepared, answer_batch
from steerec.serve.http.batching import Admission, MicroBatcher
from steerec.serve.http.compare import ModelBefore, Rival, compare
from steerec.serve.http.feedback import FeedbackBook, Served
from steerec.serve.http.journal import JsonLines, now
from steerec.serve.http.keys import check_exposure, read_keys
from steerec.serve.http.live import LiveCatalogue, View
from steerec.serve.http.metering import Meters
from steerec.serve.http.problems import Problem
from steerec.serve.http.schema import Ask
from steerec.serve.http.settings import ServeConfig
from steerec.serve.http.state import is_folder, only_service
from steerec.serve.http.store import FirstHistories, HistoryStore, open_store
from steerec.understand.conversation import Conversation, take_turn
from steerec.understand.record import understood

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Answered(NamedTuple):
    """An answer and the view it was made under."""

    recommendation: Recommendation
    view: View
    history_left_out: int


class Heard(NamedTuple):
    """What a text comes to that may ask for nothing."""

    reply: str | None = None
    """An answer in words; None where a list is wanted."""
    read: Understood | None = None
    """What it was understood as; None where it was not read."""


class Service:
    """Answers requests for one run while `running` is open."""

    def __init__(self, engine: Recommender, config: ServeConfig, *, folder: Path) -> None:
        """Check the configuration; nothing is opened yet.

        Args:
            engine: the run.
            config: settings.
            folder: of the run; the service keeps its files there unless `state_folder` says otherwise.

        Raises:
            ConfigError: the address is reachable from outside without keys, or the keys cannot be read.
        """
        check_exposure(config.host, config.keys_file)
        self.keys = read_keys(config.keys_file) if config.keys_file is not None else ()
        self.config, self.engine = config, engine
        # the link to a run may be pointed elsewhere: files stay where they were opened
        self.run_folder, self.folder = folder, (config.state_folder or folder).resolve()
        self.model, self.created = folder.name, int(time.time())
        self.meters = Meters()
        self.admission = Admission(config.batching.max_waiting)
        self.meters.waiting.set_function(lambda: self.admission.waiting)
        self._before = ModelBefore(folder)
        self.ready = False
        self.failure: Exception | None = None
        """Why the service could not start or end well."""
        self.live: LiveCatalogue
        self.store: HistoryStore
        self.feedback: FeedbackBook
        self._batcher: MicroBatcher[Prepared, Recommendation]
        self._reading: ThreadPoolExecutor
        self._listening: ThreadPoolExecutor
        """For sentences alone: a long one takes seconds to understand, and requests in data pass it by."""
        self._explaining: ThreadPoolExecutor
        """For reasons and comparisons, which ask models many times; lists and sentences pass them by."""
        self._lists: JsonLines
        self._held: os.stat_result
        """The folder of the files, whatever is called so later."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open files and threads for the time of the block; at its end what was accepted is answered.

        Raises:
            ConfigError: another service runs in the folder, or the store cannot be reached.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (
            only_service(self.folder) as self._held,
            open_store(self.config.store, self.folder, self._first()) as self.store,
        ):
            self.live = await asyncio.to_thread(LiveCatalogue, self.engine, self.folder)
            self.feedback = FeedbackBook(self.folder, most=self.config.limits.max_remembered)
            self._lists = JsonLines(self.folder / "serve.lists.jsonl", durable=False)
            self._reading = ThreadPoolExecutor(1, thread_name_prefix="read")
            self._listening = ThreadPoolExecutor(1, thread_name_prefix="listen")
            self._explaining = ThreadPoolExecutor(1, thread_name_prefix="explain")
            batching = self.config.batching
            self._batcher = MicroBatcher(
                answer_batch,
                max_batch=batching.max_batch,
                max_wait_s=batching.max_wait_ms / 1000 if batching.max_batch > 1 else 0.0,
                on_batch=self.meters.batch_size.observe,
            )
            work = asyncio.create_task(self._batcher.run())
            self.ready = True
            try:
                yield
            finally:
                self.ready = False
                self._batcher.close()
                await work
                self._reading.shutdown()
                self._listening.shutdown()
                self._explaining.shutdown()
                self.feedback.close()
                self._lists.close()

    def hurry(self) -> None:
        """Get ready to stop: say so at /readyz, and let no request wait for company any more."""
        self.ready = False
        self._batcher.hurry()

    def reload(self) -> None:
        """Serve what the run's folder holds now; if that cannot be read, go on as before and log why.

        Another folder is refused where the service keeps its files in the run's: a restart would lose them.
        """
        if self.config.state_folder is None and not is_folder(self.run_folder, self._held):
            logger.error(
                "the run was not loaded again, the old one goes on: its folder is another one now, and "
                "histories and feedback are kept in the one before. Move the serve.* files to a folder of "
                "their own and start with --set state_folder=FOLDER."
            )
            return
        try:
            view = self.live.swap(Recommender.from_pretrained(self.run_folder))
        except Exception as error:
            logger.exception("the run was not loaded again, the old one goes on: %s", type(error).__name__)
            return
        self.meters.reloads.inc()
        logger.info("the run was loaded again: catalogue %s, %d items", view.version, len(view.catalog))

    def _first(self) -> FirstHistories:
        def histories() -> list[tuple[str, list[str]]]:
            if not (self.run_folder / "data").is_dir():
                return []
            split = Split.load(self.run_folder / "data")
            ids = split.catalog.item_ids
            return [
                (user, [ids[i] for i in past.tolist()])
                for user, past in zip(split.users, split.sequences, strict=True)
            ]

        return histories

    async def recommend(
        self,
        ask: Ask,
        *,
        request_id: str,
        budget_s: float | None = None,
        read: Understood | None = None,
    ) -> Answered:
        """Answer one request.

        Args:
            ask: who asks for what.
            request_id: names the answer.
            budget_s: seconds after which the teacher finishes the list.
            read: what was understood of words that say what is wanted; None: `ask` says it.

        Raises:
            Problem: the user is unknown, or the request says the same thing twice.
            Busy: too many requests are waiting.
            TimeoutError: `request_timeout_s` is over.
            RequestError: the request is malformed or too large.
            InfeasibleRequest: no list satisfies it.
        """
        self._check(ask)
        view = self.live.view
        async with self._accepted():
            prepared, left_out = await self._prepared(ask, view, budget_s, read)
            answer = await self._batcher.submit(prepared)
        self._keep(answer, view, ask.user_id, prepared.words, request_id)
        return Answered(answer, view, left_out)

    async def compare(self, ask: Ask) -> tuple[View, list[Rival]]:
        """Answer one request by all that the run has; nothing is remembered. Errors as in `recommend`."""
        self._check(ask)
        view = self.live.view
        async with self._accepted():
            prepared, _ = await self._prepared(ask, view)
            answer = await self._batcher.submit(prepared)
            work = partial(compare, prepared, answer, view.unavailable, self._before)
            return view, await self._in_thread(self._explaining, work)

    async def _prepared(
        self, ask: Ask, view: View, budget_s: float | None = None, read: Understood | None = None
    ) -> tuple[Prepared, int]:
        """Return a request that some list satisfies, and the items of the history that are not known."""
        accepted = time.monotonic()
        seen, left_out = await self._history(ask, view)
        prepare = partial(
            view.engine.prepare,
            seen,
            read or (ask.request if ask.text is None else ask.text),
            unavailable=view.unavailable,
            limits=self.config.limits,
            budget_s=budget_s,
            accepted=accepted,
        )
        return await self._in_thread(
            self._reading if read or ask.text is None else self._listening, prepare
        ), left_out

    async def explain(self, answered: Answered) -> list[dict[str, Any]]:
        """Return why each item of an answer is there, see `serve.explain`."""
        engine = answered.view.engine
        async with asyncio.timeout(self.config.request_timeout_s):
            return await self._in_thread(self._explaining, lambda: engine.explain(answered.recommendation))

    async def understand(self, ask: Ask) -> dict[str, Any]:
        """Return what a text is understood as, see `understand.record`; errors as in `recommend`."""
        self._check(ask)
        view = self.live.view
        async with self._accepted():
            seen, _ = await self._history(ask, view)
            engine, text = view.engine, ask.text or ""
            return await self._in_thread(
                self._listening,
                lambda: understood(engine.reader, text, engine.catalog, seen, view.unavailable),
            )

    async def take_turn(self, conversation: Conversation, ask: Ask) -> Conversation:
        """Return a conversation after one more turn of the user, who may be answered in words.

        Args:
            conversation: as it was.
            ask: who speaks, and the text.

        Raises:
            RequestError: the text or the state is too large.
            Problem: 404, the user is not known.
        """
        self._check(ask)
        most = self.config.limits.max_references
        if max(map(len, (conversation.shown, conversation.turns, conversation.last))) > most:
            raise RequestError(f"The conversation is longer than {most:,} turns or items. Start over.")
        view = self.live.view
        engine, text = view.engine, ask.text or ""
        async with self._accepted():
            past, _ = await self._history(ask, view)
            return await self._in_thread(
                self._listening,
                lambda: take_turn(
                    conversation,
                    text,
                    engine.turn_reader,
                    engine.catalog,
                    chat=lambda said: engine.chat(said, past),
                ),
            )

    async def in_words(self, ask: Ask) -> Heard:
        """Return a plain answer to a text that asks for nothing, and what the text was understood as.

        Nothing is read where the model speaks no language: it makes a list of every text.
        """
        self._check(ask)
        view, text = self.live.view, ask.text or ""
        if not view.engine.converses:
            return Heard()
        async with self._accepted():
            past, _ = await self._history(ask, view)
            return await self._in_thread(self._listening, lambda: _heard(view.engine, text, past))

    @asynccontextmanager
    async def _accepted(self) -> AsyncIterator[None]:
        """Hold a place among the waiting, for at most the time that an answer may take.

        Raises:
            Busy: all places are taken.
            TimeoutError: `request_timeout_s` is over.
        """
        with self.admission.place():
            async with asyncio.timeout(self.config.request_timeout_s):
                yield

    def _check(self, ask: Ask) -> None:
        limits = self.config.limits
        if ask.user_id is not None and ask.history is not None:
            raise RequestError("user_id and history are two ways to say what was seen: give one of them.")
        if ask.request is not None and ask.text is not None:
            raise RequestError("request and text are two ways to say what is wanted: give one of them.")
        if ask.text is not None and len(ask.text) > limits.max_sentence:
            raise RequestError(
                f"The text has {len(ask.text):,} characters, and at most {limits.max_sentence:,} are read."
            )
        self.check_history(ask.history or ())

    def check_history(self, history: Sequence[str]) -> None:
        """Refuse a history that is too long.

        Raises:
            RequestError: it is longer than `limits.max_history`.
        """
        most = self.config.limits.max_history
        if len(history) > most:
            raise RequestError(f"The history has {len(history):,} items, and at most {most:,} are taken.")

    async def _history(self, ask: Ask, view: View) -> tuple[list[int], int]:
        history: Sequence[str] = ask.history or ()
        if ask.user_id is not None:
            history = await self.history_of(ask.user_id)
        if not history:
            return [], 0
        return await self._in_thread(self._reading, lambda: view.read_history(history))

    async def history_of(self, user_id: str) -> list[str]:
        """Return the stored history of a user.

        Raises:
            Problem: 404, the user is not known.
        """
        found = await asyncio.to_thread(self.store.history, user_id)
        if found is None:
            raise Problem(
                404,
                "unknown_user",
                "No history is stored for this user_id.",
                "Store one with PUT /v1/users/{user_id}/history, or send the history itself.",
            )
        return found

    async def erase(self, user_id: str) -> bool:
        """Forget a user: history, remembered answers, feedback and pairs; return whether there was anything.

        The feedback goes first: if that fails, the user is still known and can be erased again.
        """
        gone = await asyncio.to_thread(self.feedback.erase, user_id)
        known = await asyncio.to_thread(self.store.erase, user_id)
        return known or gone > 0

    @staticmethod
    async def _in_thread(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _keep(
        self, answer: Recommendation, view: View, user_id: str | None, prompt: str, request_id: str
    ) -> None:
        fallback = answer.certificate.fallback_from is not None
        self.meters.lists.labels(str(fallback).lower()).inc()
        titles = view.catalog.displays
        past = tuple(titles[view.catalog.index(item)] for item in answer.history)
        served = Served(
            request_id=request_id,
            model=self.model,
            catalogue_version=view.version,
            user_id=user_id,
            prompt=prompt,
            past=past,
            answer=answer,
        )
        self.feedback.remember(served)
        self._lists.append(
            {
                "time": now(),
                "request_id": request_id,
                "model": self.model,
                "catalogue_version": view.version,
                "fallback": fallback,
                "items": [[item.item_id, item.score] for item in answer.items],
            }
        )


def _heard(engine: Recommender, text: str, past: Sequence[int]) -> Heard:
    reading = engine.reader.reading(text)
    reply = engine.chat(text, past) if reading.is_empty else None
    return Heard(reply, Understood.of(reading, text))
