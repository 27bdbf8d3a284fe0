"""Layers that separate a spectrum into its shape and its brightness, and their adaptation to training spectra. Keras.

Only Keras' own layers and operations: a bundle's ``model.keras`` must load in safe mode.
"""

import keras
import numpy as np
from numpy.typing import NDArray

from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.spectra import DR3, FloatArray
from training.recipes.recipe import Layer, Network, Seen

_FLOOR = 1e-4
"""Added to the mean square flux, (e-/s)^2, for a safe division; far below any spectrum's."""

LEAST_SPREAD = 0.05
"""Samples whose shape varies less are not scaled to unit variance: that would amplify their noise."""

STANDARD_ROWS = 100_000
"""About so many training galaxies give mean and spread."""

LEAST_VARIANCE = 1e-2
"""Variance of a principal component below which it is not scaled to unit variance."""
NO_VARIANCE = 4e-4
"""Variance of a principal component below which it is left out. By Gaia's bases 186 samples hold some
eighty independent numbers; the rest are rounding errors, or noise that Gaia's spectra cannot have."""


def shape_and_brightness(whitened: int) -> tuple[Tensor, Tensor]:
    """Return the input of a network, min-max scaled fluxes of shape (n, 186, 1), and the input of its further layers.

    This is flux over its root mean square, standardised, in at most so many principal components (0 leaves the 186
    samples), and one column with the logarithm of that root mean square. Call `standardise` before the training.
    """
    scaled = keras.Input((DR3.samples, 1), name="scaled_flux")
    flux = keras.layers.Normalization(name="unscale")(keras.layers.Reshape((DR3.samples,))(scaled))
    mean_square = keras.ops.mean(keras.ops.square(flux), axis=1, keepdims=True)
    root = keras.ops.sqrt(mean_square + _FLOOR)
    shape = keras.layers.Normalization(name="shape")(keras.ops.divide(flux, root))
    if whitened:
        shape = keras.layers.Dense(whitened, use_bias=False, trainable=False, name="whitening")(shape)
    brightness = keras.layers.Normalization(name="brightness")(keras.ops.log(root))
    return scaled, keras.layers.Concatenate()([shape, brightness])


def standardise(network: Network, seen: Seen) -> None:
    """Set the layers of `shape_and_brightness` to undo the scaler, and to the mean and spread of training spectra."""
    scaler, flux = seen.scaler, seen.flux
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
    """Return what turns standardised shapes, (n, 186), into principal components of unit variance, shape (186, count).

    Neighbouring samples are highly correlated. The redshift is in their small differences, along which gradient descent
    is slow unless each direction has the same variance.
    """
    variance, direction = np.linalg.eigh(np.cov(standard.T))
    largest = np.argsort(variance)[::-1][:count]
    variance, direction = variance[largest], direction[:, largest]
    factor = np.where(variance > NO_VARIANCE, 1 / np.sqrt(np.maximum(variance, LEAST_VARIANCE)), 0)
    return np.asarray(direction * factor, np.float32)


def _set(layer: Layer, mean: NDArray[np.floating], spread: NDArray[np.floating]) -> None:
    layer.adapt_mean.assign(np.float32(mean))
    layer.adapt_variance.assign(np.square(np.float32(spread)))
    layer.finalize_state()
