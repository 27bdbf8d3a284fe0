from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gaia_redshift.archive import Archive, ArchiveError
from gaia_redshift.archive.tap import query
from gaia_redshift.archive.web import ATTEMPTS, Web
from gaia_redshift.commands.fetch import fetch
from gaia_redshift.errors import InvalidInputError
from gaia_redshift.tables.files import read
from gaia_redshift.tables.formats import opened
from tests.gaia_redshift.archive.server import Sky, serving


@pytest.fixture
def sky() -> Iterator[Sky]:
    with serving(Sky()) as served:
        yield served


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def web(waited: list[float]) -> Iterator[Web]:
    client = Web(wait=waited.append, read_seconds=0.5)
    yield client
    client.close()


def archive(sky: Sky, web: Web, **options: Any) -> Archive:
    return Archive(f"{sky.url}/data", web=web, **options)


def test_rows_come_in_the_order_of_the_ids_and_the_missing_ones_are_told(sky: Sky, web: Web) -> None:
    parts = list(archive(sky, web).fetch([150, 7, 120, 150, 130, 8], at_once=3))
    assert [part.rows["source_id"].to_pylist() for part in parts] == [[150, 120], [130]]
    assert [part.missing for part in parts] == [[7], [8]]
    assert parts[0].rows["bp_coefficients"][1].as_py() == [1.2] * 55
    assert sky.requests[0] == {
        "ID": "150,7,120",
        "RELEASE": "Gaia DR3",
        "RETRIEVAL_TYPE": "XP_CONTINUOUS",
        "DATA_STRUCTURE": "RAW",
        "FORMAT": "fits",
        "VALID_DATA": "false",
        "USE_ZIP_ALWAYS": "true",
    }


@pytest.mark.parametrize("failure", [500, 503, 429, 0, -1])
def test_a_failing_archive_is_asked_again_later_and_later(
    sky: Sky, web: Web, waited: list[float], failure: int
) -> None:
    sky.failures = [failure, failure]
    (part,) = archive(sky, web).fetch([150])
    assert part.rows["source_id"].to_pylist() == [150]
    assert waited == [2, 4]


def test_an_archive_that_stays_broken_is_an_error(sky: Sky, web: Web) -> None:
    sky.failures = [500] * ATTEMPTS
    with pytest.raises(ArchiveError, match=f"failed {ATTEMPTS} times, the last time with HTTP 500"):
        list(archive(sky, web).fetch([150]))


def test_a_refusal_is_told_in_the_archives_words_and_not_repeated(sky: Sky, web: Web) -> None:
    sky.failures = [403]
    with pytest.raises(ArchiveError, match=r"HTTP 403.: it is broken"):
        list(archive(sky, web).fetch([150]))
    assert len(sky.requests) == 1


def test_a_renamed_product_is_asked_for_by_its_other_name(sky: Sky, web: Web) -> None:
    sky.names = ("XP_MEAN_SPECTRUM",)
    (part,) = archive(sky, web, release="Gaia DR4").fetch([150])
    assert part.rows.num_rows == 1
    assert [request["RETRIEVAL_TYPE"] for request in sky.requests] == ["MEAN_SPECTRUM_XP", "XP_MEAN_SPECTRUM"]


def test_renamed_columns_are_joined_all_the_same(sky: Sky, web: Web) -> None:
    sky.upper = True
    (part,) = archive(sky, web).fetch([150])
    assert part.rows["SOURCE_ID"].to_pylist() == [150]


def test_what_was_fetched_is_kept(sky: Sky, web: Web, tmp_path: Path) -> None:
    for _ in range(2):
        (part,) = archive(sky, web, cache=tmp_path).fetch([150, 151])
        assert part.rows.num_rows == 2
    assert len(sky.requests) == 1
    list(archive(sky, web, cache=tmp_path).fetch([150]))
    assert len(sky.requests) == 2


def test_a_query_gives_its_table(sky: Sky, web: Web) -> None:
    found = query("SELECT source_id, z FROM galaxies", f"{sky.url}/tap", web=web)
    assert found["source_id"].to_pylist() == [100, 101, 102]
    assert sky.requests[0]["QUERY"] == "SELECT source_id, z FROM galaxies"


def test_the_command_writes_a_table_that_predict_reads(
    sky: Sky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ids.txt").write_text("150\n7\n120\n")
    with pytest.raises(typer.Exit) as stop:
        fetch(tmp_path / "out.fits", ids=tmp_path / "ids.txt", datalink=f"{sky.url}/data", cache=tmp_path / "cache")
    assert stop.value.exit_code == 1
    said = capsys.readouterr().err
    assert "2 of 3 spectra of Gaia DR3" in said
    assert "no spectrum of 7" in said
    batch = read(tmp_path / "out.fits")
    assert batch.source_id == [150, 120]
    assert not batch.problems


def test_sources_may_be_named_by_their_designation(sky: Sky, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("Designation,z\nGaia DR3 150,0.1\n,\nGaia DR3 120,0.2\n")
    fetch(tmp_path / "out.csv", ids=tmp_path / "ids.csv", datalink=f"{sky.url}/data", cache=tmp_path / "cache")
    batch = read(tmp_path / "out.csv")
    assert batch.source_id == [150, 120]
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("Gaia DR3 150,0.1,150,")
    (tmp_path / "ids.csv").write_text("designation\nM 31\n")
    with pytest.raises(InvalidInputError, match="designation holds 'M 31'"):
        fetch(tmp_path / "out.csv", ids=tmp_path / "ids.csv", datalink=f"{sky.url}/data")


def test_columns_of_the_query_are_kept_with_the_spectra(sky: Sky, tmp_path: Path) -> None:
    fetch(
        tmp_path / "out.parquet",
        adql="SELECT source_id, z FROM galaxies",
        datalink=f"{sky.url}/data",
        tap=f"{sky.url}/tap",
        cache=tmp_path / "cache",
    )
    with (tmp_path / "out.parquet").open("rb") as file, opened(file) as table:
        names = table.schema.names
        assert names[:2] == ["z", "source_id"]
        (block,) = table.blocks([0, 1])
        assert block.columns.to_pydict() == {"z": [0.1, 0.2, 0.3], "source_id": [100, 101, 102]}


def test_a_job_that_waits_to_be_started_is_started_once(sky: Sky, web: Web, waited: list[float]) -> None:
    sky.phases = ["PENDING", "QUEUED", "EXECUTING"]
    found = query("SELECT source_id, z FROM galaxies", f"{sky.url}/tap", web=web, wait=waited.append)
    assert len(found) == 3
    asked, started = sky.requests
    assert asked["QUERY"].startswith("SELECT")
    assert started == {"PHASE": "RUN"}


def test_a_query_that_fails_is_told_in_the_service_s_words(sky: Sky, web: Web) -> None:
    sky.phases = ["EXECUTING", "ERROR"]
    with pytest.raises(ArchiveError, match="the query failed: no column 'nothing'"):
        query("SELECT nothing FROM galaxies", f"{sky.url}/tap", web=web, wait=lambda _: None)


def test_a_query_without_end_is_given_up_after_an_hour(sky: Sky, web: Web) -> None:
    sky.phases = ["EXECUTING"] * 9
    with pytest.raises(ArchiveError, match=r"did not finish within 3600 s: see .*/tap/async/1"):
        query("SELECT 1", f"{sky.url}/tap", web=web, poll_seconds=1000, wait=lambda _: None)


def test_what_is_fetched_is_asked_for_in_one_way(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="either --ids or --adql"):
        fetch(tmp_path / "out.fits")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column source_id; it has a, b"),
        ("source_id\n1.5\n", "source_id holds double: it needs integers"),
        ("1\n" * 3000 + "x\n", "'x' is not a source_id"),
        ("9" * 5000 + "\n", "'9{40}' is not a source_id"),
        (f"source_id,z\nGaia DR3 {'9' * 5000},1\n", "which is not a Gaia source_id"),
        (None, "cannot be read: No such file"),
    ],
)
def test_invalid_ids_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "ids.csv").write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        fetch(tmp_path / "out.fits", ids=tmp_path / "ids.csv")


def test_a_query_in_a_file_is_fetched_with_its_columns_beside_the_spectra(sky: Sky, tmp_path: Path) -> None:
    (tmp_path / "some.adql").write_text("SELECT source_id, z FROM galaxies")
    places = {"datalink": f"{sky.url}/data", "tap": f"{sky.url}/tap", "cache": tmp_path / "cache"}
    fetch(tmp_path / "out.parquet", adql=str(tmp_path / "some.adql"), **places)
    assert sky.requests[0]["QUERY"] == "SELECT source_id, z FROM galaxies"
    with (tmp_path / "out.parquet").open("rb") as file, opened(file, "out.parquet") as table:
        assert table.schema.names[:2] == ["z", "source_id"]


def test_a_source_without_a_spectrum_in_the_archive_gives_no_table(sky: Sky, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("7\n")
    with pytest.raises(InvalidInputError, match="no Gaia DR3 spectrum of any of the 1 sources"):
        fetch(tmp_path / "out.fits", ids=tmp_path / "ids.txt", datalink=f"{sky.url}/data", cache=tmp_path / "cache")
    assert not (tmp_path / "out.fits").exists()


def test_an_unknown_release_is_named() -> None:
    with pytest.raises(InvalidInputError, match="unknown release 'DR9': give one of Gaia DR3"):
        Archive(release="DR9")
