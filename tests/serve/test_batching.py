"""Micro-batching: what waits is decoded together, who has gone is left out, who comes too late is told so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from steerec.control.forms import at_least, cap, without
from steerec.control.request import Request
from steerec.data.split import Split
from steerec.errors import InfeasibleRequest, RequestError
from steerec.llm.tiny import build_tiny
from steerec.recommend.floor import Floor
from steerec.serve.engine import Recommendation, Recommender
from steerec.serve.http.answering import ServedRecommender, answer_batch
from steerec.serve.http.batching import Admission, Busy, Closing, MicroBatcher
from steerec.serve.http.live import make_view
from steerec.serve.http.settings import LimitsConfig
from tiny_shelf import PHRASINGS, tiny_shape

LIMITS = LimitsConfig()


class Gate:
    """Answers "job!" to each job; the first batch waits until the gate is opened."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.open, self.entered = threading.Event(), threading.Event()

    def __call__(self, jobs: Sequence[str]) -> list[str | Exception]:
        self.batches.append(list(jobs))
        self.entered.set()
        assert self.open.wait(20)
        return [RequestError("bad") if job == "bad" else job + "!" for job in jobs]


async def started(gate: Gate, **options: Any) -> tuple[MicroBatcher[str, str], asyncio.Task[None]]:
    """Return a batcher whose worker is busy with the job "first"."""
    batcher: MicroBatcher[str, str] = MicroBatcher(gate, **{"max_batch": 3, "max_wait_s": 0.0, **options})
    work = asyncio.create_task(batcher.run())
    first = asyncio.create_task(batcher.submit("first"))
    await asyncio.to_thread(gate.entered.wait, 20)
    first.add_done_callback(lambda task: task.result())
    return batcher, work


def test_what_waits_is_answered_together_and_a_bad_one_alone_fails() -> None:
    async def story() -> tuple[list[Any], list[list[str]]]:
        gate = Gate()
        batcher, work = await started(gate)
        tasks = [asyncio.create_task(batcher.submit(job)) for job in ("a", "bad", "c", "d")]
        await asyncio.sleep(0)
        gate.open.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        batcher.close()
        await work
        return answers, gate.batches

    answers, batches = asyncio.run(story())
    assert batches == [["first"], ["a", "bad", "c"], ["d"]]
    assert isinstance(answers[1], RequestError)
    assert [answers[0], *answers[2:]] == ["a!", "c!", "d!"]


def test_who_has_gone_is_not_decoded() -> None:
    async def story() -> list[list[str]]:
        gate = Gate()
        batcher, work = await started(gate)
        tasks = {job: asyncio.create_task(batcher.submit(job)) for job in ("a", "gone", "c")}
        await asyncio.sleep(0)
        tasks["gone"].cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.submit("late"), 0.01)
        gate.open.set()
        assert [await tasks["a"], await tasks["c"]] == ["a!", "c!"]
        batcher.close()
        await work
        return gate.batches

    assert asyncio.run(story()) == [["first"], ["a", "c"]]


def test_closing_answers_what_was_accepted_and_takes_no_more() -> None:
    async def story() -> list[str]:
        gate = Gate()
        batcher, work = await started(gate)
        tasks = [asyncio.create_task(batcher.submit(job)) for job in "abcd"]
        await asyncio.sleep(0)
        batcher.close()
        with pytest.raises(Closing, match="is stopping"):
            await batcher.submit("too late")
        gate.open.set()
        await work
        return [await task for task in tasks]

    assert asyncio.run(story()) == ["a!", "b!", "c!", "d!"]


def test_a_failing_worker_fails_its_batch_and_goes_on() -> None:
    def broken(jobs: Sequence[str]) -> list[str | Exception]:
        if "poison" in jobs:
            raise RuntimeError("worker")
        return list(jobs)

    async def story() -> str:
        batcher: MicroBatcher[str, str] = MicroBatcher(broken, max_batch=2, max_wait_s=0.0)
        work = asyncio.create_task(batcher.run())
        with pytest.raises(RuntimeError, match="worker"):
            await batcher.submit("poison")
        answer = await batcher.submit("fine")
        batcher.close()
        await work
        return answer

    assert asyncio.run(story()) == "fine"


def test_a_lone_job_waits_for_company_that_comes() -> None:
    sizes: list[int] = []

    async def story() -> None:
        batcher: MicroBatcher[str, str] = MicroBatcher(
            list, max_batch=2, max_wait_s=30.0, on_batch=sizes.append
        )
        work = asyncio.create_task(batcher.run())
        tasks = [asyncio.create_task(batcher.submit("a"))]
        await asyncio.sleep(0.01)
        tasks.append(asyncio.create_task(batcher.submit("b")))  # the batch is full: nobody waits longer
        await asyncio.gather(*tasks)
        batcher.close()
        await work

    asyncio.run(asyncio.wait_for(story(), 20))
    assert sizes == [2]


def test_places_are_counted_and_given_back() -> None:
    admission = Admission(2)
    with admission.place():
        with pytest.raises(ZeroDivisionError), admission.place():
            _ = 1 / 0
        with admission.place(), pytest.raises(Busy, match="2 requests are waiting"), admission.place():
            pass
    assert admission.waiting == 0


# With a real model ------------------------------------------------------------------------------------

REQUESTS: tuple[Request | str | None, ...] = (
    None,
    Request(count=6, controls=[at_least(3, "Comedy"), without("Horror"), cap("director", 2)]),
    "Three comedies, please.",
    Request(count=2),
)


@pytest.fixture(scope="module")
def with_model(split: Split, teacher: Floor) -> ServedRecommender:
    lm = build_tiny(split.catalog, PHRASINGS, tiny_shape(context_length=512))
    engine = Recommender(split.catalog, teacher, lm, weight=0.5)
    return make_view(engine, split.catalog, _nothing(split)).engine


def _nothing(split: Split) -> Any:
    import numpy as np

    return np.zeros(len(split.catalog), np.bool_)


def prepared(engine: ServedRecommender, split: Split, asked: Any, user: int, **options: Any) -> Any:
    options = {"unavailable": _nothing(split), "limits": LIMITS, **options}
    return engine.prepare(split.train[user].tolist(), asked, **options)


@pytest.mark.parametrize("kind", ["teacher", "language model"])
def test_batched_is_unbatched(
    kind: str, with_model: ServedRecommender, engine: Recommender, split: Split
) -> None:
    served = (
        with_model if kind == "language model" else make_view(engine, split.catalog, _nothing(split)).engine
    )
    asked = [(one, user) for user in range(3) for one in REQUESTS]
    together = answer_batch([prepared(served, split, one, user) for one, user in asked])
    for (one, user), answer in zip(asked, together, strict=True):
        assert isinstance(answer, Recommendation), answer
        past = split.train[user].tolist()
        alone = served.answer([past], [one])[0]
        assert answer.certificate == alone.certificate  # the same items in the same order
        assert [item.score for item in answer.items] == pytest.approx(
            [item.score for item in alone.items], abs=1e-3
        )
        assert answer.certificate.satisfied


def test_a_request_that_does_not_fit_fails_alone(with_model: ServedRecommender, split: Split) -> None:
    jobs = [
        prepared(with_model, split, Request(count=3), 0),
        prepared(with_model, split, "Five films. " + "Lovely weather today, is it not? " * 200, 1),
        prepared(with_model, split, Request(count=4), 2),
    ]
    good, bad, fine = answer_batch(jobs)
    assert isinstance(bad, RequestError)
    assert isinstance(good, Recommendation)
    assert isinstance(fine, Recommendation)
    assert (len(good.items), len(fine.items)) == (3, 4)


def test_a_spent_budget_is_the_teachers_and_spoils_no_neighbour(
    with_model: ServedRecommender, split: Split
) -> None:
    late, patient = answer_batch(
        [prepared(with_model, split, None, 0, budget_s=0.0), prepared(with_model, split, None, 1)]
    )
    assert isinstance(late, Recommendation)
    assert isinstance(patient, Recommendation)
    assert "from position 1" in str(late.certificate.fallback_from)
    assert patient.certificate.fallback_from is None


def test_what_is_unavailable_is_left_out_of_what_can_be_asked(
    with_model: ServedRecommender, split: Split
) -> None:
    unavailable = _nothing(split)
    unavailable[3:] = True
    with pytest.raises(InfeasibleRequest, match="largest count that works"):
        prepared(with_model, split, Request(count=5, allow_seen=True), 0, unavailable=unavailable)
    (answer,) = answer_batch(
        [prepared(with_model, split, Request(count=1, allow_seen=True), 0, unavailable=unavailable)]
    )
    assert isinstance(answer, Recommendation)
    assert answer.items[0].item_id in split.catalog.item_ids[:3]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(controls=[at_least(1, "Comedy")] * 51), "51 controls, and at most 50"),
        (Request(exclude=["i1"] * 10_001), "10,001 exclude"),
        (Request(candidates=["i1"] * 10_001), "10,001 candidates"),
        (
            Request.from_json(
                '{"controls": [{"at_least": 1, "where": {"any": [' + ",".join(['{"year": 1}'] * 600) + "]}}]}"
            ),
            "conditions",
        ),
    ],
)
def test_too_large_a_request_is_refused(
    with_model: ServedRecommender, split: Split, request_: Request, words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        prepared(with_model, split, request_, 0)
