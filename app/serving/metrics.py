"""Prometheus metrics, each described in docs/reference/metrics.md. Imports `metrics_files`, and types.

One process keeps its numbers in memory. Several (``--workers``) keep them in small files of a folder that the
supervisor names in ``PROMETHEUS_MULTIPROC_DIR``, and whichever process is asked answers for all.
"""

import os
from collections import Counter as Counts
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as _generate
from prometheus_client.multiprocess import MultiProcessCollector

from app.serving import metrics_files
from app.serving.batcher import Batch
from gaia_redshift.bundle import Bundle
from gaia_redshift.interpretation.quality import FLAGS as FLAG_NAMES
from gaia_redshift.spectra import Problem

if metrics_files.FOLDER in os.environ:  # a worker: the metrics below are made in its files
    metrics_files.claim()

CONTENT_TYPE = CONTENT_TYPE_LATEST

_MODEL = ("model", "version")


class _ArrayHistogram(Histogram):
    """A histogram that takes a whole array at once: a table's rows one by one would cost more than their decoding."""

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
BATCH_ROWS = Histogram(
    "gaia_redshift_batch_rows", "Spectra in one batch", _MODEL, buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 16384)
)
BATCH_REQUESTS = Histogram(
    "gaia_redshift_batch_requests", "Requests merged into one batch", _MODEL, buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
ENGINE_SECONDS = Counter("gaia_redshift_engine_seconds", "Seconds the network worked", _MODEL)
READY = Gauge("gaia_redshift_ready", "1 where the process predicts", multiprocess_mode="livemin")
BUNDLES_REFUSED = Gauge(
    "gaia_redshift_bundles_refused", "Bundles in the models folder that cannot be served", multiprocess_mode="livemin"
)
RELOADS = Counter("gaia_redshift_reloads", "Reloads of the models", ("result",))


def watch_batches(bundle: Bundle) -> Callable[[Batch], None]:
    """Return what counts each batch of a model: redshifts, flags, and how far the input lies from the training set."""
    labels = (bundle.manifest.name, bundle.manifest.version)
    rows_of, requests_of = BATCH_ROWS.labels(*labels), BATCH_REQUESTS.labels(*labels)
    seconds_of, queued_of = ENGINE_SECONDS.labels(*labels), QUEUED.labels(*labels)
    answered, distribution = SPECTRA.labels(*labels, "ok"), REDSHIFT.labels(*labels)
    drifts, levels = DRIFT.labels(*labels), LEVEL.labels(*labels)
    flags = [(1 << bit, FLAGS.labels(*labels, name)) for bit, name in enumerate(FLAG_NAMES)]

    def watch(batch: Batch) -> None:
        rows_of.observe(len(batch.flux))
        requests_of.observe(batch.requests)
        seconds_of.inc(batch.seconds)
        queued_of.set(batch.queued_rows)
        flux, redshift = batch.flux, batch.found.redshift
        usable = ~np.isnan(redshift)
        if not usable.all():
            flux, redshift = flux[usable], redshift[usable]
        if not len(redshift):
            return
        answered.inc(len(redshift))
        distribution.observe_all(redshift)
        if batch.found.flags.any():
            for bit, counter in flags:
                if given := np.count_nonzero(batch.found.flags & bit):
                    counter.inc(int(given))
        position = (flux - bundle.flux_low) * bundle.flux_scale
        drifts.observe_all(np.count_nonzero((position < 0) | (position > 1), axis=1))
        levels.observe_all(position.mean(axis=1))

    return watch


@cache
def _of_request(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(route)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request; all three labels come from small sets, so they can be looked up once."""
    requests, durations = _of_request(method, route, status)
    requests.inc()
    durations.observe(seconds)


def count_problems(bundle: Bundle, problems: Mapping[int, Problem]) -> None:
    """Count the spectra without a redshift, by reason."""
    labels = (bundle.manifest.name, bundle.manifest.version)
    SPECTRA.labels(*labels, "error").inc(len(problems))
    for code, count in Counts(problem.code for problem in problems.values()).items():
        PROBLEMS.labels(*labels, code).inc(count)


def render() -> bytes:
    """Return all metrics in Prometheus' text format; with several processes, those of all together."""
    if metrics_files.FOLDER not in os.environ:
        return _generate(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return _generate(registry)
