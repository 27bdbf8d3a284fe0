"""The kinds of sources that are simulated, and that a density network tells apart. Imports nothing of the project."""

from typing import Literal, get_args

Kind = Literal["galaxy", "star", "quasar", "sky", "blend"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order of a network's output `kind`; what has a redshift comes first."""
