"""A loaded model: its bundle, the engine that runs it, and the way from spectra to predictions."""

from collections.abc import Iterator
from pathlib import Path

from app.batcher import Batcher
from app.bundle import Bundle, Manifest, discover
from app.engine import Engine, load_engine
from app.errors import InvalidBundleError, UnknownModelError
from app.redshift import Predictions, interpret
from app.settings import Settings
from app.spectra import FloatArray, SpectrumBatch


class Model:
    """A bundle ready to predict, warmed up with one prediction.

    Parameters
    ----------
    folder : Path
        The bundle's folder.
    settings : Settings
        Chooses the engine and its threads.

    Raises
    ------
    InvalidBundleError
        If the bundle's files do not match its manifest or cannot be loaded.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.bundle = Bundle(folder)
        self.engine: Engine = load_engine(self.bundle, settings.engine, settings.threads)
        self.batcher = Batcher(
            self.engine,
            slice_rows=self.engine.chunk,
            batch_rows=4 * self.engine.chunk,
            max_queued_rows=settings.max_queued_rows,
        )

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def predict(self, batch: SpectrumBatch) -> Predictions:
        """Predict in the calling thread; unusable rows keep their place with their reason."""
        batch = batch.checked()
        usable = batch.usable()
        return self._finish(batch, self.engine(batch.flux[usable]))

    async def predict_merged(self, batch: SpectrumBatch) -> Predictions:
        """Predict together with whatever other requests wait; raises OverloadedError when too many do."""
        batch = batch.checked()
        output = await self.batcher.submit(batch.flux[batch.usable()])
        return self._finish(batch, output)

    def _finish(self, batch: SpectrumBatch, output: FloatArray) -> Predictions:
        redshifts = interpret(output, batch.flux, batch.usable(), self.bundle)
        return Predictions(redshifts, batch.source_id, dict(batch.problems))


class Models:
    """All loaded models by name.

    Raises
    ------
    InvalidBundleError
        If a bundle cannot be loaded, or the default one is not there.
    """

    def __init__(self, settings: Settings) -> None:
        folders = discover(settings.models)
        loaded = [Model(folder, settings) for folder in folders]
        self._by_name = {model.manifest.name: model for model in loaded}
        if len(self._by_name) < len(loaded):
            raise InvalidBundleError(f"two bundles in {settings.models.name}/ share a name")
        if settings.default_model not in self._by_name:
            raise InvalidBundleError(
                f"there is no model {settings.default_model!r} in {settings.models} "
                f"(found: {', '.join(self._by_name) or 'none'})"
            )
        self.default = self._by_name[settings.default_model]

    def __iter__(self) -> Iterator[Model]:
        return iter(self._by_name.values())

    def get(self, name: str | None) -> Model:
        """Return a model by name, the default one for None; raises UnknownModelError."""
        if name is None:
            return self.default
        if name not in self._by_name:
            raise UnknownModelError(f"there is no model {name!r}; there are: {', '.join(self._by_name)}")
        return self._by_name[name]
