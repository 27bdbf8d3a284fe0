"""A loaded model: its bundle, the engine that runs it, and the way from spectra to predictions."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from app.serving.batcher import Batcher, Watch
from app.settings import Settings
from gaia_redshift.bundle import Bundle, Manifest, discover
from gaia_redshift.engine import available_cores
from gaia_redshift.errors import InvalidBundleError, UnknownModelError
from gaia_redshift.interpretation.result import COLUMNS, Asked, Predictions, Redshifts
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import FloatArray, Problem, SpectrumBatch

_log = logging.getLogger("gaia_redshift")

_WIDTH = len(COLUMNS) + 1
"""Numbers that the batcher carries for a spectrum: the columns and the flags; the density follows."""

MakeWatch = Callable[[Manifest], Watch]

Count = Callable[[Bundle, FloatArray, Redshifts, Mapping[int, Problem]], None]
"""Who wants to know of the redshifts that are served, and of the spectra without one."""


class Model:
    """A bundle ready to predict, warmed up with one prediction.

    Parameters
    ----------
    bundle : Bundle
        Its files match its manifest.
    settings : Settings
        Chooses the engine and its threads.
    make_watch : callable, optional
        Makes who wants to know of each batch.
    count : callable, optional

    Raises
    ------
    InvalidBundleError
        If the bundle's network cannot be loaded.
    """

    def __init__(
        self, bundle: Bundle, settings: Settings, make_watch: MakeWatch | None = None, count: Count | None = None
    ) -> None:
        self.bundle = bundle
        threads = settings.threads or max(1, available_cores() // settings.workers)
        self.predictor = Predictor(bundle, engine=settings.engine, threads=threads)
        self.engine = self.predictor.engine
        self.batcher = Batcher(
            self._answer,
            width=_WIDTH,
            slice_rows=self.engine.chunk,
            batch_rows=4 * self.engine.chunk,
            max_queued_rows=settings.max_queued_rows,
            watch=make_watch(bundle.manifest) if make_watch else None,
        )
        self._count = count
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    async def predict_merged(
        self, batch: SpectrumBatch, asked: Asked, *, patient: bool = False, alone: bool = False
    ) -> Predictions:
        """Predict together with whatever other requests wait, as `Batcher.submit` does; raises what it raises."""
        batch = batch.checked()
        usable = batch.flux[batch.usable()] if batch.problems else batch.flux
        bins = 0 if self.bundle.bins is None else len(self.bundle.bins.widths)
        width = _WIDTH + bins if asked.pdf else _WIDTH
        wish = None if asked == Asked() else asked
        output = await self.batcher.submit(usable, wish=wish, width=width, patient=patient, alone=alone)
        values, flags = output[:, : len(COLUMNS)].copy(), output[:, len(COLUMNS)].astype(np.int32)
        redshifts = Redshifts(values, flags, output[:, _WIDTH:].copy() if asked.pdf else None)
        redshifts = redshifts.spread(batch.usable()) if batch.problems else redshifts
        if self._count is not None:  # when the answers are on their way
            asyncio.get_running_loop().call_soon(self._count, self.bundle, batch.flux, redshifts, batch.problems)
        return Predictions(redshifts, batch.source_id, dict(batch.problems))

    def _answer(self, flux: FloatArray, wishes: Sequence[tuple[Asked | None, int]] = ()) -> NDArray[np.float64]:
        """Return the answers, flags and, where anybody wants them, densities of a batch side by side."""
        index = priors = None
        asked = [wish or Asked() for wish, _ in wishes]
        pdf = any(each.pdf for each in asked)
        if wishes and self.bundle.bins is not None:
            priors, numbers = self.bundle.bins.stack([each.prior for each in asked])
            index = np.repeat(np.array(numbers, np.int32), [rows for _, rows in wishes])
        found = self.engine(flux, index, priors, pdf=pdf)
        return np.concatenate([found.values, found.flags[:, None], *([] if found.pdf is None else [found.pdf])], axis=1)

    @contextmanager
    def in_use(self) -> Iterator["Model"]:
        """Keep the model running while a request needs it, even if a reload replaces it meanwhile."""
        self._users += 1
        self._unused.clear()
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def retire(self) -> None:
        """End the model when its last user is done."""
        await self._unused.wait()
        await self.batcher.__aexit__()


class Models:
    """All loaded models, by name and version.

    A model is asked for as ``name``, which is its highest version, or as ``name@version``.

    Parameters
    ----------
    settings : Settings
    make_watch, count : callable, optional
        As each `Model` takes them.
    when_loaded : callable, optional
        Called when the models are ready, and again after each reload.

    Raises
    ------
    InvalidBundleError
        If a bundle cannot be loaded, or the default one is not there.
    """

    def __init__(
        self,
        settings: Settings,
        make_watch: MakeWatch | None = None,
        count: Count | None = None,
        when_loaded: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._make_watch, self._count = settings, make_watch, count
        self._when_loaded = when_loaded
        self._lock = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._models: list[Model] = []
        self._models = self._load()
        self.default = self._choose_default(self._models)

    def _load(self) -> list[Model]:
        """Return a model for each bundle, newest version first; one that is loaded already is kept as it is."""
        folder = self._settings.models
        bundles = [Bundle(path, self._settings.bundle_public_key) for path in discover(folder)]
        if len({bundle.manifest.id for bundle in bundles}) < len(bundles):
            raise InvalidBundleError(f"two bundles in {folder.name}/ share a name and a version")
        bundles.sort(key=lambda bundle: bundle.manifest.order, reverse=True)
        loaded = {model.manifest.model_dump_json(): model for model in self._models}
        return [
            loaded.get(bundle.manifest.model_dump_json())
            or Model(bundle, self._settings, self._make_watch, self._count)
            for bundle in bundles
        ]

    def _choose_default(self, models: list[Model]) -> Model:
        wanted = self._settings.default_model
        found = _find(models, wanted)
        if found is None:
            raise InvalidBundleError(
                f"there is no model {wanted!r} in {self._settings.models} (found: {_names(models) or 'none'})"
            )
        return found

    async def __aenter__(self) -> "Models":
        for model in self._models:
            await model.batcher.__aenter__()
        self._when_loaded()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer every accepted request, then end."""
        await asyncio.gather(*(model.batcher.__aexit__() for model in self._models), *self._retiring)

    async def reload(self) -> None:
        """Serve what the models folder holds now; if anything in it is wrong, go on with what is loaded.

        Requests that a replaced model has accepted are answered by it; it ends after the last of them.

        Raises
        ------
        InvalidBundleError
            If a bundle cannot be loaded, or the default one is no longer there.
        """
        async with self._lock:
            models = await asyncio.to_thread(self._load)
            default = self._choose_default(models)
            for model in models:
                if model not in self._models:
                    await model.batcher.__aenter__()
            replaced = [model for model in self._models if model not in models]
            self._models, self.default = models, default
            for model in replaced:
                task = asyncio.create_task(model.retire(), name=f"retire {model.manifest.id}")
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)
            self._when_loaded()
            _log.info("models reloaded: %s", _names(models))

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def seconds_to_drain(self) -> float:
        """Return how long the spectra that wait now will take."""
        return max((model.batcher.seconds_to_drain() for model in self._models), default=0.0)

    def refuse_if_full(self) -> None:
        """Raise OverloadedError if no model has room, whichever a request wants: before its body is decoded."""
        if all(model.batcher.full for model in self._models):
            raise self.default.batcher.overloaded()

    def get(self, name: str | None) -> Model:
        """Return a model by ``name`` or ``name@version``, the default one for None; raises UnknownModelError."""
        if name is None:
            return self.default
        model = _find(self._models, name)
        if model is None:
            raise UnknownModelError(f"there is no model {name!r}; there are: {_names(self._models)}")
        return model


def _find(models: list[Model], wanted: str) -> Model | None:
    return next((model for model in models if wanted in {model.manifest.name, model.manifest.id}), None)


def _names(models: list[Model]) -> str:
    return ", ".join(model.manifest.id for model in models)
