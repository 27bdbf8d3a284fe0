"""One epoch over a training set, by Keras or, where JAX has a GPU, by one compiled loop. Imports `recipe`; Keras.

Keras hands JAX its batches one by one from Python, which takes 2 ms a batch however fast the device is, and a step of
sixteen spectra is nothing to a GPU. Here JAX goes through the batches by itself; what it computes is the same. Not on
a CPU, where XLA's convolutions are thirty times slower inside a loop.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from gaia_redshift.spectra import FloatArray
from training.recipe import Recipe

PREDICTION_BATCH = 256
"""Large enough to be fast, small enough that the activations of one batch stay below 150 MB."""

_PIECE = 512
"""Batches that JAX goes through at a time; between, the progress moves on."""

Measured = Mapping[str, Sequence[float]]
"""As a Keras history of one epoch: `loss`, `mean_absolute_error`, and both with `val_` before them."""


class Loop:
    """Trains a compiled network, epoch by epoch.

    Parameters
    ----------
    network : keras.Model
    recipe : Recipe
        What `network` was compiled for.
    validation : tuple of ndarray
        Scaled spectra, shape (n, 186, 1), and redshifts, shape (n,).
    """

    def __init__(self, network: Any, recipe: Recipe, validation: tuple[FloatArray, FloatArray]) -> None:
        self._network, self._recipe, self._validation = network, recipe, validation
        self._compiled = _compile_loop(network, recipe.loss) if _on_jax_device() else None

    def epoch(self, flux: FloatArray, redshift: FloatArray, callbacks: Sequence[Any]) -> Measured:
        """Train on all spectra once, in their order, and measure.

        Parameters
        ----------
        flux : ndarray, shape (n, 186, 1)
            Scaled.
        redshift : ndarray, shape (n,)
        callbacks : sequence of keras.callbacks.Callback
            Told of the beginning, the batches and the end.

        Returns
        -------
        Measured
        """
        if self._compiled is not None:
            told = keras.callbacks.CallbackList(callbacks, model=self._network)
            return self._by_jax(self._compiled, flux, redshift, told)
        history: Measured = self._network.fit(
            flux,
            redshift,
            batch_size=self._recipe.batch_size,
            shuffle=False,
            validation_data=self._validation,
            validation_batch_size=PREDICTION_BATCH,
            callbacks=callbacks,
            verbose=0,
        ).history
        return history

    def _by_jax(self, through: Any, flux: FloatArray, redshift: FloatArray, callbacks: Any) -> Measured:
        network, size = self._network, self._recipe.batch_size
        variables = (network.trainable_variables, network.non_trainable_variables, network.optimizer.variables)
        state = [[each.value for each in kind] for kind in variables]
        total = np.zeros(2)
        callbacks.on_train_begin()
        for first in range(0, len(flux), size * _PIECE):
            piece = slice(first, first + size * _PIECE)
            for spectra, wanted in _batches(flux[piece], redshift[piece], size):
                state, errors = through(state, spectra, wanted)
                total += np.asarray(errors, np.float64)
            callbacks.on_train_batch_end(min(first // size + _PIECE, -(-len(flux) // size)) - 1)
        for kind, values in zip(variables, state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
        callbacks.on_train_end()
        measured = network.evaluate(*self._validation, batch_size=PREDICTION_BATCH, verbose=0, return_dict=True)
        loss, error = (total / len(flux)).tolist()
        found = {"loss": [loss], "mean_absolute_error": [error]}
        return found | {f"val_{name}": [float(value)] for name, value in measured.items()}


def _batches(flux: FloatArray, redshift: FloatArray, size: int) -> list[tuple[FloatArray, FloatArray]]:
    """Return spectra, shape (steps, size, 186, 1), with redshifts, shape (steps, size, 1), and the rest by itself."""
    whole = len(flux) // size * size
    parts = [
        (flux[:whole].reshape(-1, size, *flux.shape[1:]), redshift[:whole].reshape(-1, size, 1)),
        (flux[None, whole:], redshift[None, whole:, None]),
    ]
    return [(spectra, wanted) for spectra, wanted in parts if spectra.size]


def _on_jax_device() -> bool:
    if keras.backend.backend() != "jax":
        return False
    import jax

    return bool(jax.default_backend() != "cpu")


def _compile_loop(network: Any, loss: str) -> Any:
    """Return the function that takes a network's state through batches, and sums up loss and absolute error."""
    import jax

    network.optimizer.build(network.trainable_variables)
    loss_of = keras.losses.get(loss)

    def misfit(trainable: Any, fixed: Any, spectra: Any, wanted: Any) -> tuple[Any, Any]:
        found, fixed = network.stateless_call(trainable, fixed, spectra, training=True)
        return keras.ops.mean(loss_of(wanted, found)), (found, fixed)

    descent = jax.value_and_grad(misfit, has_aux=True)

    def step(state: Any, batch: Any) -> tuple[Any, Any]:
        trainable, fixed, optimizer = state
        spectra, wanted = batch
        (value, (found, fixed)), gradient = descent(trainable, fixed, spectra, wanted)
        trainable, optimizer = network.optimizer.stateless_apply(optimizer, gradient, trainable)
        error = keras.ops.mean(keras.ops.abs(found - wanted))
        return [trainable, fixed, optimizer], keras.ops.stack([value, error]) * len(spectra)

    def through(state: Any, spectra: Any, wanted: Any) -> tuple[Any, Any]:
        state, errors = jax.lax.scan(step, state, (spectra, wanted))
        return state, errors.sum(axis=0)

    return jax.jit(through, donate_argnums=0)
