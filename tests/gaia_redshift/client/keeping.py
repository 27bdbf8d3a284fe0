"""A service on a port, in this process, with the shipped model and a worker that carries out jobs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import structlog
import uvicorn

from app.jobs.worker import Worker
from app.main import create_app
from app.settings import Settings
from tests.app.jobs.owner import table
from tests.reliability.service import free_port
from tests.tiny import SHIPPED
from tests.waiting import wait_until


@contextmanager
def keeping_jobs(folder: Path) -> Iterator[str]:
    """Yield the address of the service."""
    settings = Settings(
        models=SHIPPED, engine="onnx", threads=1, jobs_folder=folder, jobs_workers=0, archive_url="http://127.0.0.1:9"
    )
    port = free_port()
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # the output is that of who is tested
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_config=None, lifespan="on"))
    worker = Worker(settings)
    threads = [threading.Thread(target=target) for target in (server.run, worker.run)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: server.started or not threads[0].is_alive(), "the service answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        worker.end()
        for thread in threads:
            thread.join()
        worker.close()
        structlog.configure(**before)


def pending(address: str) -> str:
    """Return a job that nobody ran."""
    files = {"file": ("a.parquet", table(5))}
    reply = httpx.post(f"{address}/jobs", files=files, headers={"Accept": "application/json"}, timeout=60)
    return str(reply.json()["job_id"])
