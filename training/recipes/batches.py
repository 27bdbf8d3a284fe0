"""Batches of scaled spectra, made as they are needed. Imports `data` of the project; Keras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.data.material import Sample


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch: every row once, in an order of shape (n,) and in batches of a size; the last may have fewer.

    `wanted` returns what is to be learnt of some rows, and their weights.
    """

    def __init__(
        self,
        sample: Sample,
        scaler: Any,
        wanted: Callable[[Sample], tuple[object, ...]],
        order: NDArray[np.intp],
        size: int,
    ) -> None:
        super().__init__()
        self._sample, self._wanted, self._order, self._size = sample, wanted, order, size
        self._scale, self._offset = np.float32(scaler.scale_), np.float32(scaler.min_)

    def __len__(self) -> int:
        return (len(self._order) + self._size - 1) // self._size

    def __getitem__(self, index: int) -> tuple[object, ...]:
        batch = self._sample.rows(self._order[index * self._size : (index + 1) * self._size])
        scaled = batch.flux * self._scale + self._offset
        return (scaled[..., np.newaxis], *self._wanted(batch))
