"""Running jobs on a Dask or Ray cluster; rows do not pass through either. Imports its neighbours.

Both restart a job whose worker died; it is given up after the same number of deaths as on a single machine.
"""

import re
import socket
from collections.abc import Iterator, Sequence

from gaia_redshift.bulk.job import Task, do
from gaia_redshift.bulk.local import MOST_DEATHS, given_up
from gaia_redshift.bulk.outcome import Outcome
from gaia_redshift.bulk.plan import Job
from gaia_redshift.errors import InvalidInputError, MissingDependencyError
from gaia_redshift.installation import how_to_install

_HOST_AND_PORT = re.compile(r"(?:ray://)?([\w.-]+):(\d+)")
_KNOCK_SECONDS = 30


def run_on_dask(task: Task, jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, Outcome]]:
    """Do jobs on the workers of a Dask scheduler, and yield each with its outcome when it is done.

    Raises
    ------
    MissingDependencyError
        If Dask is not installed.
    InvalidInputError
        If no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise MissingDependencyError(f"--dask needs Dask: {how_to_install('dask')}") from error
    try:
        client = Client(address)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"--dask {address}: no scheduler answers there: {error}") from error
    with client:
        # The task is sent with each job: scattered data would be lost with the worker that holds it.
        known = {client.submit(do, task, job, pure=False): job for job in jobs}
        suspects = []
        for future in as_completed(list(known)):
            job = known.pop(future)
            try:
                outcome = future.result()
            except KilledWorker:
                suspects.append(job)
                continue
            yield job, outcome
        # Dask counts a worker's death for all its waiting jobs: each is tried once more, alone.
        for job in suspects:
            try:
                outcome = client.submit(do, task, job, pure=False).result()
            except KilledWorker as error:
                outcome = given_up(f"Dask gave it up: {str(error).splitlines()[0][:200]}")
            yield job, outcome


def run_on_ray(task: Task, jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, Outcome]]:
    """Do jobs as tasks of a Ray cluster, and yield each with its outcome when it is done.

    Parameters
    ----------
    task : Task
    jobs : sequence of Job
    address : str
        Of the cluster; ``local`` starts one on this machine.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    InvalidInputError
        If no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(f"--ray needs Ray: {how_to_install('ray')}") from error
    _knock(address)  # Ray itself would wait for many minutes
    try:
        ray.init(address, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, OSError, ValueError) as error:
        raise InvalidInputError(f"--ray {address}: no cluster answers there: {error}") from error
    try:
        one = ray.remote(num_cpus=1, max_retries=MOST_DEATHS - 1)(do)
        known = {one.remote(task, job): job for job in jobs}
        while known:
            ready, _ = ray.wait(list(known), num_returns=1)
            for reference in ready:
                job = known.pop(reference)
                try:
                    outcome = ray.get(reference)
                except ray.exceptions.RayError as error:
                    outcome = given_up(f"Ray gave it up: {str(error).splitlines()[0][:200]}")
                yield job, outcome
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise InvalidInputError if nothing listens at the address."""
    named = _HOST_AND_PORT.fullmatch(address)
    if named is None:
        return
    try:
        socket.create_connection((named[1], int(named[2])), _KNOCK_SECONDS).close()
    except OSError as error:
        raise InvalidInputError(f"--ray {address}: no cluster answers there: {error}") from error
