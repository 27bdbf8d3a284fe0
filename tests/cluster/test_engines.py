"""Files as jobs of Dask and of Ray: the same bits as in one process, whatever dies."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gaia_redshift.bulk.clusters import run_on_dask, run_on_ray
from gaia_redshift.bulk.outcome import Outcome
from gaia_redshift.bulk.plan import Job
from gaia_redshift.bulk.run import Engine, Run, run
from gaia_redshift.errors import InvalidInputError
from tests.gaia_redshift.bulk.deadly import Deadly
from tests.gaia_redshift.bulk.files import here, outputs, predicting, write_spectra
from tests.gaia_redshift.bulk.test_run import DAMAGED, damage

FILES = 8
MANY = 99
"""More deaths than any engine allows."""


@pytest.fixture
def dask() -> Iterator[Engine]:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: make cluster-test")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield partial(run_on_dask, address=cluster.scheduler_address)


@pytest.fixture
def ray_cluster() -> Iterator[object]:
    pytest.importorskip("ray", reason="Ray is not installed: make cluster-test")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(FILES):
        write_spectra(tmp_path / "in" / f"{number}.parquet", 500, number)
    damage(tmp_path / "in")
    (tmp_path / "deaths").mkdir()
    return tmp_path


def deadly(folder: Path, models: Path, deaths: int = 2) -> Deadly:
    return Deadly(predicting(models), {"1.parquet": deaths, "3.parquet": MANY}, folder / "deaths")


def expect(folder: Path, made: Run, task: Deadly) -> None:
    """Assert that all but the damaged files and the deadly one are done, as by one process."""
    failures = {job.name.removesuffix(".parquet"): failure.code for job, failure in made.failures}
    assert failures.pop("3") == "worker_died"
    assert set(failures) == DAMAGED
    run(task.task, [str(folder / "in")], str(folder / "alone"), here)
    alone = outputs(folder / "alone")
    assert outputs(folder / "out") == {name: content for name, content in alone.items() if name != "3.parquet"}


def test_dask_does_all_but_what_is_damaged_and_gives_up_a_file_that_kills_its_workers(
    folder: Path, models: Path, dask: Engine
) -> None:
    task = deadly(folder, models)
    expect(folder, run(task, [str(folder / "in")], str(folder / "out"), dask), task)


def test_ray_does_all_but_what_is_damaged_though_a_node_is_removed(
    folder: Path, models: Path, ray_cluster: object
) -> None:
    cluster: object = ray_cluster
    extra = cluster.add_node(num_cpus=1)  # type: ignore[attr-defined]
    # The removed node may end that file once more; after three deaths it would be given up.
    task, done = deadly(folder, models, deaths=1), []

    def remove(_job: Job, _outcome: Outcome) -> None:
        done.append(_job.name)
        if len(done) == 2:
            cluster.remove_node(extra, allow_graceful=False)  # type: ignore[attr-defined]

    engine = partial(run_on_ray, address=cluster.address)  # type: ignore[attr-defined]
    expect(folder, run(task, [str(folder / "in")], str(folder / "out"), engine, done=remove), task)


@pytest.mark.parametrize("engine", [run_on_dask, run_on_ray], ids=["dask", "ray"])
def test_an_address_where_nothing_answers_is_refused(tmp_path: Path, models: Path, engine: object) -> None:
    pytest.importorskip("distributed" if engine is run_on_dask else "ray", reason="not installed: make cluster-test")
    source = write_spectra(tmp_path / "a.parquet", 5)
    address = "tcp://127.0.0.1:9" if engine is run_on_dask else "127.0.0.1:9"
    with pytest.raises(InvalidInputError, match="answers there"):
        run(predicting(models), [str(source)], str(tmp_path / "out"), partial(engine, address=address))  # type: ignore[operator]
