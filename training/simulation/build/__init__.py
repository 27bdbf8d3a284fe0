"""Freeze what the simulator needs into small files; only these scripts import gaiaxpy, kcorrect and skypy.

Run each with ``python -m training.simulation.build.NAME``; the outputs are committed, so simulating needs
none of them.
"""
