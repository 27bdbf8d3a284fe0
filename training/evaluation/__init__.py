"""How good a model's redshifts, intervals and densities are."""
