"""The density network: shape and brightness apart, residual blocks of dense layers, two answers. Imports `recipe`.

Only Keras' own layers and operations: a bundle's ``model.keras`` must load in safe mode.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra import DR3, FloatArray
from training.density.data import KINDS
from training.density.recipe import REDSHIFT_LIMIT, DensityRecipe

_FLOOR = 1e-4
"""Of the mean square flux, (e-/s)^2: far below any spectrum's, it keeps the division safe."""

LEAST_SPREAD = 0.05
"""Samples whose shape varies less are not blown up to unit variance: that would be their noise."""

STANDARD_ROWS = 100_000
"""About so many training galaxies say what shapes are like."""

LEAST_VARIANCE = 1e-2
"""Of a principal component: below it one is not blown up to unit variance."""
NO_VARIANCE = 4e-4
"""Of a principal component: below it one is left out. Gaia's bases let 186 samples hold some eighty independent
numbers; beyond are rounding errors, or noise that Gaia's spectra cannot have: who listens to it falls for it."""

ADAM_RATIO = 0.3
ADAM_DECAY = 1e-4
"""Learning rate, as a share of Muon's, and weight decay of what AdamW moves beside it."""


def build(recipe: DensityRecipe) -> Any:
    """Return an untrained, uncompiled network.

    Parameters
    ----------
    recipe : DensityRecipe

    Returns
    -------
    keras.Model
        From min-max scaled fluxes, shape (n, 186, 1), to `density`, probability per bin of redshift, shape (n, bins),
        and `kind`, probability per kind of source, shape (n, 5). `standardise` must see spectra before it is trained.
    """
    scaled = keras.Input((DR3.samples, 1), name="scaled_flux")
    flux = keras.layers.Normalization(name="unscale")(keras.layers.Reshape((DR3.samples,))(scaled))
    mean_square = keras.ops.mean(keras.ops.square(flux), axis=1, keepdims=True)
    root = keras.ops.sqrt(mean_square + _FLOOR)
    shape = keras.layers.Normalization(name="shape")(keras.ops.divide(flux, root))
    if recipe.whitened:
        shape = keras.layers.Dense(recipe.whitened, use_bias=False, trainable=False, name="whitening")(shape)
    brightness = keras.layers.Normalization(name="brightness")(keras.ops.log(root))
    stream = keras.layers.Dense(recipe.width)(keras.layers.Concatenate()([shape, brightness]))
    for _ in range(recipe.blocks):
        inside = keras.layers.Dense(recipe.hidden, activation="relu")(keras.layers.LayerNormalization()(stream))
        inside = keras.layers.Dense(recipe.width)(keras.layers.Dropout(recipe.dropout)(inside))
        stream = keras.layers.Add()([stream, inside])
    stream = keras.layers.LayerNormalization()(stream)
    outputs = {
        "density": keras.layers.Dense(recipe.bins, activation="softmax", name="density")(stream),
        "kind": keras.layers.Dense(len(KINDS), activation="softmax", name="kind")(stream),
    }
    return keras.Model(scaled, outputs, name=recipe.name.replace("-", "_"))


def standardise(network: Any, scaler: Any, flux: FloatArray) -> None:
    """Tell a new network how to undo its scaler, and the mean and spread of shapes and brightness.

    Parameters
    ----------
    network : keras.Model
        As `build` made it.
    scaler : MinMaxScaler
        What its inputs are scaled by.
    flux : ndarray, shape (n, 186)
        Galaxies of the training part, e-/s per sample.
    """
    some = flux[:: max(1, len(flux) // STANDARD_ROWS)].astype(np.float64)
    root = np.sqrt(np.mean(np.square(some), axis=1, keepdims=True) + _FLOOR)
    shape, brightness = some / root, np.log(root)
    _set(network.get_layer("unscale"), scaler.min_, scaler.scale_)
    mean, spread = shape.mean(axis=0), np.maximum(shape.std(axis=0), LEAST_SPREAD)
    _set(network.get_layer("shape"), mean, spread)
    _set(network.get_layer("brightness"), brightness.mean(axis=0), brightness.std(axis=0))
    if "whitening" in {layer.name for layer in network.layers}:
        kernel = network.get_layer("whitening").kernel
        kernel.assign(whitening((shape - mean) / spread, kernel.shape[1]))


def whitening(standard: NDArray[np.float64], count: int) -> FloatArray:
    """Return what turns shapes into their first principal components of unit variance, shape (186, count).

    Neighbouring samples are almost the same number. Descent is slow along what little sets them apart, which is where
    the redshift is, unless each direction starts with the same weight.
    """
    variance, direction = np.linalg.eigh(np.cov(standard.T))
    largest = np.argsort(variance)[::-1][:count]
    variance, direction = variance[largest], direction[:, largest]
    factor = np.where(variance > NO_VARIANCE, 1 / np.sqrt(np.maximum(variance, LEAST_VARIANCE)), 0)
    return np.asarray(direction * factor, np.float32)


def _set(layer: Any, mean: NDArray[np.floating], spread: NDArray[np.floating]) -> None:
    layer.adapt_mean.assign(np.float32(mean))
    layer.adapt_variance.assign(np.square(np.float32(spread)))
    layer.finalize_state()


def compile_for_training(network: Any, recipe: DensityRecipe, steps: int) -> None:
    """Attach the optimiser, whose learning rate follows a cosine over `steps` steps, and the losses.

    XLA is off for the reason given in `training.networks`.
    """
    warmup = max(1, steps // (3 * recipe.epochs))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.05 * recipe.learning_rate,
        decay_steps=max(1, steps - warmup),
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
    )
    network.compile(
        optimizer=_optimizer(recipe, schedule),
        loss={"density": "categorical_crossentropy", "kind": "categorical_crossentropy"},
        loss_weights={"density": 1.0, "kind": recipe.kind_weight},
        weighted_metrics={"density": [mean_absolute_error]},
        jit_compile=keras.backend.backend() != "tensorflow",
        steps_per_execution=8,
    )


def _optimizer(recipe: DensityRecipe, schedule: Any) -> Any:
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, clipnorm=1.0)
    return keras.optimizers.Muon(
        schedule,
        weight_decay=recipe.weight_decay,
        clipnorm=1.0,
        adam_lr_ratio=ADAM_RATIO,
        adam_weight_decay=ADAM_DECAY,
        exclude_layers=["density", "kind"],  # Muon is for matrices between layers, not for the answers
    )


@keras.saving.register_keras_serializable("gaia_redshift")  # type: ignore[untyped-decorator]
def mean_absolute_error(wanted: Any, found: Any) -> Any:
    """Return the distance of two densities' mean redshifts, shape (n,)."""
    bins = found.shape[-1]
    centre = keras.ops.convert_to_tensor((np.arange(bins, dtype=np.float32) + np.float32(0.5)) * REDSHIFT_LIMIT / bins)
    return keras.ops.abs(keras.ops.sum((found - wanted) * centre, axis=-1))
