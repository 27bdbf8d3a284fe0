"""`Predictor`: from spectra to redshifts in the calling process. Imports every package of the library but the client.

The service, the commands and jobs on clusters all predict through it, and give identical results.
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
from gaia_redshift.interpretation.beyond import name_problems, without_beyond
from gaia_redshift.interpretation.prior import Prior, PriorTable, SamplePrior, name_of, prior_of
from gaia_redshift.interpretation.result import AnswerOptions, Predictions, Redshifts
from gaia_redshift.interpretation.sample import Likelihoods
from gaia_redshift.spectra import FloatArray, SpectrumBatch, Unit, find_unit, validate
from gaia_redshift.tables.added import add_columns
from gaia_redshift.tables.answers import to_arrow
from gaia_redshift.tables.dataframes import read_blocks
from gaia_redshift.tables.extinction import behind
from gaia_redshift.tables.kinds import refuse_float_identifiers


class Predictor:
    """A model that predicts in the calling thread. It can be used from several threads, and pickled.

    Parameters
    ----------
    model : str, Path or Bundle
        ``name``, which is its highest version, ``name@version``, or the path of a bundle's folder.
    models : Path
        Folder in which a name is looked up; the shipped models by default.
    engine : {"auto", "onnx", "keras"}
        ``auto`` is Keras where there is an NVIDIA GPU, else ONNX Runtime.
    threads : int, optional
        Threads for the network; all cores available to the process if absent.
    public_key : Path, optional
        Ed25519 public key in PEM; a bundle not signed with it is refused.

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
        """Return the location and hash of the bundle, which is loaded again when unpickling."""
        return {**self._made_with, "model": self.bundle.folder, "manifest_sha256": self.bundle.sha256}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Load the same bundle; raises InvalidBundleError if a different one is there."""
        wanted = state.pop("manifest_sha256")
        self.__init__(**state)  # type: ignore[misc]
        if self.bundle.sha256 != wanted:
            raise InvalidBundleError(
                f"{self.bundle.folder} holds a different bundle here than where the predictor was made"
            )

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def __call__(
        self,
        table: object,
        *,
        prior: object = "survey",
        pdf: bool = False,
        unit: object = None,
        ebv: object = None,
    ) -> Any:
        """Predict the redshifts of spectra in memory.

        Parameters
        ----------
        table : array, pyarrow RecordBatch or Table, pandas or polars DataFrame, astropy Table, Series, SpectrumBatch
            An array has shape (n, 186), or (n, 240) untruncated, or is one spectrum: BP and then RP, both blue to red,
            in e-/s per sample. A Series holds an array in each row. A table has array columns ``flux``, or ``bp`` and
            ``rp``, or columns ``flux_0`` and so on. Masked values are missing; a declared unit is used.
        prior : {"survey", "flat", "sample"}, or a mapping or table
            Prior on redshift; a table holds ``redshift`` nodes and the ``density`` at each. ``sample`` is the redshift
            distribution of the spectra themselves, inferred first, which needs at least 200 galaxies. A point model
            takes only ``survey``.
        pdf : bool
            Add the probability density per bin of `bin_edges`; density models only.
        unit : {"per_sample", "per_pixel"} or a unit of astropy, optional
            Unit of the fluxes, e-/s per sample or per pixel, as GaiaXPy's `convert` gives them; a sample is 0.33342
            pixels wide in BP and 0.35680 in RP. If absent, the unit that the table declares, else per sample.
        ebv : float or array_like, shape (n,), optional
            E(B-V) of the Milky Way's dust to correct for, in mag, NaN for none; the column ``ebv`` if absent.

        Returns
        -------
        the same kind of table
            With the columns redshift, redshift_lower, redshift_upper, redshift_lower95, redshift_upper95, quality (the
            flags joined by ``|``), status (``ok`` or ``error``), error and, if requested, pdf. A row that cannot be
            used has NaN and the reason. For an array, a structured array of these columns; for a SpectrumBatch, a
            pyarrow Table of them; for a Series, a DataFrame.

        Raises
        ------
        InvalidInputError, InvalidTableError
            If there are no spectra in it, its identifiers are floats, its unit or the prior is not read, or `ebv` does
            not fit.
        InvalidRequestError
            If the prior is ``sample`` and the table has too few galaxies.
        UnsupportedByModelError
            If a density is requested from a point model.
        """
        try:
            asked = AnswerOptions(prior_of(prior), pdf)
            said: Unit | None = None if unit is None else find_unit(str(unit))
        except ValueError as error:
            raise InvalidInputError(str(error)) from None
        self.check(asked)
        if isinstance(table, SpectrumBatch):
            (batch,) = behind(iter([table.in_samples(said)]), ebv)
            return pyarrow.Table.from_batches([to_arrow(self.predict(batch, asked))])
        refuse_float_identifiers(table)
        grid = self.bundle.grid
        if asked.prior == "sample":
            asked = AnswerOptions(self.sample_prior(read_blocks(table, grid, said, ebv)), pdf)
        answers = [to_arrow(self.predict(batch, asked)) for batch in read_blocks(table, grid, said, ebv)]
        return add_columns(table, pyarrow.Table.from_batches(answers))

    def sample_prior(self, batches: Iterable[SpectrumBatch]) -> SamplePrior:
        """Infer the redshift distribution of a sample, for a prior on each of its galaxies.

        Parameters
        ----------
        batches : iterable of SpectrumBatch
            All spectra of the sample; 480 bytes are held for each.

        Returns
        -------
        SamplePrior

        Raises
        ------
        UnsupportedByModelError
            If the model is a point model.
        InvalidRequestError
            If there are too few galaxies, or their spectra do not constrain the distribution.
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
        """Return an empty `Likelihoods` for densities under the flat prior; raises UnsupportedByModelError."""
        self.check(AnswerOptions("flat", pdf=True))
        bins = self.bundle.bins
        assert bins is not None  # noqa: S101 - the check before
        return Likelihoods(bins.edges, bins.prior("flat"))

    @property
    def bin_edges(self) -> NDArray[np.float64] | None:
        """Edges of the bins of a density, shape (bins + 1,); None for a point model."""
        return None if self.bundle.bins is None else self.bundle.bins.edges

    def check(self, asked: AnswerOptions) -> None:
        """Check that the model supports the options, before anything is predicted.

        Parameters
        ----------
        asked : AnswerOptions

        Raises
        ------
        UnsupportedByModelError
            If a point model, which has no p(z), is asked for a density or for a prior other than the survey's.
        InvalidRequestError
            If the user's prior is zero in all of the model's bins.
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

    def about(self, asked: AnswerOptions, *, corrected: bool = False) -> dict[str, str]:
        """Return the metadata of a file of predictions.

        Parameters
        ----------
        asked : AnswerOptions
        corrected : bool
            Whether spectra with an E(B-V) are corrected for extinction; ``corrected_to_ebv`` then is what is left.

        Returns
        -------
        dict of str
        """
        about = {"model": self.manifest.id, "prior": name_of(asked.prior)}
        if corrected:
            about["corrected_to_ebv"] = f"{self.manifest.ebv:g}"
        if asked.pdf:
            about["bin_edges"] = orjson.dumps(self.manifest.bin_edges).decode()
        return about

    def predict(self, batch: SpectrumBatch, asked: AnswerOptions) -> Predictions:
        """Predict a batch; unusable rows stay in place, with the reason.

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
            If the prior is ``sample``, which is then this batch, and it has too few galaxies.
        """
        self.check_grid(batch)
        prior = self.sample_prior([batch]) if asked.prior == "sample" else asked.prior
        corrected = self.bundle.corrected(batch.usable_flux(), batch.ebv)
        priors = [] if prior == "survey" else [(len(corrected), prior)]
        found = corrected.together(self.answer(corrected.flux, priors, pdf=asked.pdf))
        return name_problems(batch, found, self.manifest.redshift_range)

    def answer(self, flux: FloatArray, priors: Sequence[tuple[int, Prior]] = (), *, pdf: bool = False) -> Redshifts:
        """Return the redshifts of spectra on the model's grid, NaN where a spectrum cannot be used.

        Parameters
        ----------
        flux : ndarray of float32, shape (n, samples)
        priors : sequence of (int, Prior)
            Consecutive numbers of rows and their prior, in order; empty if all rows have the survey's.
        pdf : bool
            Also return the densities.
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
        """Return redshifts without those far outside the training range; a density is zero outside its bins."""
        return without_beyond(found, self.manifest.redshift_range) if self.bundle.bins is None else found
