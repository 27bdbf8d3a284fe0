"""The one way from spectra to redshifts without a server. Imports every room of the library but the client.

The service, the commands and jobs on clusters all predict through it, and give the same bits.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.bundle import SHIPPED_MODELS, Bundle, Manifest, find_bundle
from gaia_redshift.engine import Engine, load_engine
from gaia_redshift.errors import InvalidBundleError, InvalidInputError, UnsupportedByModelError
from gaia_redshift.interpretation.prior import Prior, PriorTable, SamplePrior, WantedPrior, name_of
from gaia_redshift.interpretation.result import AnswerOptions, Predictions, Redshifts
from gaia_redshift.interpretation.sample import Likelihoods
from gaia_redshift.spectra import FloatArray, Problem, SpectrumBatch, Unit, find_unit, validate
from gaia_redshift.tables.added import add_columns
from gaia_redshift.tables.answers import to_arrow
from gaia_redshift.tables.dataframes import read_blocks

_MARGIN = 0.1
"""A point model's answer may lie outside its redshifts by so much of their range. Of spectra unlike all that it
was trained on it says anything: -55,000 was seen."""


class Predictor:
    """A model that predicts in the calling thread; it may be called from several, and pickled.

    Parameters
    ----------
    model : str, Path or Bundle
        ``name``, which is its highest version, ``name@version``, or the path of a bundle's folder.
    models : Path
        Folder whose bundles have names; those that ship by default.
    engine : {"auto", "onnx", "keras"}
        ``auto`` is Keras where there is an NVIDIA GPU, else ONNX Runtime.
    threads : int, optional
        Of the network; all cores that the process may use if absent.
    public_key : Path, optional
        Ed25519 key in PEM that must have signed the bundle.

    Raises
    ------
    UnknownModelError
        If there is no such bundle.
    InvalidBundleError
        If it is incomplete or was altered.
    """

    def __init__(
        self,
        model: str | Path | Bundle = "default",
        *,
        models: Path = SHIPPED_MODELS,
        engine: Literal["auto", "onnx", "keras"] = "auto",
        threads: int | None = None,
        public_key: Path | None = None,
    ) -> None:
        self._made_with = {"models": models, "engine": engine, "threads": threads, "public_key": public_key}
        self.bundle = model if isinstance(model, Bundle) else find_bundle(model, models, public_key)
        self.engine: Engine = load_engine(self.bundle, engine, threads)

    def __getstate__(self) -> dict[str, object]:
        """Return where the bundle lies and what it is: the other side loads it again."""
        return {**self._made_with, "model": self.bundle.folder, "manifest_sha256": self.bundle.sha256}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Load the same bundle; raises InvalidBundleError if another one lies there."""
        wanted = state.pop("manifest_sha256")
        self.__init__(**state)  # type: ignore[misc]
        if self.bundle.sha256 != wanted:
            raise InvalidBundleError(
                f"{self.bundle.folder} holds another bundle here than where the predictor was made"
            )

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def __call__(
        self, table: object, *, prior: WantedPrior = "survey", pdf: bool = False, unit: str | None = None
    ) -> Any:
        """Predict the redshifts of spectra in memory.

        Parameters
        ----------
        table : array, pyarrow RecordBatch or Table, pandas or polars DataFrame, astropy Table, Series, SpectrumBatch
            An array has shape (n, 186), or (n, 240) untruncated, or is one spectrum: BP and then RP, both blue to red,
            in e-/s per sample. A Series holds an array in each row. A table has a column ``flux``, or ``bp`` and
            ``rp``, of arrays, or ``flux_0`` and so on. What is masked is missing; a unit that it declares is honoured.
        prior : {"survey", "flat", "sample"} or PriorTable
            Prior on redshift; ``sample`` is the redshift distribution of the table itself, inferred first, of at least
            200 galaxies. A point model knows ``survey`` alone.
        pdf : bool
            Add the probability density per bin of `bin_edges`; density models only.
        unit : {"per_sample", "per_pixel"}, optional
            Of the fluxes, in e-/s; GaiaXPy's `convert` gives them per pixel, of which a sample is 0.33342 in BP and
            0.35680 in RP. What the table declares if absent, else per sample.

        Returns
        -------
        the same kind of table
            With the columns redshift, redshift_lower, redshift_upper, redshift_lower95, redshift_upper95, quality (the
            flags joined by ``|``), status (``ok`` or ``error``), error and, where asked for, pdf. A row that cannot be
            used has NaN and the reason. Of an array, a structured array of
            these columns; of a SpectrumBatch, a pyarrow Table of them; of a Series, a DataFrame.

        Raises
        ------
        InvalidInputError, InvalidTableError
            If there are no spectra in it, its identifiers are floats, or its unit is none that is read.
        InvalidRequestError
            If its own distribution is wanted, and it has too few galaxies for it.
        UnsupportedByModelError
            If the model gives no density but one is asked for.
        """
        asked = AnswerOptions(prior, pdf)
        self.check(asked)
        said = None if unit is None else _unit(unit)
        if isinstance(table, SpectrumBatch):
            return pyarrow.Table.from_batches([to_arrow(self.predict(table.in_samples(said), asked))])
        if asked.prior == "sample":
            asked = AnswerOptions(self.sample_prior(read_blocks(table, self.bundle.grid, said)), pdf)
        answers = [to_arrow(self.predict(batch, asked)) for batch in read_blocks(table, self.bundle.grid, said)]
        return add_columns(table, pyarrow.Table.from_batches(answers))

    def sample_prior(self, batches: Iterable[SpectrumBatch]) -> SamplePrior:
        """Infer the redshift distribution of a sample, for a prior on each of its galaxies.

        Parameters
        ----------
        batches : iterable of SpectrumBatch
            All of the sample; 480 bytes are held of each spectrum.

        Returns
        -------
        SamplePrior

        Raises
        ------
        UnsupportedByModelError
            If the model gives no density.
        InvalidRequestError
            If there are too few galaxies, or their spectra do not tell their distribution.
        """
        asked = AnswerOptions("flat", pdf=True)
        self.check(asked)
        gathered = self.likelihoods()
        for batch in batches:
            found = self.predict(batch, asked).redshifts
            if found.pdf is not None:
                gathered.add(found.pdf, found.flags)
        return gathered.infer(replicas=0).prior()

    def likelihoods(self) -> Likelihoods:
        """Return what gathers the densities that hold under the flat prior; raises UnsupportedByModelError."""
        self.check(AnswerOptions("flat", pdf=True))
        bins = self.bundle.bins
        assert bins is not None  # noqa: S101 - the check before
        return Likelihoods(bins.edges, bins.prior("flat"))

    @property
    def bin_edges(self) -> NDArray[np.float64] | None:
        """Edges of the bins of a density, shape (bins + 1,); None of a point model."""
        return None if self.bundle.bins is None else self.bundle.bins.edges

    def check(self, asked: AnswerOptions) -> None:
        """Refuse what the model cannot give, before anything is predicted.

        Parameters
        ----------
        asked : AnswerOptions
            Prior, and whether densities are wanted.

        Raises
        ------
        UnsupportedByModelError
            If a point model, which has no p(z), is asked to return it or to weigh it with a prior.
        InvalidRequestError
            If the user's prior is zero wherever the model looks.
        """
        if self.bundle.bins is not None:
            if isinstance(asked.prior, PriorTable):
                self.bundle.bins.prior(asked.prior)
            return
        for wanted, wish in ((asked.pdf, "pdf"), (asked.prior != "survey", f"the prior {name_of(asked.prior)}")):
            if wanted:
                raise UnsupportedByModelError(
                    f"{self.manifest.name} gives one redshift, not a density: {wish} needs a density model"
                )

    def check_grid(self, batch: SpectrumBatch) -> None:
        """Refuse spectra of another release.

        Parameters
        ----------
        batch : SpectrumBatch

        Raises
        ------
        UnsupportedByModelError
            If its grid is not the model's.
        """
        if batch.grid.name != self.bundle.grid.name:
            raise UnsupportedByModelError(
                f"these are {batch.grid.release} spectra on the grid {batch.grid.name}; {self.manifest.id} reads "
                f"{self.bundle.grid.release} on {self.bundle.grid.name}"
            )

    def about(self, asked: AnswerOptions) -> dict[str, str]:
        """Return what a file of predictions says of how they were made.

        Parameters
        ----------
        asked : AnswerOptions
            Prior, and whether densities are wanted.

        Returns
        -------
        dict of str
            ``model``, ``prior`` and, with densities, ``bin_edges``.
        """
        about = {"model": self.manifest.id, "prior": name_of(asked.prior)}
        if asked.pdf:
            about["bin_edges"] = orjson.dumps(self.manifest.bin_edges).decode()
        return about

    def predict(self, batch: SpectrumBatch, asked: AnswerOptions) -> Predictions:
        """Predict a batch; unusable rows keep their place with their reason.

        Parameters
        ----------
        batch : SpectrumBatch
        asked : AnswerOptions
            Prior, and whether densities are wanted.

        Returns
        -------
        Predictions

        Raises
        ------
        UnsupportedByModelError
            If the spectra are of another release.
        InvalidRequestError
            If the prior of the sample is wanted, which is then this batch, and it has too few galaxies for it.
        """
        self.check_grid(batch)
        prior = self.sample_prior([batch]) if asked.prior == "sample" else asked.prior
        priors = [] if prior == "survey" else [(len(batch), prior)]
        return self.name_problems(batch, self.answer(batch.usable_flux(), priors, pdf=asked.pdf))

    def answer(self, flux: FloatArray, priors: Sequence[tuple[int, Prior]] = (), *, pdf: bool = False) -> Redshifts:
        """Return the redshifts of spectra on the model's grid, NaN where a spectrum cannot be used.

        Parameters
        ----------
        flux : ndarray of float32, shape (n, samples)
        priors : sequence of (int, Prior)
            How many rows have which prior, in their order; empty where all have the survey's.
        pdf : bool
            Give the densities too.
        """
        index = matrix = None
        if priors and self.bundle.bins is not None:
            matrix, numbers = self.bundle.bins.stack([prior for _, prior in priors])
            index = np.repeat(np.array(numbers, np.int32), [rows for rows, _ in priors])
        wrong = validate(flux, self.bundle.grid) > 0
        if wrong.any():
            rest = None if index is None else index[~wrong]
            return self._within(self.engine(flux[~wrong], rest, matrix, pdf=pdf)).spread(~wrong)
        return self._within(self.engine(flux, index, matrix, pdf=pdf))

    def _within(self, found: Redshifts) -> Redshifts:
        """Return redshifts without those that lie beyond what the model knows."""
        if self.bundle.bins is None:  # a density knows no other redshifts than those of its bins
            low, high = self._limits
            beyond = ~((found.redshift >= low) & (found.redshift <= high))
            return found.without(beyond) if beyond.any() else found
        return found

    @property
    def _limits(self) -> tuple[float, float]:
        """Between what an answer may lie: the redshifts of the training, and a tenth of their range on either side."""
        low, high = self.manifest.redshift_range
        margin = _MARGIN * (high - low)
        return low - margin, high + margin

    def name_problems(self, batch: SpectrumBatch, found: Redshifts) -> Predictions:
        """Return redshifts with the reasons of the rows that have none.

        Parameters
        ----------
        batch : SpectrumBatch
        found : Redshifts
            Of its rows.

        Returns
        -------
        Predictions
        """
        missing = np.isnan(found.redshift)
        if not missing.any():
            return Predictions(found, batch.source_id, dict(batch.problems))
        batch = batch.checked()
        problems = dict(batch.problems)
        low, high = self.manifest.redshift_range
        beyond = Problem(
            "beyond_model",
            f"the model's answer lies far outside the redshifts that it knows, {low:g} to {high:g}: the spectrum is "
            "unlike all that it was trained on",
        )
        for row in np.flatnonzero(missing).tolist():
            problems.setdefault(row, beyond)
        return Predictions(found, batch.source_id, problems)


def _unit(text: str) -> Unit:
    try:
        return find_unit(text)
    except ValueError as error:
        raise InvalidInputError(str(error)) from None
