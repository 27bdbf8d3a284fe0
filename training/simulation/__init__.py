"""Simulated Gaia BP/RP spectra of galaxies."""
