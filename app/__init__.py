"""gaia-redshift: redshifts of galaxies from Gaia BP/RP spectra, the service and all that predicts."""
