"""Prometheus metrics, each described in docs/reference/metrics.md. Imports `metrics_files`, and types.

A single process keeps its metrics in memory. Several (``--workers``) keep them in files in the folder
``PROMETHEUS_MULTIPROC_DIR``, set by the supervisor, and each process can return the metrics of all.
"""

import asyncio
import os
from collections import Counter as Counts
from collections.abc import Mapping
from functools import cache
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, NDArray
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as _generate
from prometheus_client.multiprocess import MultiProcessCollector

from app.serving import metrics_files
from app.serving.batcher import Batch
from gaia_redshift.bundle import Bundle
from gaia_redshift.interpretation.quality import FLAGS as FLAG_NAMES
from gaia_redshift.spectra import FloatArray, Problem

if metrics_files.FOLDER in os.environ:  # in a worker, the metrics below are stored in its files
    metrics_files.claim()

CONTENT_TYPE = CONTENT_TYPE_LATEST

_MODEL = ("model", "version")


class _ArrayHistogram(Histogram):
    """A histogram with a vectorised `observe`: observing a table's rows one by one takes longer than decoding them."""

    def observe_all(self, values: ArrayLike) -> None:
        array = np.asarray(values, dtype=np.float64)
        if len(array) == 1:
            self.observe(float(array[0]))
            return
        positions = np.searchsorted(self._upper_bounds, array)
        for bucket, count in enumerate(np.bincount(positions, minlength=len(self._upper_bounds))):
            if count:
                self._buckets[bucket].inc(int(count))
        self._sum.inc(float(array.sum()))


REQUESTS = Counter(
    "gaia_redshift_requests", "HTTP requests answered; status 499: the client left first", ("method", "route", "status")
)
REQUEST_SECONDS = Histogram(
    "gaia_redshift_request_seconds",
    "Seconds from a request's headers to the end of its answer",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
)
ERRORS = Counter("gaia_redshift_errors", "Requests refused or failed, by error code", ("code",))
IN_FLIGHT = Gauge("gaia_redshift_requests_in_flight", "Requests being worked on", multiprocess_mode="livesum")

SPECTRA = Counter(
    "gaia_redshift_spectra", "Spectra answered, with a redshift (ok) or a reason (error)", (*_MODEL, "status")
)
PROBLEMS = Counter("gaia_redshift_spectrum_problems", "Spectra without a redshift, by reason", (*_MODEL, "code"))
FLAGS = Counter("gaia_redshift_quality_flags", "Quality flags given", (*_MODEL, "flag"))
REDSHIFT = _ArrayHistogram(
    "gaia_redshift_predicted_redshift",
    "Predicted redshifts",
    _MODEL,
    buckets=tuple(np.round(np.arange(0.0, 0.601, 0.05), 2)),
)
DRIFT = _ArrayHistogram(
    "gaia_redshift_drift_samples",
    "Of a spectrum's 186 fluxes, how many lie outside the range of the training set",
    _MODEL,
    buckets=(0, 1, 2, 5, 10, 20, 50, 100, 185),
)
LEVEL = _ArrayHistogram(
    "gaia_redshift_drift_level",
    "Mean position of a spectrum's fluxes in the range of the training set: 0 its faintest, 1 its brightest",
    _MODEL,
    buckets=(0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
)

QUEUED = Gauge("gaia_redshift_queued_rows", "Spectra that wait for the network", _MODEL, multiprocess_mode="livesum")
QUEUE_LIMIT = Gauge(
    "gaia_redshift_queue_limit_rows", "Spectra that may wait for one model", multiprocess_mode="livesum"
)
BATCH_ROWS = _ArrayHistogram(
    "gaia_redshift_batch_rows", "Spectra in one batch", _MODEL, buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 16384)
)
BATCH_REQUESTS = _ArrayHistogram(
    "gaia_redshift_batch_requests", "Requests merged into one batch", _MODEL, buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
ENGINE_SECONDS = Counter("gaia_redshift_engine_seconds", "Seconds the network worked", _MODEL)
READY = Gauge("gaia_redshift_ready", "1 where the process predicts", multiprocess_mode="livemin")
BUNDLES_REFUSED = Gauge(
    "gaia_redshift_bundles_refused", "Bundles in the models folder that cannot be served", multiprocess_mode="livemin"
)
RELOADS = Counter("gaia_redshift_reloads", "Reloads of the models", ("result",))

JOBS = Gauge("gaia_redshift_jobs", "Jobs in each phase", ("phase",), multiprocess_mode="livemostrecent")
JOB_BYTES = Gauge(
    "gaia_redshift_job_bytes", "Bytes that the files of all jobs take", multiprocess_mode="livemostrecent"
)

_COUNT_ROWS = 256
_COUNT_SECONDS = 0.25
"""Batches are counted together, at this many spectra, after this many seconds, or when the metrics are requested:
counting each took a fifth of the time of a single spectrum."""


class BatchCounter:
    """Counts the batches of one model: redshifts, flags, and how far the input is from the training set.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        labels = (bundle.manifest.name, bundle.manifest.version)
        self._bundle = bundle
        self._rows_of, self._requests_of = BATCH_ROWS.labels(*labels), BATCH_REQUESTS.labels(*labels)
        self._seconds_of, self._queued_of = ENGINE_SECONDS.labels(*labels), QUEUED.labels(*labels)
        self._answered, self._redshift = SPECTRA.labels(*labels, "ok"), REDSHIFT.labels(*labels)
        self._drift, self._level = DRIFT.labels(*labels), LEVEL.labels(*labels)
        self._flags = [(1 << bit, FLAGS.labels(*labels, name)) for bit, name in enumerate(FLAG_NAMES)]
        self._waiting: list[Batch] = []
        self._waiting_rows = 0
        self._timer: asyncio.TimerHandle | None = None
        _counters.add(self)

    def __call__(self, batch: Batch) -> None:
        """Count a batch, now or soon; must be called in the event loop."""
        self._waiting.append(batch)
        self._waiting_rows += len(batch.flux)
        if self._waiting_rows >= _COUNT_ROWS:
            self.count()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_COUNT_SECONDS, self.count)

    def count(self) -> None:
        """Count the collected batches."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batches, self._waiting, self._waiting_rows = self._waiting, [], 0
        if not batches:
            return
        self._rows_of.observe_all([len(batch.flux) for batch in batches])
        self._requests_of.observe_all([batch.requests for batch in batches])
        self._seconds_of.inc(sum(batch.seconds for batch in batches))
        self._queued_of.set(batches[-1].queued_rows)
        flux, redshift = (np.concatenate(parts) for parts in zip(*map(_usable, batches), strict=True))
        if not len(redshift):
            return
        self._answered.inc(len(redshift))
        self._redshift.observe_all(redshift)
        flags = np.concatenate([batch.found.flags for batch in batches])
        for bit, counter in self._flags if flags.any() else ():
            if given := np.count_nonzero(flags & bit):
                counter.inc(int(given))
        position = (flux - self._bundle.flux_low) * self._bundle.flux_scale
        self._drift.observe_all(np.count_nonzero((position < 0) | (position > 1), axis=1))
        self._level.observe_all(position.mean(axis=1))


_counters: WeakSet[BatchCounter] = WeakSet()


def _usable(batch: Batch) -> tuple[FloatArray, NDArray[np.float64]]:
    """Return the spectra that have a redshift, and their redshifts."""
    redshift = batch.found.redshift
    good = ~np.isnan(redshift)
    return (batch.flux, redshift) if good.all() else (batch.flux[good], redshift[good])


@cache
def _of_request(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(route)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request; the three labels have few values, so the look-up is cached."""
    requests, durations = _of_request(method, route, status)
    requests.inc()
    durations.observe(seconds)


def count_problems(bundle: Bundle, problems: Mapping[int, Problem]) -> None:
    """Count the spectra without a redshift, by reason."""
    labels = (bundle.manifest.name, bundle.manifest.version)
    SPECTRA.labels(*labels, "error").inc(len(problems))
    for code, count in Counts(problem.code for problem in problems.values()).items():
        PROBLEMS.labels(*labels, code).inc(count)


def count_jobs(phases: Mapping[str, int], size: int) -> None:
    """Set the number of jobs in each phase, and the bytes of their files."""
    for phase, number in phases.items():
        JOBS.labels(phase).set(number)
    JOB_BYTES.set(size)


def count_waiting() -> None:
    """Count the collected batches of all models; must be called in the event loop."""
    for counter in _counters:
        counter.count()


def render() -> bytes:
    """Return all metrics in Prometheus' text format, summed over all processes."""
    if metrics_files.FOLDER not in os.environ:
        return _generate(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return _generate(registry)
