"""Start, drain, crash and reload of the real service, in processes of its own, under load.

Nothing here counts on a fast machine: each test waits for what it needs, `PATIENCE` seconds at most.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.serving.security import hash_key
from tests.reliability.service import Service
from tests.reliability.wire import Answer, Connection, json_question
from tests.tiny import write_tiny_bundle
from tests.waiting import PATIENCE, wait_until

QUESTIONS = [json_question(rows, rows) for rows in (1, 2, 30)]


def versions(service: Service, model: str = "tiny", answers: int = 10) -> set[str]:
    """Return the versions of a model in so many answers, of any worker."""
    return {json.loads(service.get(f"/models/{model}"))["manifest"]["version"] for _ in range(answers)}


def reloads(service: Service) -> int:
    """Return how often a worker has reloaded its models."""
    return sum(line["event"].startswith("models reloaded") for line in service.lines())


class Load:
    """Clients that send requests continuously, with the results."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.right, self.wrong = 0, list[str]()
        self.over = False

    async def client(self, number: int) -> None:
        async with Connection(self.service.port) as connection:
            while not self.over:
                question = QUESTIONS[number % len(QUESTIONS)]
                try:
                    answer: Answer = await connection.send(question.request)
                except (OSError, EOFError) as error:
                    self.wrong.append(type(error).__name__)
                    await asyncio.sleep(0.05)
                    continue
                if answer.status == 200 and question.fits(answer):
                    self.right += 1
                else:
                    self.wrong.append(str(answer.status))

    async def answered(self, more: int) -> None:
        """Wait until so many more requests are answered correctly."""
        wanted = self.right + more
        await asyncio.to_thread(wait_until, lambda: self.right >= wanted, "answered")


def under_load(service: Service, event: Callable[[], object] = lambda: None) -> tuple[int, list[str]]:
    """Load the service before, during and after an event; return the number of correct answers, and the errors.

    At least thirty requests are answered correctly after the event, or this fails.
    """

    async def run() -> tuple[int, list[str]]:
        load = Load(service)
        tasks = [asyncio.create_task(load.client(number)) for number in range(4)]
        await load.answered(30)
        await asyncio.to_thread(event)
        await load.answered(30)
        load.over = True
        await asyncio.gather(*tasks)
        return load.right, load.wrong

    return asyncio.run(run())


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_answers_every_accepted_request_and_exits_with_0(tmp_path: Path, workers: int) -> None:
    with Service(tmp_path, workers=workers, layers=3, threads=1) as service:
        questions = [json_question(60, seed) for seed in range(10)]

        async def run() -> list[Answer]:
            async with AsyncExitStack() as leaving:
                connections = [await leaving.enter_async_context(Connection(service.port)) for _ in questions]
                for connection, question in zip(connections, questions, strict=True):
                    await connection.begin(question.request)
                service.process.send_signal(signal.SIGTERM)
                return await asyncio.gather(*(connection.end() for connection in connections))

        answers = asyncio.run(run())
        assert service.process.wait(PATIENCE) == 0
    assert all(question.fits(answer) for question, answer in zip(questions, answers, strict=True))


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_answers_what_has_arrived_and_was_not_looked_at_yet(tmp_path: Path, workers: int) -> None:
    """Requests on connections that wait to be accepted, on new and on idle ones; the service is stopped meanwhile.

    All have arrived when the signal comes, at any speed of the machine.
    """
    question = QUESTIONS[-1]
    with Service(tmp_path, workers=workers) as service:

        async def run() -> list[Answer]:
            async with AsyncExitStack() as leaving:
                connections = [await leaving.enter_async_context(Connection(service.port)) for _ in range(24)]
                kept, new = connections[:8], connections[8:16]
                for connection in kept:
                    assert (await connection.send(QUESTIONS[0].request)).status == 200
                for connection in new:
                    await connection.begin(b"")
                stopped = service.workers()
                for worker in stopped:
                    worker.suspend()
                for connection in connections:
                    await connection.begin(question.request)
                # A supervisor checks their health twice a second; it still stops them at once.
                await asyncio.sleep(1.5)
                service.process.send_signal(signal.SIGTERM)
                if workers > 1:
                    told = lambda: service.log.read_text().count("Terminated child process") == workers  # noqa: E731
                    await asyncio.to_thread(wait_until, told, "all workers are told", 25)
                for worker in stopped:
                    worker.resume()
                return await asyncio.gather(*(connection.end() for connection in connections))

        answers = asyncio.run(run())
        assert service.process.wait(PATIENCE) == 0
    assert all(question.fits(answer) for answer in answers)


def test_sigterm_turns_unready_and_serves_on_for_the_drain_time(tmp_path: Path) -> None:
    async def ask(service: Service) -> tuple[Answer, Answer]:
        async with Connection(service.port) as connection:
            ready = await connection.send(b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
            return ready, await connection.send(QUESTIONS[0].request)

    with Service(tmp_path, drain_seconds=PATIENCE) as service:
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: asyncio.run(ask(service))[0].status == 503, "unready")
        ready, answer = asyncio.run(ask(service))
        assert (ready.status, json.loads(ready.body)["error"]["code"]) == (503, "not_ready")
        assert QUESTIONS[0].fits(answer)
        service.process.send_signal(signal.SIGTERM)  # a second one does not wait
        assert service.process.wait(PATIENCE / 2) == 0


def test_the_drain_time_ends_by_itself(tmp_path: Path) -> None:
    with Service(tmp_path, drain_seconds=0.5) as service:
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service of two workers, either of which may be another in the next test; it must end with 0."""
    with Service(tmp_path_factory.mktemp("pair"), workers=2, admin_keys={"me": hash_key("secret")}) as service:
        yield service
        assert service.stop() == 0


def test_a_killed_worker_is_replaced_and_the_others_answer_meanwhile(pair: Service) -> None:
    before = {worker.pid for worker in pair.workers()}
    victim = min(before)

    def kill() -> None:
        os.kill(victim, signal.SIGKILL)
        pair.wait_for_workers(2, besides=victim)

    right, wrong = under_load(pair, kill)
    after = {worker.pid for worker in pair.workers()}
    assert len(after) == 2
    assert victim not in after
    assert right > 50
    assert len(wrong) <= 4, "only what the killed worker held may be lost"
    assert set(wrong) <= {"ConnectionResetError", "IncompleteReadError", "BrokenPipeError"}


def test_a_worker_that_dies_while_its_health_is_asked_for_is_replaced_at_once(pair: Service) -> None:
    victim = min(worker.pid for worker in pair.workers())
    os.kill(victim, signal.SIGSTOP)
    time.sleep(1.5)  # the supervisor checks twice a second, and now waits for an answer
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    pair.wait_for_workers(2, besides=victim)
    assert time.monotonic() - began < 25, "it would have been replaced after 30 s anyway"


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with Service(tmp_path, workers=2) as service:
        workers = service.workers()
        service.process.kill()
        for worker in workers:
            worker.wait(PATIENCE)


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_serves_the_new_version_without_a_failed_request(tmp_path: Path, workers: int) -> None:
    with Service(tmp_path, workers=workers) as service:

        def replace() -> None:
            write_tiny_bundle(service.models / "newer", version="1.10.0")
            service.process.send_signal(signal.SIGHUP)
            # Ten answers may all come from the first worker; the log has a line of each.
            wait_until(lambda: reloads(service) == workers, "all workers serve the new version")

        right, wrong = under_load(service, replace)
        assert wrong == []
        assert right > 50
        assert versions(service) == {"1.10.0"}
        assert json.loads(service.get("/models/tiny@1.2.3"))["default"] is False
        assert service.stop() == 0


def test_a_broken_bundle_does_not_replace_a_good_one(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        folder = write_tiny_bundle(service.models / "newer", version="1.10.0")
        (folder / "model.onnx").write_bytes(b"altered")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("not reloaded" in line["event"] for line in service.lines()), "refused")
        right, wrong = under_load(service)
        assert (right > 10, wrong) == (True, [])
        assert json.loads(service.get("/models/tiny"))["manifest"]["version"] == "1.2.3"
        assert 'gaia_redshift_reloads_total{result="refused"} 1.0' in service.get("/metrics")


def test_posting_a_reload_to_one_worker_reloads_them_all(pair: Service) -> None:
    assert versions(pair) == {"1.2.3"}
    write_tiny_bundle(pair.models / "newer", version="1.10.0")
    request = Request(f"{pair.url}/models/reload", method="POST", headers={"Authorization": "Bearer secret"})  # noqa: S310
    with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        assert [model["manifest"]["version"] for model in json.load(answer)["models"]] == ["1.10.0", "1.2.3"]
    wait_until(lambda: versions(pair) == {"1.10.0"}, "all workers serve the new version")


def test_metrics_are_those_of_all_workers_together(pair: Service) -> None:
    def counted() -> float:
        lines = pair.get("/metrics").splitlines()
        counters = [line for line in lines if line.startswith("gaia_redshift_requests_total")]
        return sum(float(line.split()[-1]) for line in counters if "/predict" in line and '"200"' in line)

    before = counted()
    right, wrong = under_load(pair)
    assert wrong == []
    wait_until(lambda: counted() >= before + right, "each answer is counted")  # a moment after it was sent
    assert counted() == before + right
