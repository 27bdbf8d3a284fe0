"""What a page shows of all rows of a job, and the rows as tables."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaia_redshift.interpretation.sample import Likelihoods
from gaia_redshift.tables.formats import opened
from tests.app.jobs.owner import PARQUET, Owner, spectra, table
from tests.tiny import tiny_redshift, write_tiny_bundle

ROWS = 5000


@pytest.fixture(scope="module")
def done(lasting_owner: Owner) -> tuple[Owner, str]:
    """Return an owner with a job that is done: two parts, two rows without a redshift."""
    job = lasting_owner.send(table(ROWS, unusable=(5, 4999)))
    assert lasting_owner.worker.work_once()
    return lasting_owner, job


@pytest.fixture
def dense(models: Path, start_jobs: Callable[..., Owner]) -> Owner:
    """Return an owner of jobs in a service with a model of densities."""
    write_tiny_bundle(models / "density", "density", density=True)
    return start_jobs(default_model="density")


def summary(owner: Owner, job: str, filter: str = "") -> dict[str, Any]:  # noqa: A002 - what it is
    reply = owner.ask("GET", f"/jobs/{job}/summary", params={"filter": filter})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def redshifts() -> np.ndarray[Any, np.dtype[np.float64]]:
    found = tiny_redshift(spectra(ROWS)).astype(np.float64)
    found[[5, 4999]] = np.nan
    return found


def test_a_summary_counts_all_rows(done: tuple[Owner, str]) -> None:
    owner, job = done
    found = summary(owner, job)
    assert found["rows_matched"] == found["rows_done"] == ROWS
    assert found["status"] == {"ok": ROWS - 2, "error": 2}
    assert found["errors"] == {"constant_spectrum": 2}
    assert sum(found["flags"].values()) >= ROWS - 2
    edges, counts = found["histogram"].values()
    assert len(edges) == len(counts) + 1
    assert sum(counts) == ROWS - 2
    assert counts == pytest.approx(np.histogram(redshifts(), edges)[0].tolist(), abs=3)  # redshifts are rounded
    assert found["stacked"] is None, "a point model has no densities"
    points = found["points"]
    assert len(points["row"]) == 2000
    assert not {5, 4999} & set(points["row"])
    flux = spectra(ROWS)[points["row"]].sum(axis=1, dtype=np.float64)
    assert points["brightness"] == pytest.approx(np.log10(flux).tolist())


def test_a_summary_of_chosen_rows_has_the_bins_of_all(done: tuple[Owner, str]) -> None:
    owner, job = done
    middle = float(np.nanmedian(redshifts()))
    found, every = summary(owner, job, f"redshift>{middle}"), summary(owner, job)
    assert found["histogram"]["edges"] == every["histogram"]["edges"]
    assert found["rows_matched"] == pytest.approx((redshifts() > middle).sum(), abs=3)
    assert min(found["points"]["redshift"]) > middle
    bright = float(np.median(every["points"]["brightness"]))
    brighter = summary(owner, job, f"brightness>{bright};status=ok")
    assert min(brighter["points"]["brightness"]) > bright
    rows = owner.ask(
        "GET", f"/jobs/{job}/rows", params={"filter": f"brightness>{bright}", "sort": "-brightness"}
    ).json()
    assert rows["rows_matched"] == brighter["rows_matched"]
    total = spectra(ROWS)[[row["row"] for row in rows["rows"]]].sum(axis=1, dtype=np.float64)
    assert (np.diff(total) <= 0).all()
    nothing = summary(owner, job, "redshift>5")
    assert (nothing["rows_matched"], nothing["points"]["row"], nothing["stacked"]) == (0, [], None)
    assert sum(summary(owner, job, "status=error")["histogram"]["counts"]) == 0


def test_densities_are_stacked(dense: Owner) -> None:
    job = dense.send(table(1200), prior="flat")
    assert dense.worker.work_once()
    stacked = summary(dense, job)["stacked"]
    assert stacked["rows"] == 1000
    widths = np.diff(stacked["bin_edges"])
    assert np.dot(widths, stacked["density"]) == pytest.approx(1, abs=1e-3)
    middle = (np.array(stacked["bin_edges"])[1:] + np.array(stacked["bin_edges"])[:-1]) / 2
    mean = float(np.mean(tiny_redshift(spectra(1200))))
    assert np.dot(middle * widths, stacked["density"]) == pytest.approx(mean, abs=0.01)


def test_the_distribution_of_a_job_is_inferred_once(dense: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 1200
    job = dense.send(table(rows, unusable=(7,)), prior="survey")
    assert dense.code(dense.ask("GET", f"/jobs/{job}/nz")) == (409, "wrong_phase")
    assert dense.worker.work_once()
    arrow = "application/vnd.apache.arrow.stream"
    predicted = dense.client.post(
        "/predict/table",
        content=table(rows, unusable=(7,)),
        params={"prior": "flat", "pdf": "true"},
        headers={"Content-Type": PARQUET, "Accept": arrow},
    )
    expected = dense.ask("POST", "/nz", content=predicted.content, headers={"Content-Type": arrow}).json()
    inferred: list[int] = []
    infer = Likelihoods.infer
    monkeypatch.setattr(Likelihoods, "infer", lambda one: inferred.append(len(one)) or infer(one))
    with ThreadPoolExecutor(3) as threads:
        replies = list(threads.map(lambda _: dense.ask("GET", f"/jobs/{job}/nz"), range(3)))
    assert [reply.status_code for reply in replies] == [200] * 3, replies[0].text
    assert inferred == [expected["galaxies"]]
    found = replies[0].json()
    assert found.keys() == expected.keys()
    assert (found["model"], found["prior"]) == ({"name": "density", "version": "1.2.3"}, "flat")
    assert found["galaxies"] + found["left_out"] == rows - 1, "rows without a redshift are not looked at"
    for ours, other in zip(found["intervals"], expected["intervals"], strict=True):
        assert ours == pytest.approx(other, abs=0.02)
    wide = dense.ask("GET", f"/jobs/{job}/nz", params={"width": 0.2}).json()
    assert len(wide["intervals"]) < len(found["intervals"])
    assert len(inferred) == 1


def test_a_distribution_that_cannot_be_inferred_is_refused(done: tuple[Owner, str], dense: Owner) -> None:
    owner, job = done
    assert owner.code(owner.ask("GET", f"/jobs/{job}/nz")) == (422, "unsupported_by_model"), "a point model"
    for unusable in ((), (0, 1, 2)):
        few = dense.send(table(3, unusable=unusable))
        while not dense.job(few)["progress"]["rows_done"]:
            assert dense.worker.work_once()
        reply = dense.ask("GET", f"/jobs/{few}/nz")
        assert dense.code(reply) == (422, "invalid_request")
        assert "at least 200 galaxies" in reply.text


@pytest.mark.parametrize("format", ["csv", "ecsv", "fits", "votable", "parquet", "arrow", "jsonl"])
def test_rows_are_a_table_of_any_format(done: tuple[Owner, str], format: str) -> None:  # noqa: A002 - what it is
    owner, job = done
    reply = owner.ask("GET", f"/jobs/{job}/table", params={"format": format, "filter": "row>=4090;row<4100"})
    assert reply.status_code == 200, reply.text
    assert f'filename="redshifts-{job}.' in reply.headers["Content-Disposition"]
    with opened(io.BytesIO(reply.content)) as written:
        names = written.schema.names
        columns = [names.index(name) for name in ("redshift", "name")]
        blocks = [block.columns for block in written.blocks(columns, columns[:1])]
    assert [float(z.as_py()) for block in blocks for z in block[0]] == pytest.approx(
        redshifts()[4090:4100].tolist(), abs=2e-6
    )
    assert [name.as_py() for block in blocks for name in block[1]] == [f"galaxy {n}" for n in range(4090, 4100)]


def test_what_cannot_be_summarised_or_written_is_refused(done: tuple[Owner, str]) -> None:
    owner, job = done
    for path in ("summary?filter=colour>1", "summary?rows=3", "table?filter=redshift<red", "table?format=xls"):
        assert owner.code(owner.ask("GET", f"/jobs/{job}/{path}")) == (422, "invalid_request"), path
    assert owner.code(owner.ask("GET", f"/jobs/{job}/table?format=qp")) == (422, "invalid_input")
    waiting = owner.send(table(3))
    for part in ("summary", "table"):
        assert owner.code(owner.ask("GET", f"/jobs/{waiting}/{part}")) == (409, "wrong_phase")
        assert owner.code(owner.ask("GET", f"/jobs/nothing/{part}")) == (404, "unknown_job")
