"""Jobs by the client, at a service that carries them out."""

import asyncio
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx
import numpy as np
import pandas as pd
import pyarrow
import pytest
from astropy.table import Table
from pyarrow import parquet

from gaia_redshift.client import AsyncClient, Client, Job, JobError, ServiceError
from gaia_redshift.client import job_conversation as talks
from gaia_redshift.spectra import FloatArray
from tests.app.jobs.owner import table as parquet_table
from tests.gaia_redshift.client.keeping import pending

Make = Callable[[int], FloatArray]


@pytest.fixture
def client(keeper: str) -> Iterator[Client]:
    with Client(keeper) as made:
        yield made


def test_a_table_comes_back_in_its_own_kind_with_the_redshifts_of_predict(client: Client, make_flux: Make) -> None:
    flux = make_flux(30)
    flux[7] = 0
    frame = pd.DataFrame({"source_id": np.arange(30) + 2**60, "flux": list(flux), "mine": range(30)})
    frame.loc[9, "flux"] = None
    expected = client.predict(frame).to_pandas()
    job = client.submit(frame)
    assert isinstance(job, Job)
    found = job.result()
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns[:3]) == ["source_id", "flux", "mine"]
    assert found["redshift"].to_numpy() == pytest.approx(expected["redshift"].to_numpy(), abs=2e-6, nan_ok=True)
    assert found["error"][9] == expected["error"][9]
    assert found["status"].tolist() == expected["status"].tolist()
    assert job.phase == "COMPLETED"
    assert repr(job) == f"<job {job.id}: COMPLETED, 30 of 30 rows>"
    of_astropy = client.submit(Table({"flux": make_flux(3)})).result()
    assert isinstance(of_astropy, Table)
    assert of_astropy["redshift"].tolist() == pytest.approx(expected["redshift"][:3].tolist(), abs=2e-6)
    of_array = client.submit(make_flux(3), source_id=["a", "b", "c"], pdf=True, prior="flat").result()
    assert of_array["redshift"].shape == (3,)
    assert of_array["pdf"].ndim == 2


@pytest.mark.parametrize("kind", ["arrays", "table", "text"])
def test_a_row_with_a_wrong_ebv_has_its_reason_wherever_the_job_is_seen(
    client: Client, keeper: str, make_flux: Make, kind: str
) -> None:
    flux, ebv = make_flux(3), [0.1, 3.0, None]
    if kind == "arrays":
        job = client.submit(flux, ebv=[0.1, 3, np.nan])
    else:
        column = ["0.1", "much", ""] if kind == "text" else ebv
        job = client.submit(pd.DataFrame({"flux": list(flux), "ebv": column}))
    own = job.result()
    told = httpx.get(f"{keeper}/jobs/{job.id}/rows").json()["rows"]
    assert [row["status"] for row in told] == ["ok", "error", "ok"]
    assert told[1]["error"].startswith("invalid_ebv: ")
    errors = own["error"].to_pylist() if isinstance(own, pyarrow.Table) else list(own["error"])
    assert errors[1].startswith(f"invalid_ebv: ebv is {repr('much') if kind == 'text' else 3}:")
    assert np.isnan(np.asarray(own["redshift"], np.float64)).tolist() == [False, True, False]


def test_a_file_is_sent_and_its_result_saved_in_the_format_of_the_name(client: Client, tmp_path: Path) -> None:
    sent = tmp_path / "spectra.parquet"
    sent.write_bytes(parquet_table(12))
    job = client.submit(sent, runid="mine", prior={"redshift": [0, 1, 6], "density": [1, 1, 0]}).wait()
    assert job.description.run_id == "mine"
    assert isinstance(job.description.parameters["prior"], dict)
    saved = job.result(tmp_path / "redshifts.parquet")
    assert parquet.read_table(saved)["redshift"].null_count == 0
    assert len(Table.read(job.result(tmp_path / "redshifts.fits"))) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "redshifts.fits",
        "redshifts.parquet",
        "spectra.parquet",
    ]
    in_memory = client.job(job.id).result()
    assert isinstance(in_memory, pyarrow.Table)
    assert in_memory["name"].to_pylist()[3] == "galaxy 3"
    with pytest.raises(ValueError, match="tables are written as"):
        job.result(tmp_path / "redshifts.doc")


def test_a_job_that_failed_raises_its_own_error(client: Client, tmp_path: Path) -> None:
    sent = tmp_path / "spectra.parquet"
    sent.write_bytes(parquet_table(5, unusable=(3,)))
    job = client.submit(sent, rows="strict")
    with pytest.raises(JobError) as caught:
        job.wait()
    assert job.description.error is not None
    assert (caught.value.job_id, caught.value.phase) == (job.id, "ERROR")
    assert (caught.value.code, caught.value.message) == (job.description.error.code, job.description.error.message)
    with pytest.raises(JobError):
        job.result()


def test_a_job_is_run_aborted_deleted_and_listed(client: Client, keeper: str) -> None:
    job = client.job(pending(keeper))
    with pytest.raises(ValueError, match="has not been started"):
        job.wait()
    assert job.id in [one.id for one in client.jobs("PENDING")]
    assert job.run().wait().phase == "COMPLETED"
    other = client.job(pending(keeper))
    assert [one.id for one in client.jobs(last=1)] == [other.id]
    assert other.abort().phase == "ABORTED"
    with pytest.raises(JobError, match="was aborted"):
        other.result()
    other.delete()
    with pytest.raises(ServiceError) as caught:
        client.job(other.id)
    assert caught.value.code == "unknown_job"


def test_a_table_may_come_from_an_open_file_or_a_pipe(client: Client, keeper: str) -> None:
    content = parquet_table(7)
    assert len(client.submit(io.BytesIO(content)).result()) == 7

    def pipe() -> BinaryIO:
        """Return the reading end of a pipe with a table in it."""
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        return os.fdopen(reader, "rb")

    assert len(content) < 65_536, "it fits into the pipe"
    with pipe() as file:
        assert len(client.submit(file).result()) == 7

    async def use() -> int:
        async with AsyncClient(keeper) as one:
            with pipe() as file:
                return len(await (await one.submit(file)).result())

    assert asyncio.run(use()) == 7


@pytest.mark.parametrize("ids", [[2**60, 2**60 + 1], pd.Series([2**60, 2**60 + 1]), {2**60, 2**60 + 1}])
def test_whole_numbers_in_one_dimension_are_source_ids(client: Client, ids: object) -> None:
    job = client.submit(ids, prior={"redshift": [0, 1, 6], "density": [1, 1, 0]})
    assert job.description.parameters["source"] == "sources"
    assert isinstance(job.description.parameters["prior"], dict)
    job.delete()


def test_what_cannot_be_a_job_is_refused_with_the_reason(client: Client, make_flux: Make) -> None:
    with pytest.raises(ServiceError, match="source_ids"):
        client.submit([-1, 2**60 + 1])
    with pytest.raises(ServiceError, match="GAIA_REDSHIFT_JOBS_HOSTS"):
        client.submit("https://data.example.org/spectra.fits")
    with pytest.raises(ServiceError, match="did you mean format"):
        client.submit(make_flux(2), formt="csv")
    with pytest.raises(ValueError, match="prior"):
        client.submit(make_flux(2), prior="wide")
    with pytest.raises(FileNotFoundError):
        client.submit("nowhere.csv")


class Breaking(httpx.HTTPTransport):
    """Loses waiting connections, like a service that is restarted."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "WAIT" in str(request.url) and self.left:
            self.left -= 1
            if self.left == 1:
                return httpx.Response(503, json={"error": {"code": "not_ready", "message": "", "details": []}})
            raise httpx.ReadError("connection reset")
        return super().handle_request(request)


def test_a_service_that_goes_away_meanwhile_costs_nothing(keeper: str, make_flux: Make) -> None:
    breaking = Breaking(3)
    with Client(keeper, transport=breaking) as client:
        found = client.submit(make_flux(4)).result()
    assert breaking.left == 0
    assert len(found) == 4


class OfALaterService(httpx.HTTPTransport):
    """Adds an unknown field to every object of a JSON answer."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        reply = super().handle_request(request)
        if reply.headers.get("content-type") != "application/json":
            return reply
        content = json.loads(reply.read(), object_hook=lambda found: {**found, "later": {}})
        return httpx.Response(reply.status_code, json=content)


def test_fields_that_a_later_service_adds_are_ignored(keeper: str, make_flux: Make) -> None:
    strict = parquet_table(5, unusable=(3,))
    with Client(keeper, transport=OfALaterService()) as client:
        assert client.predict(make_flux(2)).model.name == "default"
        job = client.submit(make_flux(4))
        assert len(job.result()) == 4
        assert job.description.results[0].id == "result"
        assert job.id in [one.id for one in client.jobs()]
        with pytest.raises(JobError) as caught:
            client.submit(parquet.read_table(io.BytesIO(strict)), rows="strict").wait()
        assert caught.value.details == [{"at": "rows[3]", "message": caught.value.details[0]["message"]}]


def test_a_service_that_stays_away_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ServiceError(0, "unreachable", "gone", [])
    patience = talks.Patience()
    pauses = [patience.after(gone) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 10
    monkeypatch.setattr(talks.Patience, "_LONGEST", -1.0)
    with pytest.raises(ServiceError, match="gone"):
        talks.Patience().after(gone)
    with pytest.raises(ServiceError, match="no such job"):
        patience.after(ServiceError(404, "unknown_job", "no such job", []))


def test_the_asynchronous_client_does_the_same(keeper: str, make_flux: Make) -> None:
    async def use() -> None:
        async with AsyncClient(keeper) as client:
            job = await client.submit(pd.DataFrame({"flux": list(make_flux(4))}))
            await job.wait()
            assert await job.phase == "COMPLETED"
            assert len((await job.result())["redshift"]) == 4
            other = await client.job(pending(keeper))
            assert [one.id for one in await client.jobs(last=1)] == [other.id]
            await other.abort()
            with pytest.raises(JobError, match="was aborted"):
                await other.wait()
            await other.delete()
            third = await client.job(pending(keeper))
            await (await third.run()).wait()
            assert await third.phase == "COMPLETED"

    asyncio.run(use())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    client: Client, make_flux: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client.submit(make_flux(4)).wait()
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    client.submit(make_flux(4)).wait(progress=False)
    assert terminal.getvalue() == ""
    client.submit(make_flux(4)).wait()
    assert "rows" in terminal.getvalue()
