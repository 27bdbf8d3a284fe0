"""A spectrum of one's own, observed as the simulator observes its galaxies."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from pyarrow import parquet

from gaia_redshift.errors import InvalidInputError
from training.simulation import constants, dataset
from training.simulation.cli import simulate
from training.simulation.instrument import WAVELENGTH_NM, coefficients, kept_matrix
from training.simulation.sed import Observation, Sed, observe, observed_light
from training.simulation.sed_file import read_sed

REST_NM = np.linspace(150.0, 1200.0, 3000)
FLUX = 1 + 0.3 * np.sin(REST_NM / 40) + 5 * np.exp(-0.5 * ((REST_NM - 500.7) / 0.5) ** 2)


@pytest.fixture
def sed() -> Sed:
    return Sed(REST_NM, FLUX)


def test_a_point_source_is_what_the_instrument_makes_of_its_light(sed: Sed) -> None:
    block = observe(sed, [0.1] * 300, Observation(magnitude=13.0, transits=160, extent_px=0.0))
    mean = block.flux.mean(axis=0)
    light = observed_light(sed, np.array([0.1]))
    wanted = np.concatenate([coefficients(band, light) @ kept_matrix(band) for band in ("BP", "RP")], axis=1)[0]
    # The survey's samples lie .25 and .70 px off the grid's: compare where that hardly matters.
    both = np.array([mean, wanted])
    smooth = np.apply_along_axis(lambda row: np.convolve(row, np.ones(31) / 31, "valid"), 1, both)
    assert smooth[0] / smooth[0].sum() == pytest.approx(smooth[1] / smooth[1].sum(), rel=0.08)


@pytest.mark.parametrize("band", ["G", "RP"])
def test_brightness_is_what_was_asked_for_and_noise_follows_it(sed: Sed, band: Any) -> None:
    bright, faint = (observe(sed, [0.2] * 50, Observation(m, band, 40, 3.0)) for m in (16.0, 19.0))
    assert bright.flux.mean() / faint.flux.mean() == pytest.approx(10 ** (0.4 * 3), rel=0.03)
    assert (bright.snr["RP"] > 3 * faint.snr["RP"]).all()
    if band == "G":
        assert bright.magnitude == pytest.approx(16.0, abs=1e-3)
    assert (bright.transits == 40).all()


def test_extent_smears_a_line(sed: Sed) -> None:
    flux = [observe(sed, [0.1] * 20, Observation(14.0, "G", 160, px)).flux.mean(axis=0)[:80] for px in (0.0, 2.0, 7.0)]
    heights = [row.max() / np.median(row) for row in flux]
    assert heights[0] > heights[1] > heights[2]


def test_light_is_kept_when_it_is_shifted_and_averaged() -> None:
    narrow = Sed(REST_NM, np.where(np.abs(REST_NM - 500) < 0.2, 1.0, 0.0))
    for z in (0.0, 0.05, 0.3):
        light = observed_light(narrow, np.array([z]))[0]
        assert light @ np.gradient(WAVELENGTH_NM) == pytest.approx(
            np.trapezoid(narrow.flux, REST_NM) * (1 + z), rel=1e-2
        )


def test_every_form_of_a_file_gives_the_same_spectrum(tmp_path: Path) -> None:
    angstrom, per_hertz = REST_NM * 10, FLUX * REST_NM**2
    np.savetxt(tmp_path / "plain.txt", np.column_stack([angstrom, FLUX]), header="made for a test")
    Table({"lambda": angstrom, "f_nu": per_hertz}).write(tmp_path / "named.csv")
    table = Table({"WAVE": REST_NM, "FLUX": per_hertz}, units={"WAVE": "nm", "FLUX": "Jy"})
    table.write(tmp_path / "table.fits")
    table.write(tmp_path / "table.ecsv")
    np.savetxt(tmp_path / "nm.txt", np.column_stack([REST_NM / 1000, FLUX]))
    for name, units in (
        ("plain.txt", ()), ("named.csv", ()), ("table.fits", ()), ("table.ecsv", ()), ("nm.txt", ("um", "f_lambda")),
    ):  # fmt: skip
        found = read_sed(tmp_path / name, *units)
        assert found.wavelength_nm == pytest.approx(REST_NM, rel=1e-5), name
        assert found.flux == pytest.approx(FLUX / FLUX.max(), rel=1e-4), name
    assert "wavelength in Angstrom (assumed), 150 to 1200 nm" in read_sed(tmp_path / "plain.txt").sentence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, f: (w[::-1], f), r"wavelength\[1\] = .* does not exceed the one before: sort the rows"),
        (lambda w, f: (w, f - 1), r"flux\[\d+\] = -.* is negative"),
        (lambda w, f: (w, np.where(w > 5000, np.nan, f)), "is not finite"),
        (lambda w, f: (w - 2000, f), "is not a positive wavelength"),
        (lambda w, f: (w[:5], f[:5]), "has 5 rows: a spectrum needs 10"),
    ],
)
def test_what_is_no_spectrum_is_refused_at_its_place(tmp_path: Path, change: Any, message: str) -> None:
    np.savetxt(tmp_path / "sed.txt", np.column_stack(change(REST_NM * 10, FLUX)))
    with pytest.raises(InvalidInputError, match=message):
        read_sed(tmp_path / "sed.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--sed needs the redshifts"),
        ({"redshift": ["near"]}, "must be numbers with --sed, not near"),
        ({"redshift": ["-0.1"]}, "numbers from 0 to 10 with --sed, not -0.1"),
        ({"redshift": ["1.5"]}, r"at redshift 1.5: Gaia sees 330 to 1050 nm; extend it, or choose redshifts from"),
        ({"redshift": ["0.1"], "wavelength_unit": "furlong2"}, "is not a unit of wavelength"),
        ({"redshift": ["0.1"], "wavelength_unit": "s"}, "is not a unit of wavelength"),
        ({"redshift": ["0.1"], "flux_unit": "mag"}, "is not a flux per wavelength or frequency"),
        ({"redshift": ["0.1"], "magnitude": 99.0}, "--magnitude must be between 0 and 25"),
        ({"redshift": ["0.1"], "transits": 5}, "--transits must be from 10 to 160"),
        ({"redshift": ["0.1"], "extent": 30.0}, "--extent must be from 0"),
        ({"redshift": ["0.1"], "kind": ["star"]}, "exclude each other"),
    ],
)
def test_bad_options_are_one_clear_line(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    np.savetxt(tmp_path / "sed.txt", np.column_stack([REST_NM * 10, FLUX]))
    with pytest.raises(InvalidInputError, match=message):
        simulate(tmp_path / "out.parquet", sed=tmp_path / "sed.txt", **options)
    assert not (tmp_path / "out.parquet").exists()


def test_the_command_writes_each_redshift_in_turn_and_says_whose_spectrum_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savetxt(tmp_path / "sed.txt", np.column_stack([REST_NM * 10, FLUX]))
    simulate(tmp_path / "out.parquet", count=5, sed=tmp_path / "sed.txt", redshift=["0.1,0.2", "0.3"])
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table["z"].to_pylist() == pytest.approx([0.1, 0.2, 0.3, 0.1, 0.2])
    assert table["ebv"].to_pylist() == [0.0] * 5
    assert (table.schema.metadata[b"sed"], table.schema.metadata[b"redshift_distribution"]) == (b"sed.txt", b"given")
    assert "sed.txt: 3000 points, wavelength in Angstrom (assumed)" in capsys.readouterr().err
    simulate(tmp_path / "xp_continuous.csv", sed=tmp_path / "sed.txt", redshift=["0.1"], seed=2)
    assert len((tmp_path / "xp_continuous.csv").read_text().splitlines()) == 2


def test_without_options_brightness_extent_and_transits_are_the_surveys(sed: Sed) -> None:
    block = observe(sed, [0.15] * 400)
    other = next(dataset.simulate(dataset.Recipe(400, 3)))
    assert np.median(block.transits) == pytest.approx(np.median(other.transits), rel=0.1)
    peak = constants.PEAK_FLUX.value[1]
    assert block.flux[:, 80:].max(axis=1).mean() == pytest.approx(peak, rel=0.25)
