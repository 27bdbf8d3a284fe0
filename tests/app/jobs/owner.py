"""Whoever sends jobs and looks after them, in tests."""

import io
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pyarrow
from fastapi.testclient import TestClient
from pyarrow import parquet

from app.jobs.worker import Worker
from app.settings import Settings
from gaia_redshift.spectra import DR3, FloatArray

JSON = {"Accept": "application/json"}
PARQUET = "application/vnd.apache.parquet"
PART = 300
"""Rows of a part where `small_parts` is asked for."""


def spectra(rows: int, seed: int = 3) -> FloatArray:
    """Return plausible spectra, shape (rows, 186)."""
    return np.random.default_rng(seed).uniform(0.1, 0.9, (rows, DR3.samples)).astype(np.float32)


def table(rows: int, *, unusable: tuple[int, ...] = (), seed: int = 3) -> bytes:
    """Return a Parquet table of spectra, with identifiers and a name; some rows are all zero."""
    flux = spectra(rows, seed)
    flux[list(unusable)] = 0
    columns = {
        "source_id": pyarrow.array(range(5_000_000_000_000_000_001, 5_000_000_000_000_000_001 + rows)),
        "flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples),
        "name": pyarrow.array([f"galaxy {number}" for number in range(rows)]),
    }
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


@dataclass
class Owner:
    """Sends jobs, and has a worker that runs them on request."""

    client: TestClient
    worker: Worker
    settings: Settings
    headers: dict[str, str] = field(default_factory=dict)
    others: list[Worker] = field(default_factory=list)

    def another(self) -> Worker:
        """Return one more worker."""
        self.others.append(Worker(self.settings))
        return self.others[-1]

    def close(self) -> None:
        """Close the workers' connections."""
        for worker in (self.worker, *self.others):
            worker.close()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request for JSON."""
        headers = {**JSON, **self.headers, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)  # type: ignore[return-value]

    def send(self, content: bytes, kind: str = PARQUET, **parameters: Any) -> str:
        """Send a table as a job, run it unless told otherwise, and return its identifier."""
        reply = self.ask(
            "POST", "/jobs", content=content, params={"phase": "RUN", **parameters}, headers={"Content-Type": kind}
        )
        assert reply.status_code == 201, reply.text
        return str(reply.json()["job_id"])

    def job(self, job: str) -> dict[str, Any]:
        """Return a job."""
        reply = self.ask("GET", f"/jobs/{job}")
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def result(self, job: str) -> bytes:
        """Return the result of a job."""
        reply = self.ask("GET", f"/jobs/{job}/results/result")
        assert reply.status_code == 200, reply.text
        return reply.content

    def predicted(self, content: bytes, kind: str = PARQUET, **parameters: Any) -> bytes:
        """Return what ``POST /predict/table`` makes of a table."""
        reply = self.client.post(
            "/predict/table", content=content, params=parameters, headers={"Content-Type": kind, **self.headers}
        )
        assert reply.status_code == 200, reply.text
        return reply.content

    def code(self, reply: httpx.Response) -> tuple[int, str]:
        """Return an error's status and code, after checking its shape."""
        body = reply.json()
        assert set(body) == {"error"}, body
        assert set(body["error"]) == {"code", "message", "details"}
        return reply.status_code, body["error"]["code"]
