"""Everything offline: simulate spectra, train a network, judge it, write a bundle. Never imported by ``app``."""
