"""`gaia-redshift submit` and `jobs`, at a service that carries jobs out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from astropy.table import Table
from click.testing import Result
from pyarrow import parquet
from typer.testing import CliRunner

from gaia_redshift.client import Client
from gaia_redshift.commands.jobs import jobs
from gaia_redshift.commands.submit import submit
from gaia_redshift.errors import RedshiftError
from tests.app.jobs.owner import table as parquet_table
from tests.gaia_redshift.client.keeping import pending


@pytest.fixture
def client(keeper: str) -> Iterator[Client]:
    with Client(keeper) as made:
        yield made


@pytest.fixture
def run(keeper: str) -> Callable[..., Result]:
    """Return a runner of `submit` and `jobs`, with given standard input."""
    application = typer.Typer()
    application.command("submit")(submit)
    application.command("jobs")(jobs)
    runner = CliRunner(env={"GAIA_REDSHIFT_URL": keeper})
    return lambda *words, stdin=None: runner.invoke(application, [str(word) for word in words], input=stdin)


def test_the_commands_submit_wait_list_fetch_and_delete(
    keeper: str, run: Callable[..., Result], tmp_path: Path
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
        ("1\n2\nM 31\n", "'M 31' is not a source_id"),
        (f"{2**63}\n1\n", f"'{2**63}' is not a source_id"),
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
