"""The dissertation's search space (Kiraleos 2023, section 4.2.1), as recipes. Imports `recipes.cnn`.

It does not give the ranges; these surround its result (table 2). Batch size and epochs are not searched.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

from gaia_redshift.spectra import DR3
from training.recipes.cnn import CnnRecipe, Convolution

CONVOLUTIONS = (1, 5)
FILTERS = (32, 64, 128, 256)
KERNEL = (2, 9)
DENSE = (1, 5)
UNITS = (32, 64, 128, 256, 512)

NAME = "tuned"

Choices: TypeAlias = Any
"""A keras_tuner.HyperParameters; keras-tuner has no types."""


def draw(choices: Choices, base: CnnRecipe) -> CnnRecipe:
    """Return the recipe of one point of the space.

    Every dimension is declared in the choices, also those that this point does not use. What is not searched is as in
    `base`. The network can be built: a kernel wider than what the layers before it leave is narrowed to it.
    """
    convolutions: list[Convolution] = []
    left = DR3.samples
    for filters, kernel in _layers(choices, "convolutions", CONVOLUTIONS, {"filters": FILTERS, "kernel": KERNEL}):
        fitting = min(kernel, left - 1)
        if fitting < 1:  # not even one pair of samples is left to pool
            break
        convolutions.append(Convolution(filters=filters, kernel=fitting))
        left = (left - fitting + 1) // 2
    dense = tuple(units for (units,) in _layers(choices, "dense", DENSE, {"units": UNITS}))
    fields = CnnRecipe.model_fields
    chosen = {
        name: choices.Choice(name, list(get_args(fields[name].annotation)), default=fields[name].default)
        for name in ("activation", "loss", "optimizer")
    }
    return base.model_copy(update={"name": NAME, "convolutions": tuple(convolutions), "dense": dense, **chosen})


def _layers(
    choices: Choices, what: str, range_: tuple[int, int], each: Mapping[str, tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """Return the numbers of each layer of one kind: a range for a kernel, a choice for what comes in powers of two."""
    count = choices.Int(what, *range_, default=4)
    layers = []
    for layer in range(1, range_[1] + 1):
        with choices.conditional_scope(what, list(range(layer, range_[1] + 1))):
            numbers = tuple(
                choices.Int(f"{name}_{layer}", *values, default=3)
                if name == "kernel"
                else choices.Choice(f"{name}_{layer}", list(values), default=values[-2])
                for name, values in each.items()
            )
        if layer <= count:
            layers.append(numbers)
    return layers
