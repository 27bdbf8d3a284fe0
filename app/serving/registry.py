"""Loaded models: bundle, engine and batcher, and predictions by them."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

from app.serving.batcher import Batcher, Watch
from app.serving.bundles import find_bundles
from app.serving.metrics import count_problems
from app.settings import Settings
from gaia_redshift.bundle import Bundle, Manifest
from gaia_redshift.engine import available_cores
from gaia_redshift.errors import InvalidBundleError, RedshiftError, UnknownModelError, suggestion
from gaia_redshift.interpretation.beyond import name_problems
from gaia_redshift.interpretation.dust import Corrected
from gaia_redshift.interpretation.prior import SamplePrior
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import SpectrumBatch

_log = logging.getLogger("gaia_redshift")

_FEW_ROWS = 256
"""More rows are corrected for extinction, and their problems described, in a thread, so that others are not blocked."""

MakeWatch = Callable[[Bundle], Watch]
_Result = TypeVar("_Result")


async def _off_loop(rows: int, work: Callable[..., _Result], *given: object) -> _Result:
    """Do what takes time for many rows, in a thread if there are many."""
    return work(*given) if rows <= _FEW_ROWS else await asyncio.to_thread(work, *given)


class Model:
    """A loaded bundle, warmed up with one prediction.

    Parameters
    ----------
    bundle : Bundle
        Verified against its manifest.
    settings : Settings
        Gives the engine and its threads.
    make_watch : callable, optional
        Returns a function to be called with each batch of the model.

    Raises
    ------
    InvalidBundleError
        If the bundle's network cannot be loaded.
    """

    def __init__(self, bundle: Bundle, settings: Settings, make_watch: MakeWatch | None = None) -> None:
        self.bundle = bundle
        threads = settings.threads or max(1, available_cores() // settings.workers)
        self.predictor = Predictor(bundle, engine=settings.engine, threads=threads)
        chunk = self.predictor.engine.chunk
        self.batcher = Batcher(
            self.predictor.answer,
            slice_rows=chunk,
            batch_rows=4 * chunk,
            max_queued_rows=settings.max_queued_rows,
            watch=make_watch(bundle) if make_watch else None,
        )
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    async def predict_merged(
        self, batch: SpectrumBatch, asked: AnswerOptions, *, patient: bool = False, alone: bool = False
    ) -> Predictions:
        """Predict a batch, merged with other waiting requests; see `Batcher.submit` for the options and errors."""
        self.predictor.check_grid(batch)
        usable = batch.usable()
        flux = batch.flux[usable] if batch.problems else batch.flux
        prior = asked.prior
        ebv = batch.ebv[usable] if batch.ebv is not None else None
        corrected = await _off_loop(0 if ebv is None else len(flux), self.bundle.corrected, flux, ebv)
        if prior == "sample":  # the batch is the whole sample
            prior = await self._sample_prior(corrected)
            patient = True
        if len(flux):
            found = await self.batcher.submit(corrected.flux, prior, pdf=asked.pdf, patient=patient, alone=alone)
        else:
            found = self.predictor.answer(flux, pdf=asked.pdf)
        found = corrected.together(found)
        if batch.problems:
            found = found.spread(usable)
        training_range = self.manifest.redshift_range
        predictions = await _off_loop(len(batch), name_problems, batch, found, training_range)
        if predictions.problems:
            count_problems(self.bundle, predictions.problems)
        return predictions

    async def _sample_prior(self, corrected: Corrected) -> SamplePrior:
        found = await self.batcher.submit(corrected.flux, "flat", pdf=True)
        found = corrected.together(found)
        gathered = self.predictor.likelihoods()

        def infer() -> SamplePrior:
            if found.pdf is not None:
                gathered.add(found.pdf, found.flags)
            return gathered.infer(replicas=0).prior()

        return await asyncio.to_thread(infer)

    def __enter__(self) -> Self:
        """Keep the model running while a request uses it, even if a reload replaces it."""
        self._users += 1
        self._unused.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def retire(self) -> None:
        """End the model after the last request that uses it."""
        await self._unused.wait()
        await self.batcher.__aexit__()


class Models:
    """All loaded models, by name and version.

    A model is found by ``name``, which is its highest version, or by ``name@version``.

    Parameters
    ----------
    settings : Settings
    make_watch : callable, optional
        As for `Model`.
    when_loaded : callable, optional
        Called when the models are ready, and again after each reload.

    Raises
    ------
    InvalidBundleError
        If a bundle cannot be loaded, or the default model is missing.
    """

    def __init__(
        self,
        settings: Settings,
        make_watch: MakeWatch | None = None,
        when_loaded: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._make_watch = settings, make_watch
        self._when_loaded = when_loaded
        self._lock = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._models: list[Model] = []
        self.refused: dict[str, RedshiftError] = {}
        """Why bundles are not served, by the name of their folder."""
        self._models = self._load()
        self.default = self._choose_default(self._models)

    def _load(self) -> list[Model]:
        """Return a model for each bundle, newest version first; models already loaded are reused.

        At start-up, a bundle that cannot be served is logged and left out; at a reload it raises.
        """
        found = find_bundles(self._settings)
        loaded = {model.manifest.model_dump_json(): model for model in self._models}
        models, refused = [], dict(found.refused)
        for bundle in found.bundles:
            try:
                models.append(
                    loaded.get(bundle.manifest.model_dump_json()) or Model(bundle, self._settings, self._make_watch)
                )
            except InvalidBundleError as error:
                refused[bundle.folder.name] = error
        for name, reason in refused.items():
            if self._models:
                raise reason  # a reload is all or nothing
            _log.error("the bundle %s is not served: %s", name, reason.message)
        self.refused = refused
        return models

    def _choose_default(self, models: list[Model]) -> Model:
        wanted = self._settings.default_model
        found = _find(models, wanted)
        if found is None:
            for error in self.refused.values():
                raise error
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
        """Answer all accepted requests, then end."""
        await asyncio.gather(*(model.batcher.__aexit__() for model in self._models), *self._retiring)

    async def reload(self) -> None:
        """Load the models folder again; if anything in it is wrong, keep the loaded models.

        A replaced model answers the requests it has accepted, and ends after the last.

        Raises
        ------
        InvalidBundleError
            If a bundle cannot be loaded, or the default model is gone.
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
        """Return the seconds that the waiting spectra will take."""
        return max((model.batcher.seconds_to_drain() for model in self._models), default=0.0)

    def refuse_if_full(self) -> None:
        """Raise OverloadedError if the queues of all models are full; called before a body is decoded."""
        if all(model.batcher.full for model in self._models):
            raise self.default.batcher.overloaded()

    def get(self, name: str | None) -> Model:
        """Return a model by ``name`` or ``name@version``, or the default model for None; raises UnknownModelError."""
        if name is None:
            return self.default
        model = _find(self._models, name)
        if model is None:
            known = {name for model in self._models for name in (model.manifest.name, model.manifest.id)}
            near = suggestion(name, known)
            hint = f"; {near}" if near.startswith("did") else ""
            raise UnknownModelError(f"there is no model {name!r}; there are: {_names(self._models)}{hint}")
        return model


def _find(models: list[Model], wanted: str) -> Model | None:
    return next((model for model in models if wanted in {model.manifest.name, model.manifest.id}), None)


def _names(models: list[Model]) -> str:
    return ", ".join(model.manifest.id for model in models)
