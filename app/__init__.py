"""The HTTP service of gaia-redshift: redshifts of galaxies from Gaia BP/RP spectra."""

import os

# NumPy reads it once, when it is imported. Threads of OpenBLAS wait for one another by spinning: on two processors that
# had other work, too, the distribution of 100,000 galaxies took 40 s and not 3, with silences of 2.7 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
