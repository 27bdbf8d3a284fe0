"""Jobs in a service: sent, looked after, and compared with what the library gives without a service."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.formats import FORMATS, opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from tests.app.jobs.owner import JSON, PARQUET
from tests.reliability.service import Service

LAYERS = 6
"""Makes the tiny network about as slow as the dissertation's."""
OVER = {"COMPLETED", "ERROR", "ABORTED"}
"""The phases of a job that is over."""
_LEASE = 3.0


class Jobs:
    """Jobs in a service, and their expected results.

    Parameters
    ----------
    service : Service
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sent: dict[str, bytes] = {}
        """Tables by job."""
        self.not_accepted = 0
        self._expected: dict[bytes, bytes] = {}

    def send(self, content: bytes, **parameters: str) -> str:
        """Send a table as a job that is to run."""
        while True:
            reply = httpx.post(
                f"{self.service.url}/jobs",
                params={"phase": "RUN", "format": "csv", **parameters},
                content=content,
                headers={**JSON, "Content-Type": PARQUET},
                timeout=120,
            )
            if reply.status_code != 503:
                break
            self.not_accepted += 1
            time.sleep(float(reply.headers["retry-after"]))
        reply.raise_for_status()
        job = str(reply.json()["job_id"])
        self.sent[job] = content
        return job

    def _get(self, path: str) -> Any:
        try:
            return httpx.get(f"{self.service.url}{path}", headers=JSON, timeout=60).json()
        except httpx.ConnectError as error:
            code, log = self.service.process.poll(), self.service.log.read_text()[-3000:]
            raise RuntimeError(f"{error}; the service's exit code is {code}, and its log:\n{log}") from error

    def look(self, job: str) -> dict[str, Any]:
        """Return a job."""
        found: dict[str, Any] = self._get(f"/jobs/{job}")
        return found

    def phases(self) -> Counter[str]:
        """Return how many jobs are in each phase."""
        return Counter(job["phase"] for job in self._get("/jobs")["jobs"])

    def wait(self, seconds: float = 300) -> None:
        """Wait until all jobs are over; raise with the service's log if nothing changes for so many seconds."""
        before: list[Any] = []
        while going := [job["job_id"] for job in self._get("/jobs")["jobs"] if job["phase"] not in OVER]:
            now = [len(going), *(self.look(job)["progress"]["rows_done"] for job in going[:1])]
            if now != before:
                before, deadline = now, time.monotonic() + seconds
            elif time.monotonic() > deadline:
                raise TimeoutError(f"{self.phases()}\n{self.service.log.read_text()[-3000:]}")
            time.sleep(0.3)

    def judge(self) -> dict[str, int]:
        """Return how many jobs were accepted, and their results."""
        counts: Counter[str] = Counter(
            accepted=len(self.sent), sent_again=self.not_accepted, lost=0, wrong=0, completed=0
        )
        for job, content in self.sent.items():
            reply = httpx.get(f"{self.service.url}/jobs/{job}/results/result", timeout=60)
            if reply.status_code == 404:
                counts["lost"] += 1
            elif reply.status_code != 200:
                counts[f"without a result: {reply.json()['error']['message'][:80]}"] += 1
            elif reply.content != self._of(content):
                counts["wrong"] += 1
            else:
                counts["completed"] += 1
        return dict(counts)

    def _of(self, content: bytes) -> bytes:
        if content not in self._expected:
            self._expected[content] = predicted(content, self.service.models)
        return self._expected[content]


def predicted(content: bytes, models: Path) -> bytes:
    """Return a table with redshifts as CSV, by the library alone."""
    predictor = Predictor("tiny", models=models, engine="onnx", threads=1)
    asked = AnswerOptions()
    about = predictor.about(asked)
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(content)
        source.seek(0)
        with opened(source) as found:
            writer = FORMATS["csv"].writer(target, about)
            for batch in read_spectra(found, recognise(found), carry=True):
                writer.write(beside(batch.carried, predictor.predict(batch, asked), about))
            writer.close()
        target.seek(0)
        return target.read()


def workers_of(service: Service) -> list[psutil.Process]:
    """Return the processes that work on jobs, and those of the service's own that are children of it."""
    return [process for process in service.children() if process.is_running()]


def settings_for(folder: Path, **more: Any) -> dict[str, Any]:
    """Return settings of a service with jobs in a folder, a short lease, and more."""
    return {"jobs_folder": folder / "jobs", "jobs_lease_seconds": _LEASE, "threads": 1, "jobs_nice": 0, **more}


def until(true: Callable[[], bool], service: Service, seconds: float = 300) -> None:
    """Wait until something is true; raise with the service's log if it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(service.log.read_text()[-3000:])
        time.sleep(0.1)
