"""Parts of the answer in NumPy and double precision, which calibrations are learnt with."""
