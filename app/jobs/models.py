"""Loading the models of jobs. Imports `settings` and the library."""

from app.errors import JobFailedError
from app.settings import Settings
from gaia_redshift.bundle import find_bundle
from gaia_redshift.errors import RedshiftError
from gaia_redshift.predictor import Predictor


class Predictors:
    """Loads models, and keeps the last one in memory.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last: tuple[str, Predictor] | None = None

    def get(self, model: str, sha256: str | None) -> Predictor:
        """Return a model.

        Parameters
        ----------
        model : str
            ``name@version``.
        sha256 : str, optional
            SHA-256 of the manifest with which the job was started; all its parts must use the same model.

        Raises
        ------
        JobFailedError
            If the model is gone, or has been replaced.
        """
        settings = self._settings
        try:
            bundle = find_bundle(model, settings.models, settings.bundle_public_key)
        except RedshiftError as error:
            raise JobFailedError(f"the job's model cannot be loaded: {error.message}") from error
        if sha256 is not None and bundle.sha256 != sha256:
            raise JobFailedError(
                f"{model} was replaced by a different model of the same name and version: send the job again"
            )
        if self._last is None or self._last[0] != bundle.sha256:
            self._last = None
            predictor = Predictor(bundle, engine=settings.engine, threads=settings.jobs_threads)
            self._last = (bundle.sha256, predictor)
        return self._last[1]
