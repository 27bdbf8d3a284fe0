"""Labelled spectra: read, checked, and split into a training, a validation and a test part."""
