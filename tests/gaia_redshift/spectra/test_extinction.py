"""The correction for the Milky Way's extinction, sample by sample."""

from dataclasses import replace

import numpy as np
import pytest

from gaia_redshift.spectra import DR3, LARGEST_EBV, TRAINING_EBV, SpectrumBatch, deredden, wrong_ebv
from gaia_redshift.spectra.extinction import attenuation

FLUX = np.random.default_rng(1).uniform(1, 9, (3, DR3.samples)).astype(np.float32)


def test_extinction_grows_with_dust_and_falls_towards_the_red() -> None:
    found = attenuation(np.array([0.0, 0.1, 0.3, LARGEST_EBV]), DR3)
    assert found.shape == (4, DR3.samples)
    assert (found[0] == 0).all()
    assert (np.diff(found, axis=0) > 0).all()
    blue, red = found[:, : DR3.bp.count], found[:, DR3.bp.count :]
    assert (np.diff(blue[1:], axis=1) < 0.01).all()
    assert (blue[1:].min(axis=1) > red[1:].max(axis=1)).all()
    np.testing.assert_allclose(found[1, [0, -1]], [0.36, 0.17], atol=0.02)


def test_the_dust_of_the_training_galaxies_is_left_in_the_spectra() -> None:
    same, noise = deredden(FLUX, np.full(3, TRAINING_EBV), DR3)
    np.testing.assert_allclose(same, FLUX, rtol=1e-6)
    np.testing.assert_allclose(noise, 1, rtol=1e-6)
    fainter, less = deredden(FLUX, np.zeros(3), DR3)
    assert (fainter < FLUX).all()
    assert (less < 1).all()


def test_the_correction_undoes_the_extinction_and_says_how_much_noisier_it_made_the_spectrum() -> None:
    ebv = np.array([0.1, 0.3, 0.5])
    dusty = (FLUX * 10 ** (-0.4 * attenuation(ebv - TRAINING_EBV, DR3))).astype(np.float32)
    corrected, noise = deredden(dusty, ebv, DR3)
    np.testing.assert_allclose(corrected, FLUX, rtol=1e-5)
    factor = corrected / dusty
    np.testing.assert_allclose(noise[:, 0], np.sqrt((factor**2).mean(axis=1)), rtol=1e-4)


def test_a_grid_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="not part of this version"):
        attenuation(np.array([0.1]), replace(DR3, extinction=None))


def test_only_numbers_from_zero_to_the_largest_are_an_ebv_and_none_is_no_error() -> None:
    values = np.array([0, 0.3, LARGEST_EBV, np.nan, -0.01, LARGEST_EBV + 0.01, np.inf, -999])
    assert wrong_ebv(values).tolist() == [False] * 4 + [True] * 4
    batch = SpectrumBatch(np.tile(FLUX[0], (8, 1))).behind(values)
    assert sorted(batch.problems) == [4, 5, 6, 7]
    assert batch.problems[4].code == "invalid_ebv"
    assert batch.problems[4].message == "ebv is -0.01: it must be a number from 0 to 1 mag"


def test_parts_and_joins_keep_the_ebv_of_their_rows() -> None:
    batch = SpectrumBatch(FLUX, ebv=np.array([0.1, np.nan, 0.3]))
    assert batch.part(2, 3).ebv.tolist() == [0.3]
    joined = SpectrumBatch.join([SpectrumBatch(FLUX[:1]), batch.part(0, 1)])
    np.testing.assert_array_equal(joined.ebv, [np.nan, 0.1])
    assert SpectrumBatch.join([SpectrumBatch(FLUX), SpectrumBatch(FLUX)]).ebv is None
