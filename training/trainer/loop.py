"""One epoch over a training set, by Keras or, where JAX has a GPU, by one compiled loop. Imports `recipes`; Keras.

Keras gives JAX its batches one by one from Python, in 2 ms a batch, much longer than a GPU needs for a step of sixteen
spectra. Here JAX goes through the batches in compiled code, with the same results. Not on a CPU, where XLA's
convolutions are thirty times slower inside a loop.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from training.recipes.recipe import Batches, Network

_PIECE = 512
"""Batches that JAX goes through at a time; the progress moves on after them."""

Measured = Mapping[str, Sequence[float]]
"""As a Keras history of one epoch: the loss and each metric, and all of them with `val_` before their names."""

Callback: TypeAlias = Any
"""A keras.callbacks.Callback."""
Tree: TypeAlias = Any
"""Arrays in lists, tuples and dictionaries: the state of a network, or a batch."""


class Loop:
    """Trains a compiled network, epoch by epoch, and measures it on validation batches after each."""

    def __init__(self, network: Network, validation: Batches) -> None:
        self._network, self._validation = network, validation
        # TensorFlow would trace a step that makes variables twice, which takes longer than a small training.
        network.optimizer.build(network.trainable_variables)
        self._compiled = _compile_loop(network, validation) if _on_jax_device() else None

    def epoch(self, batches: Batches, callbacks: Sequence[Callback]) -> Measured:
        """Train on all batches once, in their order, and measure; the callbacks are called as by Keras."""
        if self._compiled is not None:
            return self._by_jax(self._compiled, batches, callbacks)
        history: Measured = self._network.fit(
            batches, shuffle=False, validation_data=self._validation, callbacks=list(callbacks), verbose=0
        ).history
        return history

    def _by_jax(
        self, through: Callable[[Tree, Tree], Tree], batches: Batches, callbacks: Sequence[Callback]
    ) -> Measured:
        network = self._network
        told = keras.callbacks.CallbackList(list(callbacks), model=network)
        network.reset_metrics()
        variables = [
            network.trainable_variables,
            network.non_trainable_variables,
            network.optimizer.variables,
            network.metrics_variables,
        ]
        state = [[each.value for each in kind] for kind in variables]
        told.on_train_begin()
        for first in range(0, len(batches), _PIECE):
            numbers = range(first, min(first + _PIECE, len(batches)))
            for piece in _pieces([batches[number] for number in numbers]):
                state = through(state, piece)
            told.on_train_batch_end(numbers[-1])
        for kind, values in zip(variables, state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
        trained = network.get_metrics_result()
        told.on_train_end()
        held = network.evaluate(self._validation, verbose=0, return_dict=True)
        found = trained | {f"val_{name}": value for name, value in held.items()}
        return {name: [float(value)] for name, value in found.items()}


def _pieces(batches: list[Tree]) -> list[Tree]:
    """Return batches stacked, shape (steps, size, ...), and the last by itself where it has fewer rows."""
    whole = [each for each in batches if len(each[0]) == len(batches[0][0])]
    apart = batches[len(whole) :]
    return [keras.tree.map_structure(lambda *each: np.stack(each), *piece) for piece in (whole, apart) if piece]


def _on_jax_device() -> bool:
    if keras.backend.backend() != "jax":
        return False
    import jax

    return bool(jax.default_backend() != "cpu")


def _compile_loop(network: Network, batches: Batches) -> Callable[[Tree, Tree], Tree]:
    """Return the function that takes a network's state, its metrics among it, through batches."""
    import jax

    network.test_on_batch(*batches[0])  # makes the variables of the metrics

    def step(state: Tree, batch: Tree) -> tuple[Tree, None]:
        _, state = network.train_step(tuple(state), batch)
        return list(state), None

    def through(state: Tree, batches: Tree) -> Tree:
        return jax.lax.scan(step, state, batches)[0]

    compiled: Callable[[Tree, Tree], Tree] = jax.jit(through, donate_argnums=0)
    return compiled
