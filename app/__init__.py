"""The HTTP service of gaia-redshift: redshifts of galaxies from Gaia BP/RP spectra."""
