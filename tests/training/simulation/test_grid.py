"""The committed grid of sample positions."""

import numpy as np

from gaia_redshift.spectra import DR3


def test_the_kept_samples_span_the_published_wavelengths() -> None:
    kept = DR3.wavelength_nm
    np.testing.assert_allclose(kept[[0, 79, 80, 185]], [366.4, 626.4, 620.0, 995.7], atol=0.05)


def test_each_band_is_blue_to_red_and_uniform_in_pseudo_wavelength() -> None:
    samples = DR3.positions
    for band, step in (("BP", -0.33342), ("RP", 0.35680)):
        inside = samples.band == band
        assert list(samples.index[inside]) == list(range(120))
        assert (np.diff(samples.wavelength_nm[inside]) > 0).all()
        np.testing.assert_allclose(np.diff(samples.pseudo_wavelength[inside]), step, atol=1e-4)
