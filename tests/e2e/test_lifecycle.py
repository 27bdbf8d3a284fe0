"""Start, drain, crash and reload of the real service, in processes of its own, under load."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.serving.security import hash_key
from tests.reliability.service import Service
from tests.reliability.wire import Answer, Connection, Question, json_question
from tests.tiny import write_tiny_bundle

QUESTIONS = [json_question(rows, rows) for rows in (1, 2, 30)]


def get(service: Service, path: str) -> str:
    with urlopen(f"{service.url}{path}", timeout=10) as answer:  # noqa: S310 - our own address
        text: str = answer.read().decode()
        return text


def wait_for_predictions(service: Service) -> None:
    while "gaia_redshift_spectra_total{" not in get(service, "/metrics"):
        time.sleep(0.01)


async def load(service: Service, seconds: float, clients: int = 4) -> tuple[int, list[str]]:
    """Send questions without pause; return how many were answered rightly, and what went wrong."""
    right, wrong = 0, []
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal right
        async with Connection(service.port) as connection:
            while time.monotonic() < end:
                question = QUESTIONS[number % len(QUESTIONS)]
                try:
                    answer: Answer = await connection.send(question.request)
                except (OSError, EOFError) as error:
                    wrong.append(type(error).__name__)
                    await asyncio.sleep(0.05)
                    continue
                if answer.status == 200 and question.fits(answer):
                    right += 1
                else:
                    wrong.append(str(answer.status))

    await asyncio.gather(*(client(number) for number in range(clients)))
    return right, wrong


def under_load(service: Service, seconds: float, *events: tuple[float, object]) -> tuple[int, list[str]]:
    """Load the service while things happen to it."""

    async def run() -> tuple[int, list[str]]:
        task = asyncio.create_task(load(service, seconds))
        for after, event in events:
            await asyncio.sleep(after)
            await asyncio.to_thread(event)  # type: ignore[arg-type]
        return await task

    return asyncio.run(run())


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_answers_every_accepted_request_and_exits_with_0(tmp_path: Path, workers: int) -> None:
    with Service(tmp_path, workers=workers, layers=6, threads=1) as service:
        questions = [json_question(60, seed) for seed in range(10)]

        async def run() -> list[Answer]:
            async def ask(question: Question) -> Answer:
                async with Connection(service.port) as connection:
                    return await connection.send(question.request)

            tasks = [asyncio.create_task(ask(question)) for question in questions]
            await asyncio.to_thread(wait_for_predictions, service)
            service.process.send_signal(signal.SIGTERM)
            return await asyncio.gather(*tasks)

        answers = asyncio.run(run())
        assert service.process.wait(20) == 0
    assert all(question.fits(answer) for question, answer in zip(questions, answers, strict=True))


def test_sigterm_turns_unready_and_serves_on_for_the_drain_time(tmp_path: Path) -> None:
    with Service(tmp_path, drain_seconds=1.5) as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)

        async def ask() -> tuple[Answer, Answer]:
            async with Connection(service.port) as connection:
                ready = await connection.send(b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
                return ready, await connection.send(QUESTIONS[0].request)

        ready, answer = asyncio.run(ask())
        assert (ready.status, json.loads(ready.body)["error"]["code"]) == (503, "not_ready")
        assert QUESTIONS[0].fits(answer)
        assert service.process.wait(10) == 0


def test_a_killed_worker_is_replaced_and_the_others_answer_meanwhile(tmp_path: Path) -> None:
    with Service(tmp_path, workers=2) as service:
        before = {worker.pid for worker in service.workers()}
        victim = min(before)
        right, wrong = under_load(service, 4, (1.0, lambda: os.kill(victim, signal.SIGKILL)))
        service.wait_for_workers(2, besides=victim)
        after = {worker.pid for worker in service.workers()}
        assert len(after) == 2
        assert victim not in after
        assert right > 50
        assert len(wrong) <= 4, "only what the killed worker held may be lost"
        assert set(wrong) <= {"ConnectionResetError", "IncompleteReadError", "BrokenPipeError"}
        assert service.stop() == 0


def test_a_worker_that_dies_while_its_health_is_asked_for_is_replaced_at_once(tmp_path: Path) -> None:
    with Service(tmp_path, workers=2) as service:
        before = {worker.pid for worker in service.workers()}
        victim = min(before)
        os.kill(victim, signal.SIGSTOP)
        time.sleep(1.5)  # the supervisor asks twice a second, and now waits for an answer
        os.kill(victim, signal.SIGKILL)
        service.wait_for_workers(2, besides=victim)
        assert service.stop() == 0


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with Service(tmp_path, workers=2) as service:
        workers = service.workers()
        service.process.kill()
        for worker in workers:
            worker.wait(10)


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_serves_the_new_version_without_a_failed_request(tmp_path: Path, workers: int) -> None:
    with Service(tmp_path, workers=workers) as service:

        def replace() -> None:
            write_tiny_bundle(service.models / "newer", version="1.10.0")
            service.process.send_signal(signal.SIGHUP)

        right, wrong = under_load(service, 3, (1.0, replace))
        assert wrong == []
        assert right > 50
        for _ in range(8):  # whichever worker answers
            assert json.loads(get(service, "/models/tiny"))["manifest"]["version"] == "1.10.0"
        assert json.loads(get(service, "/models/tiny@1.2.3"))["default"] is False
        assert service.stop() == 0


def test_a_broken_bundle_does_not_replace_a_good_one(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        folder = write_tiny_bundle(service.models / "newer", version="1.10.0")
        (folder / "model.onnx").write_bytes(b"altered")
        service.process.send_signal(signal.SIGHUP)
        right, wrong = under_load(service, 1)
        assert (right > 10, wrong) == (True, [])
        assert json.loads(get(service, "/models/tiny"))["manifest"]["version"] == "1.2.3"
        assert any("not reloaded" in line["event"] for line in service.lines())
        assert 'gaia_redshift_reloads_total{result="refused"} 1.0' in get(service, "/metrics")


def test_posting_a_reload_to_one_worker_reloads_them_all(tmp_path: Path) -> None:
    with Service(tmp_path, workers=2, admin_keys={"me": hash_key("secret")}) as service:
        write_tiny_bundle(service.models / "newer", version="1.10.0")
        request = Request(f"{service.url}/models/reload", method="POST", headers={"Authorization": "Bearer secret"})  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            assert [model["manifest"]["version"] for model in json.load(answer)["models"]] == ["1.10.0", "1.2.3"]
        time.sleep(2)
        for _ in range(10):
            assert json.loads(get(service, "/models/tiny"))["manifest"]["version"] == "1.10.0"


def test_metrics_are_those_of_all_workers_together(tmp_path: Path) -> None:
    with Service(tmp_path, workers=2) as service:
        right, wrong = under_load(service, 2)
        assert wrong == []
        counted = [
            line for line in get(service, "/metrics").splitlines() if line.startswith("gaia_redshift_requests_total")
        ]
        answered = sum(float(line.split()[-1]) for line in counted if "/predict" in line and '"200"' in line)
        assert answered == right
