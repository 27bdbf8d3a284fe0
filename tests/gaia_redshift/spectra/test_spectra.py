import numpy as np
import pytest

from gaia_redshift.spectra import DR3, Problem, SpectrumBatch, Unusable, describe, validate

BP_FULL = np.arange(DR3.bp.samples, dtype=np.float32)
RP_FULL = 1000 + np.arange(DR3.bp.samples, dtype=np.float32)


def test_the_grid_holds_120_samples_of_each_band_blue_to_red() -> None:
    samples = DR3.positions
    for band in ("BP", "RP"):
        mine = samples.band == band
        assert samples.index[mine].tolist() == list(range(DR3.bp.samples))
        assert (np.diff(samples.wavelength_nm[mine]) > 0).all()
        steps = np.diff(samples.pseudo_wavelength[mine])
        assert np.allclose(steps, steps[0], rtol=1e-3)


def test_the_186_kept_samples_span_the_published_wavelengths() -> None:
    wavelengths = DR3.wavelength_nm
    assert wavelengths.shape == (DR3.samples,) == (DR3.bp.count + DR3.rp.count,)
    assert wavelengths[0] == pytest.approx(366, abs=1)
    assert wavelengths[DR3.bp.count - 1] == pytest.approx(626.4, abs=1.5)
    assert wavelengths[DR3.bp.count] == pytest.approx(620.0, abs=1.5)
    assert wavelengths[-1] == pytest.approx(996, abs=1)


def test_truncation_drops_34_and_6_samples_of_bp_and_4_and_10_of_rp() -> None:
    assert DR3.bp.truncate(BP_FULL).tolist() == list(range(34, 114))
    assert DR3.rp.truncate(BP_FULL).tolist() == list(range(4, 110))


def test_a_truncated_band_is_left_as_it_is() -> None:
    assert DR3.bp.truncate(BP_FULL[:80]).tolist() == BP_FULL[:80].tolist()
    assert DR3.rp.truncate(BP_FULL[:106]).tolist() == BP_FULL[:106].tolist()


@pytest.mark.parametrize("length", [0, 1, 79, 81, 106, 119, 121])
def test_any_other_bp_length_is_refused_with_both_numbers(length: int) -> None:
    with pytest.raises(ValueError, match=f"BP needs 80 samples, or 120 before truncation, not {length}"):
        DR3.bp.truncate(np.zeros((3, length)))


def test_a_scalar_is_not_a_band() -> None:
    with pytest.raises(ValueError, match="not 0"):
        DR3.rp.truncate(np.float32(1))


def test_assembly_puts_bp_before_rp_for_every_mix_of_lengths() -> None:
    expected = np.concatenate([BP_FULL[34:114], RP_FULL[4:110]])
    for bp in (BP_FULL, BP_FULL[34:114]):
        for rp in (RP_FULL, RP_FULL[4:110]):
            assert DR3.assemble(bp, rp).tolist() == expected.tolist()
            assert DR3.assemble(np.stack([bp] * 2), np.stack([rp] * 2)).shape == (2, DR3.samples)


def test_bands_of_different_numbers_of_spectra_are_refused() -> None:
    with pytest.raises(ValueError, match=r"BP holds \(2,\) spectra and RP \(3,\)"):
        DR3.assemble(np.zeros((2, 80)), np.zeros((3, 106)))


def usual() -> np.ndarray:
    return np.linspace(-0.5, 12, DR3.samples, dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "reason", "code"),
    [
        (lambda f: f, Unusable.USABLE, None),
        (lambda f: np.where(np.arange(DR3.samples) == 7, np.nan, f), Unusable.NOT_FINITE, "not_finite"),
        (lambda f: np.where(np.arange(DR3.samples) == 7, np.inf, f), Unusable.NOT_FINITE, "not_finite"),
        (lambda f: np.where(np.arange(DR3.samples) == 7, -np.inf, f), Unusable.NOT_FINITE, "not_finite"),
        (lambda f: 0 * f, Unusable.CONSTANT, "constant_spectrum"),
        (lambda f: 0 * f + 3, Unusable.CONSTANT, "constant_spectrum"),
        (lambda f: 1e-17 * f, Unusable.IMPLAUSIBLE_UNITS, "implausible_units"),
        (lambda f: 1e7 * f, Unusable.IMPLAUSIBLE_UNITS, "implausible_units"),
    ],
)
def test_each_kind_of_unusable_spectrum_has_its_reason(change, reason, code) -> None:  # noqa: ANN001
    flux = np.stack([usual(), change(usual()), usual()]).astype(np.float32)
    assert validate(flux).tolist() == [0, reason, 0]
    if code:
        assert describe(flux[1], reason).code == code


def test_the_message_names_the_first_flux_that_is_not_finite() -> None:
    flux = usual()
    flux[[9, 50]] = np.nan
    assert describe(flux, Unusable.NOT_FINITE).message.startswith("flux[9] is nan")


def test_negative_fluxes_are_normal() -> None:
    assert validate(-usual()[None]).tolist() == [0]


@pytest.mark.parametrize("shape", [(186,), (3, 185), (3, 187), (2, 3, 186)])
def test_validation_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected spectra of shape"):
        validate(np.zeros(shape))


def test_checking_a_batch_keeps_the_problems_that_reading_found() -> None:
    flux = np.stack([usual(), 0 * usual(), 0 * usual()])
    found = Problem("ragged_row", "as read")
    batch = SpectrumBatch(flux, problems={2: found}).checked()
    assert batch.problems[1].code == "constant_spectrum"
    assert batch.problems[2] is found
    assert batch.usable().tolist() == [True, False, False]
