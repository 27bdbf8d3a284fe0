"""The type of tensors. Imports nothing."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of TensorFlow or JAX, or a NumPy array; the three have no common type."""
