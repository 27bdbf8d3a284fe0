"""Intervals and quality flags, learnt from galaxies that the network was not trained on."""
