"""Clients of the Virtual Observatory - pyvo, STILTS - against a real service that keeps jobs."""

import gc
import io
import json
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.app.jobs.owner import PARQUET, table
from tests.reliability.service import Service

pyvo = pytest.importorskip("pyvo")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

VOTABLE = "application/x-votable+xml"
ROWS = 40


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with Service(folder, jobs_folder=folder / "jobs", jobs_nice=0) as started:
        yield started


def post(service: Service, path: str, content: bytes, kind: str, **headers: str) -> tuple[str, bytes]:
    """Return the final address of a request and the body there."""
    request = Request(f"{service.url}{path}", content, {"Content-Type": kind, **headers})  # noqa: S310 - our own address
    with urlopen(request, timeout=90) as answer:  # noqa: S310
        return answer.geturl(), answer.read()


@pytest.fixture
def job(service: Service) -> str:
    """Return the address of a job that is not run yet."""
    address, _ = post(service, "/jobs?RESPONSEFORMAT=votable", table(ROWS, unusable=(7,)), PARQUET)
    return address


@pytest.fixture(autouse=True)
def no_socket_of_pyvo_is_left() -> Iterator[None]:
    """Close what pyvo leaves open, so that other tests do not report it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def read(address: str, **headers: str) -> bytes:
    with urlopen(Request(address, headers=headers), timeout=90) as answer:  # noqa: S310 - our own address
        content: bytes = answer.read()
        return content


def pyvo_job(address: str) -> "pyvo.dal.AsyncTAPJob":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pyvo.dal.AsyncTAPJob(address)


def test_pyvo_drives_a_job_from_start_to_end(job: str) -> None:
    driven = pyvo_job(job)
    assert driven.phase == "PENDING"
    done = driven.run().wait(timeout=90)
    assert done.phase == "COMPLETED"
    done.raise_if_error()
    found = done.fetch_result().to_table()
    assert len(found) == ROWS
    assert np.isfinite(np.asarray(found["redshift"].filled(np.nan))).sum() == ROWS - 1
    assert found["redshift"].meta["ucd"] == "src.redshift.phot"
    done.delete()
    with pytest.raises(pyvo.dal.DALServiceError, match="404"):
        pyvo_job(job)


def test_pyvo_aborts_a_job_and_says_why_one_failed(service: Service, job: str) -> None:
    aborted = pyvo_job(job)
    aborted.abort()
    assert aborted.phase == "ABORTED"
    address, _ = post(service, "/jobs", b"a,b\n1,2\n", "text/csv")
    failed = pyvo_job(address).run().wait(phases=["ERROR"], timeout=90)
    with pytest.raises(pyvo.dal.DALQueryError, match="columns"):
        failed.raise_if_error()


def test_pyvo_reads_capabilities_availability_and_tables(service: Service) -> None:
    vosi = pyvo.io.vosi
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = vosi.parse_capabilities(io.BytesIO(read(f"{service.url}/capabilities")).read)
        assert {one.standardid for one in found} >= {
            f"ivo://ivoa.net/std/VOSI#{name}" for name in ("capabilities", "availability", "tables-1.1")
        }
        assert vosi.parse_availability(io.BytesIO(read(f"{service.url}/availability")).read).available
        tables = vosi.parse_tables(io.BytesIO(read(f"{service.url}/tables")).read)
        names = {one.name for one in tables.iter_tables()}
    assert names == {"spectra", "redshifts"}


def stilts(*words: str) -> str:
    """Return the output of STILTS."""
    program = shutil.which("stilts")
    if program is None:
        pytest.skip("needs STILTS (apt-get install stilts)")
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stilts_loads_a_result_by_its_address(job: str) -> None:
    done = pyvo_job(job).run().wait(timeout=90)
    said = stilts("tpipe", f"in={done.result_uri}", "ifmt=votable", "cmd=meta name units ucd", "omode=out", "ofmt=csv")
    assert "redshift_lower,,src.redshift.phot;stat.min" in said
    counted = stilts("tpipe", f"in={done.result_uri}", "ifmt=votable", "cmd=select !NULL_redshift", "omode=count")
    assert f"rows: {ROWS - 1}" in counted


def test_votlint_reports_no_problem_in_answers_and_errors(service: Service, tmp_path: Path) -> None:
    _, answer = post(service, "/predict/table?pdf=false", table(5), PARQUET, Accept=VOTABLE)
    address, _ = post(service, "/jobs", b"a,b\n1,2\n", "text/csv")
    pyvo_job(address).run().wait(phases=["ERROR"], timeout=90)
    failed = read(f"{address}/error", Accept=VOTABLE)
    assert json.loads(read(f"{address}/error"))["error"]["message"] in failed.decode()
    for name, content in (("answer", answer), ("error", failed)):
        path = tmp_path / f"{name}.vot"
        path.write_bytes(content)
        assert stilts("votlint", f"votable={path}").strip() == ""
