"""Tables of spectra to Parquet files of redshifts. Imports its neighbours, `predictor` and `tables`."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import IO, Any, cast

import numpy as np

from gaia_redshift.bulk.job import Note
from gaia_redshift.bulk.outcome import Outcome
from gaia_redshift.errors import Detail, InvalidTableError, suggestion
from gaia_redshift.interpretation.prior import PriorTable
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import Unit
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.spectra import check_readable, read_spectra, unit_of_columns
from gaia_redshift.tables.table import Table
from gaia_redshift.tables.writers.arrow import ParquetWriter


@lru_cache(maxsize=2)
def _loaded(pickled: bytes) -> Predictor:
    """Return the predictor, loaded once for all jobs of a process."""
    return cast("Predictor", pickle.loads(pickled))  # noqa: S301 - our own, on its way to a worker


@dataclass(frozen=True)
class Predicting:
    """Predicts each row of a table of any format.

    Attributes
    ----------
    predictor : bytes
        Pickled: where the bundle lies, and which it is.
    model : tuple of str
        Name with version, and the SHA-256 of the manifest.
    asked : AnswerOptions
    unit : {"per_sample", "per_pixel"}
    keep : tuple of str
        Columns of the input that go into the output, beside ``source_id``.
    """

    predictor: bytes
    model: tuple[str, str]
    asked: AnswerOptions
    unit: Unit = "per_sample"
    keep: tuple[str, ...] = ()

    @classmethod
    def by(
        cls, predictor: Predictor, asked: AnswerOptions, unit: Unit = "per_sample", keep: tuple[str, ...] = ()
    ) -> "Predicting":
        """Return the task of a predictor; raises as `Predictor.check`."""
        predictor.check(asked)
        return cls(pickle.dumps(predictor), (predictor.manifest.id, predictor.bundle.sha256), asked, unit, keep)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that an output depends on, besides its input."""
        prior: Any = self.asked.prior
        if isinstance(prior, PriorTable):
            prior = f"sha256:{hashlib.sha256(prior.model_dump_json().encode()).hexdigest()}"
        return {
            "task": "predict", "model": self.model[0], "model_sha256": self.model[1], "prior": prior,
            "pdf": self.asked.pdf, "unit": self.unit, "keep": list(self.keep),
        }  # fmt: skip

    def run(self, source: IO[bytes], name: str, target: IO[bytes], note: Note) -> Outcome:
        """Predict one file; see `Task`."""
        predictor = _loaded(self.predictor)
        outcome = Outcome()
        with opened(source, name) as table:
            found = recognise(table, predictor.bundle.grid)
            check_readable(found, predictor.bundle.grid, predictor.manifest.id)
            found = self._narrowed(table, found)
            about = predictor.about(self.asked, corrected=found.ebv is not None)
            table.settle(found.others)
            unit = unit_of_columns(table, found, self.unit)
            writer = ParquetWriter(target, about)
            for batch in read_spectra(table, found, carry=True):
                predictions = predictor.predict(batch.in_samples(unit), self.asked)
                writer.write(beside(batch.carried, predictions, about))
                _count(outcome, predictions)
        writer.note(note.metadata(outcome))
        writer.close()
        return outcome

    def _narrowed(self, table: Table, found: Recognised) -> Recognised:
        """Return what was recognised with only the identifiers and the columns to keep as other columns."""
        names = [name.strip().lower() for name in table.schema.names]
        kept = []
        for name in self.keep:
            if name.lower() not in names:
                raise InvalidTableError(
                    f"there is no column {name}: {suggestion(name, table.schema.names)}", [Detail(name, "missing")]
                )
            kept.append(names.index(name.lower()))
        own = () if found.source_id is None else (found.source_id,)
        return replace(found, others=(*own, *(place for place in kept if place not in own)))


def _count(outcome: Outcome, predictions: Predictions) -> None:
    """Add a block to a file's outcome."""
    for row, problem in sorted(predictions.problems.items()):
        identity = None if predictions.source_id is None else predictions.source_id[row]
        outcome.name(outcome.rows + row, identity, problem.code, problem.message)
    outcome.rows += len(predictions)
    redshift = predictions.redshifts.redshift
    places, counts = np.unique(np.floor(redshift[np.isfinite(redshift)] * 100).astype(int), return_counts=True)
    outcome.redshifts.update(dict(zip(places.tolist(), counts.tolist(), strict=True)))
    for flag in FLAGS:
        if raised := int(predictions.redshifts.raised(flag).sum()):
            outcome.flags[flag] += raised
