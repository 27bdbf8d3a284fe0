"""The `density` recipe: probability densities over redshift, learnt from a balanced set of galaxies and from others."""
