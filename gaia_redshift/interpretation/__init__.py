"""From a network's output to redshifts: priors, bins of redshift, densities, intervals, quality flags."""
