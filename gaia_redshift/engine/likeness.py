"""Likelihood of spectra among training galaxies, in `keras.ops`. Imports keras, and `interpretation` of the project."""

import numpy as np
from keras import ops
from numpy.typing import NDArray

from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.quality import QualityParameters

_TINY = np.float32(2 * np.finfo(np.float32).tiny)
"""Keeps divisions by zero and logarithms of zero finite."""


class Likeness:
    """Decides whether spectra resemble training galaxies of the same brightness.

    The features of a spectrum are its coordinates in the principal components of spectral shapes, and the logarithms of
    four powers: the spectrum's mean square, and the mean square, the largest square, and the mean square of the
    sample-to-sample steps of the residual from the components. A mixture of Gaussians gives the likelihood of the
    features, and that of the brightness alone.

    Parameters
    ----------
    parameters : QualityParameters
    """

    def __init__(self, parameters: QualityParameters) -> None:
        mean, components = np.array(parameters.mean_shape), np.array(parameters.components)
        self._samples = samples = len(mean)
        self._power = np.full((samples, 1), 1 / samples, np.float32)
        # Shapes, then their steps, as columns of one matrix.
        self._mean = np.concatenate([mean, np.diff(mean)]).astype(np.float32)
        self._components = np.concatenate([components, np.diff(components, axis=1)], axis=1).astype(np.float32)
        self._project = np.zeros_like(self._components.T)
        self._project[:samples] = components.T
        self._powers = np.zeros((2 * samples - 1, 2), np.float32)
        self._powers[:samples, 0], self._powers[samples:, 1] = 1 / samples, 1 / (samples - 1)
        self._whitening, self._offset, self._sums, self._ln_weights = _mixture(parameters)
        self._difference = np.repeat(np.array([1, -1], np.float32), len(parameters.weights))[:, None]

    def __call__(self, flux: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge n spectra.

        Parameters
        ----------
        flux : tensor of float32, shape (n, samples)
            e-/s per sample, finite.
        steps : tensor of float32, shape (n, samples - 1)
            From each sample to the next.

        Returns
        -------
        noise : tensor of float32, shape (n, 1)
            Mean square of the residual from the components, for a spectrum scaled to unit root mean square.
        left : tensor of float32, shape (n, 1)
            The same for the spectrum itself, in (e-/s per sample)^2.
        likelier : tensor of float32, shape (n, 1)
            Negative where the ln likelihood of the features, given the brightness, is below the limit.
        """
        power = ops.matmul(flux * flux, self._power)
        shape = ops.concatenate([flux, steps], axis=1) / ops.sqrt(power + _TINY) - self._mean
        coordinates = ops.matmul(shape, self._project)
        residual = shape - ops.matmul(coordinates, self._components)
        square = residual * residual
        powers = ops.matmul(square, self._powers)
        largest = ops.max(square[:, : self._samples], axis=1, keepdims=True)
        # Four at a time fill a vector register; logarithms of a remainder would be rounded differently.
        ln_powers = ops.log(ops.concatenate([power, powers, largest], axis=1) + _TINY)
        white = ops.matmul(ops.concatenate([ln_powers, coordinates], axis=1), self._whitening) + self._offset
        ln_terms = ops.matmul(white * white, self._sums) + self._ln_weights
        # Compare two sums of exponentials: dividing both by their sum keeps them in range.
        noise = powers[:, :1]
        return noise, noise * power, ops.matmul(ops.softmax(ln_terms, axis=1), self._difference)


def _mixture(parameters: QualityParameters) -> tuple[NDArray[np.float32], ...]:
    """Return matrices that map a spectrum's features to the logarithms of 2 g terms.

    The terms of the first g Gaussians sum to the likelihood of the features, the others to the least likelihood
    allowed, which is the limit times the likelihood of the brightness.

    Returns
    -------
    whitening : ndarray, shape (d, g d + g)
    offset : ndarray, shape (g d + g,)
    sums : ndarray, shape (g d + g, 2 g)
        Maps the squares of the whitened features to the terms added to the logarithms of the weights.
    ln_weights : ndarray, shape (2 g,)
    """
    mean, sd = np.array([parameters.feature_mean, parameters.feature_sd])
    centres, whitening = np.array(parameters.centres), np.array(parameters.whitening)
    count, dimensions = centres.shape
    scale = np.log(np.abs(np.linalg.det(whitening)))
    ln_weights = np.log(parameters.weights) + scale - dimensions / 2 * np.log(2 * np.pi)
    variance = np.linalg.inv(whitening @ whitening.transpose(0, 2, 1))[:, 0, 0]
    spread = sd[0] * np.sqrt(variance)
    ln_weights_0 = np.log(parameters.weights) - 0.5 * np.log(2 * np.pi * variance) + parameters.likelihood_min
    of_brightness = np.zeros((dimensions, count))
    of_brightness[0] = 1 / spread
    columns = np.concatenate([np.concatenate(list(whitening), axis=1) / sd[:, None], of_brightness], axis=1)
    centre = np.concatenate([np.einsum("gd,gde->ge", centres, whitening).ravel(), sd[0] * centres[:, 0] / spread])
    # The features are logarithms of root mean squares, the third and the fourth relative to the second.
    features = np.eye(dimensions)
    features[:4, :4] = 0.5 * np.array([[1, 0, 0, 0], [0, 1, -1, -1], [0, 0, 0, 1], [0, 0, 1, 0]])
    of_joint, of_brightness_alone = np.kron(np.eye(count), np.ones((dimensions, 1))), np.eye(count)
    sums = np.zeros((count * dimensions + count, 2 * count))
    sums[: count * dimensions, :count], sums[count * dimensions :, count:] = of_joint, of_brightness_alone
    matrices = features @ columns, -centre - mean @ columns, -0.5 * sums, np.concatenate([ln_weights, ln_weights_0])
    return tuple(np.asarray(each, np.float32) for each in matrices)
