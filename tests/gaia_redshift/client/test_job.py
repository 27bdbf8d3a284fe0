"""Jobs by the client and by the commands, at a real service; one for all tests."""

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
import typer
from astropy.table import Table
from click.testing import Result
from pyarrow import parquet
from typer.testing import CliRunner

from gaia_redshift.client import AsyncClient, Client, Job, JobError, ServiceError
from gaia_redshift.client import job_conversation as talks
from gaia_redshift.commands.jobs import jobs
from gaia_redshift.commands.submit import submit
from gaia_redshift.errors import RedshiftError
from gaia_redshift.spectra import FloatArray
from tests.app.jobs.owner import table as parquet_table
from tests.server import Server, Start

Make = Callable[[int], FloatArray]


@pytest.fixture(scope="module")
def keeper(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a service that keeps jobs."""
    folder = str(tmp_path_factory.mktemp("jobs"))
    with start(engine="onnx", jobs_folder=folder, archive_url="http://127.0.0.1:9") as running:
        yield running


@pytest.fixture
def client(keeper: Server) -> Iterator[Client]:
    with Client(keeper.url) as one:
        yield one


def pending(server: Server) -> str:
    """Return a job that was not run."""
    files = {"file": ("a.parquet", parquet_table(5))}
    reply = httpx.post(f"{server.url}/jobs", files=files, headers={"Accept": "application/json"}, timeout=60)
    return str(reply.json()["job_id"])


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


def test_a_job_is_run_aborted_deleted_and_listed(client: Client, keeper: Server) -> None:
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


def test_a_table_may_come_from_an_open_file_or_a_pipe(client: Client, keeper: Server) -> None:
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
        async with AsyncClient(keeper.url) as one:
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


def test_a_service_that_goes_away_meanwhile_costs_nothing(keeper: Server, make_flux: Make) -> None:
    breaking = Breaking(3)
    with Client(keeper.url, transport=breaking) as client:
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


def test_fields_that_a_later_service_adds_are_ignored(keeper: Server, make_flux: Make) -> None:
    strict = parquet_table(5, unusable=(3,))
    with Client(keeper.url, transport=OfALaterService()) as client:
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


def test_the_asynchronous_client_does_the_same(keeper: Server, make_flux: Make) -> None:
    async def use() -> None:
        async with AsyncClient(keeper.url) as client:
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


@pytest.fixture
def run(keeper: Server) -> Callable[..., Result]:
    """Return a runner of `submit` and `jobs`, with given standard input."""
    application = typer.Typer()
    application.command("submit")(submit)
    application.command("jobs")(jobs)
    runner = CliRunner(env={"GAIA_REDSHIFT_URL": keeper.url})
    return lambda *words, stdin=None: runner.invoke(application, [str(word) for word in words], input=stdin)


def test_the_commands_submit_wait_list_fetch_and_delete(
    keeper: Server, run: Callable[..., Result], tmp_path: Path
) -> None:
    sent = tmp_path / "spectra.parquet"
    sent.write_bytes(parquet_table(6, unusable=(2,)))

    done = run("submit", sent, "-o", tmp_path / "out.csv")
    assert done.exit_code == 1
    assert f"6 spectra, 1 without a redshift -> {tmp_path / 'out.csv'}" in done.stderr
    assert (tmp_path / "out.csv").read_text().count("\n") == 7
    sent.write_bytes(parquet_table(6))
    left = run("submit", sent)
    job_id = left.stdout.strip()
    assert f"gaia-redshift jobs {job_id} -o OUT" in left.stderr
    fetched = run("jobs", job_id, "-o", tmp_path / "out.vot")
    assert fetched.exit_code == 0, fetched.exception
    assert len(Table.read(tmp_path / "out.vot")) == 6
    assert any(line.startswith(f"{job_id}  COMPLETED  6/6  20") for line in run("jobs").stdout.splitlines())
    assert run("jobs", job_id).stdout.startswith(job_id)
    assert run("jobs", pending(keeper), "--abort").stdout.split()[1] == "ABORTED"
    assert run("jobs", job_id, "--delete").exit_code == 0
    for wrong, why in (
        (["jobs", job_id], f"no job '{job_id}'"),
        (["jobs", "--delete"], "give the job's ID"),
        (["jobs", job_id, "--delete", "--abort"], "give only one of"),
        (["submit", str(tmp_path / "none.csv")], "none.csv"),
        (["submit", str(sent), "-o", str(tmp_path / "out.doc")], "tables are written as"),
        (["submit", str(sent), "-o", str(tmp_path / "none" / "out.csv")], "there is no folder"),
        (["submit", str(sent), "--url", "redshifts"], "does not begin with http"),
        (["submit"], "either a table of spectra or --ids"),
        (["submit", str(sent), "--ids", str(sent)], "either a table of spectra or --ids"),
        (["submit", "--ids", str(tmp_path / "none.txt")], "none.txt cannot be read"),
        (["jobs", "-"], "standard input names no job"),
    ):
        error = run(*wrong).exception
        assert isinstance(error, RedshiftError), error
        assert why in error.message, error.message


def test_the_commands_read_tables_and_jobs_from_standard_input(run: Callable[..., Result], tmp_path: Path) -> None:
    left = run("submit", "-", stdin=parquet_table(6))
    assert left.exit_code == 0, left.exception
    fetched = run("jobs", "-", "-o", tmp_path / "out.parquet", stdin=left.stdout)
    assert fetched.exit_code == 0, fetched.exception
    assert len(parquet.read_table(tmp_path / "out.parquet")) == 6
    assert run("jobs", "-", "--delete", stdin=left.stdout).exit_code == 0


@pytest.mark.parametrize(
    "content",
    [
        "4295806720\n34361129088\n",
        "ra,source_id\n1.5,4295806720\n2,34361129088\n",
        "designation\nGaia DR3 4295806720\n",
    ],
)
def test_the_command_submits_the_sources_of_a_file(
    client: Client, run: Callable[..., Result], tmp_path: Path, content: str
) -> None:
    (tmp_path / "ids").write_text(content)
    expected = [4295806720, 34361129088][: content.count("\n") - (not content[0].isdigit())]
    for place, stdin in ((tmp_path / "ids", None), ("-", content)):
        made = run("submit", "--ids", place, stdin=stdin)
        assert made.exit_code == 0, made.exception
        job = client.job(made.stdout.strip())
        assert job.description.parameters["source"] == "sources"
        job.abort()
        assert client.submit(expected).abort().description.parameters == job.description.parameters


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "empty"),
        ("source_id\n", "no identifier in any row"),
        ("source_id,ra\n,1\n", "no identifier in any row"),
        ("designation,ra\n,1\n", "no identifier in any row"),
        ("1\n2\nM 31\n", "'M 31' is no source_id"),
        (f"{2**63}\n1\n", f"'{2**63}' is no source_id"),
        ("ra,dec\n1,2\n", "no column source_id"),
        ("designation\nM 31\n", "designation holds 'M 31'"),
    ],
)
def test_a_file_of_sources_that_names_none_is_refused_with_the_reason(
    run: Callable[..., Result], content: str, why: str
) -> None:
    error = run("submit", "--ids", "-", stdin=content).exception
    assert isinstance(error, RedshiftError), error
    assert why in error.message, error.message
