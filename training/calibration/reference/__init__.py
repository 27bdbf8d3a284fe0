"""The answer in NumPy and double precision: what calibrations are learnt with and the tests compare with."""
