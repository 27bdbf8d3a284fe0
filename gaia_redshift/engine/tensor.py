"""What the operations of Keras take and give. Imports nothing."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of TensorFlow or JAX, or a NumPy array; Keras, TensorFlow and JAX describe no types that all three share."""
