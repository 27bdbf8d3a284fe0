import numpy as np
import pytest

from gaia_redshift.spectra import DR3, declared_unit, describe, find_unit, per_sample, validate


@pytest.mark.parametrize("text", ["per_pixel", "per pixel", "Per-Pixel", "pixel", "e-/s per pixel", "e-/(pix s)"])
def test_an_option_names_the_unit_per_pixel_as_people_write_it(text: str) -> None:
    assert find_unit(text) == "per_pixel"


@pytest.mark.parametrize("text", ["per_sample", "per sample", "sample", "e-/s", "electron / s"])
def test_an_option_names_the_unit_per_sample_as_people_write_it(text: str) -> None:
    assert find_unit(text) == "per_sample"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", None),
        ("e-/s", None),
        ("electron / s", None),
        ("'electron'.s**-1", None),
        ("electron / (pix s)", "per_pixel"),
        ("e-.s-1.pixel-1", "per_pixel"),
        ("electron / (s sample)", "per_sample"),
    ],
)
def test_a_column_says_per_pixel_or_per_sample_or_neither(text: str, unit: str | None) -> None:
    assert declared_unit(text) == unit


@pytest.mark.parametrize("text", ["W m-2 nm-1", "W.m**-2.nm**-1", "W / (nm m2)", "erg / (s cm2 Angstrom)", "mJy"])
@pytest.mark.parametrize("read", [find_unit, declared_unit])
def test_externally_calibrated_fluxes_are_refused_with_advice(text: str, read) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match=r"XP_CONTINUOUS.*gaiaxpy\.convert") as caught:
        read(text)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["ct / s", "furlong", "electron", "per second"])
def test_any_other_unit_is_refused_with_those_that_are_read(text: str) -> None:
    with pytest.raises(ValueError, match="e-/s, per_sample or per_pixel"):
        find_unit(text)


def test_a_sample_is_as_many_pixels_wide_as_the_grid_says() -> None:
    positions = DR3.positions
    for band in (DR3.bp, DR3.rp):
        steps = np.abs(np.diff(positions.pseudo_wavelength[positions.band == band.name]))
        assert steps == pytest.approx(np.full(119, band.pixels), abs=1e-5)
    assert per_sample(np.ones((2, 186), np.float32), "per_pixel")[1, [0, 79, 80, 185]] == pytest.approx(
        [0.33342, 0.33342, 0.35680, 0.35680]
    )


def test_per_sample_or_nothing_said_leaves_the_fluxes_as_they_are() -> None:
    flux = np.ones((2, 186), np.float32)
    assert per_sample(flux, "per_sample") is flux
    assert per_sample(flux, None) is flux


def test_a_spectrum_in_calibrated_units_gets_advice() -> None:
    flux = (1e-17 * np.arange(186, dtype=np.float32))[None]
    assert "gaiaxpy.convert" in describe(flux[0], int(validate(flux)[0])).message


@pytest.mark.parametrize("text", ["1000 electron / s", "10+3 e-/s", "10**-3 electron.s-1", "1e3 e-/(s pix)"])
def test_a_scaled_unit_is_refused_and_not_taken_for_e_per_s(text: str) -> None:
    with pytest.raises(ValueError, match="it is scaled by"):
        declared_unit(text)
    assert declared_unit("1 electron / s") is None
