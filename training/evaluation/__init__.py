"""How good a model's redshifts, intervals and densities are, and how real the simulation is."""
