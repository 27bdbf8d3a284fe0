"""The death of a process of this machine costs its file another try."""

import os
from functools import partial
from pathlib import Path

from gaia_redshift.bulk.local import MOST_DEATHS, run_here
from gaia_redshift.bulk.run import run
from tests.gaia_redshift.bulk.deadly import Deadly
from tests.gaia_redshift.bulk.files import here, outputs, predicting, write_spectra


def test_a_file_at_which_processes_die_is_tried_again_and_given_up_after_three_while_all_others_are_done(
    tmp_path: Path, models: Path
) -> None:
    for number in range(6):
        write_spectra(tmp_path / "in" / f"{number}.parquet", 200, number)
    counter = tmp_path / "deaths"
    counter.mkdir()
    task = Deadly(predicting(models), {"1.parquet": MOST_DEATHS - 1, "3.parquet": MOST_DEATHS}, counter)
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    made = run(task, [str(tmp_path / "in")], str(tmp_path / "out"), partial(run_here, processes=2))
    assert os.environ.get("OPENBLAS_NUM_THREADS") == threads
    ((job, failure),) = made.failures
    assert (job.name, failure.code) == ("3.parquet", "worker_died")
    assert len(list(counter.iterdir())) == 2 * MOST_DEATHS - 1
    run(task.task, [str(tmp_path / "in")], str(tmp_path / "alone"), here)
    alone = outputs(tmp_path / "alone")
    assert outputs(tmp_path / "out") == {name: content for name, content in alone.items() if name != "3.parquet"}
    # The next run removes the unfinished files and does the file that was given up.
    again = run(task, [str(tmp_path / "in")], str(tmp_path / "out"), here)
    assert again.swept == 2 * MOST_DEATHS - 1
    assert (len(again.earlier), again.failures) == (5, [])
    assert outputs(tmp_path / "out") == alone
    assert not list((tmp_path / "out").glob(".*"))
