"""A release that does not exist, end to end: an entry, its bases and a line spread are all that a new one needs."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet
import pytest

from gaia_redshift.bundle import Bundle
from gaia_redshift.commands.predict import predict
from gaia_redshift.errors import InvalidInputError, RedshiftError, UnsupportedByModelError
from gaia_redshift.spectra import DR3, GRIDS, RELEASES, Basis, Release, find_release
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from tests.training.conftest import KERAS_WARNS, SMALL, eagerly, runner
from training.commands.recalibrate import recalibrate
from training.commands.train import train
from training.data.dataset import load
from training.release.recalibrated import RECALIBRATION_FILE
from training.simulation import constants, contaminants, instrument
from training.simulation.build import line_spread
from training.simulation.build.options import only_release
from training.simulation.cli import simulate
from training.simulation.instrument import BANDS, Band, kept_matrix

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)

NAME = "Gaia DR9"
COUNTS: dict[Band, int] = {"BP": 17, "RP": 19}


class Dr9(NamedTuple):
    """The invented release, and where its files lie."""

    release: Release
    folder: Path
    stars: Path


@pytest.fixture(scope="module")
def dr9(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dr9]:
    """Add a release whose bases are the first of DR3's, the odd ones upside down."""
    folder = tmp_path_factory.mktemp("dr9")
    tables = dict(np.load(instrument.instrument_file()))
    sign = {band: (-1.0) ** np.arange(count) for band, count in COUNTS.items()}
    for band, count in COUNTS.items():
        for name in ("basis_matrix", "inverse_bases"):
            tables[f"{band}_{name}"] = tables[f"{band}_{name}"][:count] * sign[band][:, None]
        tables[f"{band}_basis_id"] = np.array(900 + BANDS.index(band))
    np.savez_compressed(folder / "instrument_gaiadr9.npz", **tables)

    light = contaminants.star_light(12, np.random.default_rng(1)) * 1e-17
    drawn = {band: instrument.coefficients(band, light)[:, :count] * sign[band] for band, count in COUNTS.items()}
    cells = [
        "bp_coefficients,rp_coefficients",
        *(f'"{bp.tolist()}","{rp.tolist()}"' for bp, rp in zip(*drawn.values(), strict=True)),
    ]
    (folder / "stars.csv").write_text("\n".join(cells) + "\n")

    release = Release(
        name=NAME,
        coefficients=(COUNTS["BP"], COUNTS["RP"]),
        retrieval_types=("SPECTRUM_XP_9",),
        coefficient_columns=("bp_coefficients", "rp_coefficients"),
        schema="gaiadr9",
        grid=replace(DR3, name="smsgen-dr9-1", release=NAME),
        basis=Basis(folder / "basis.npz"),
        basis_ids=(900, 901),
    )
    assert release.grid is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RELEASES, NAME, release)
        patch.setitem(GRIDS, release.grid.name, release.grid)
        here = instrument.instrument_file
        patch.setattr(
            instrument,
            "instrument_file",
            lambda name=DR3.release: folder / here(name).name if name == NAME else here(name),
        )
        arrays = {band: kept_matrix(band, NAME) for band in BANDS}
        steps = {f"{band}_step": np.array(RELEASES[DR3.release].basis.step(band)) for band in BANDS}  # type: ignore[union-attr]
        np.savez(folder / "basis.npz", **arrays, **steps)  # type: ignore[arg-type]
        yield Dr9(release, folder, folder / "stars.csv")


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], main: Callable[[], object], *words: str | Path
) -> str:
    monkeypatch.setattr(sys, "argv", ["script", *map(str, words)])
    main()
    return capsys.readouterr().out


def test_a_release_is_named_shortly_and_another_is_refused(
    dr9: Dr9, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [find_release(name).name for name in ("dr9", "gaiadr9", "Gaia DR9", "dr3")] == [NAME, NAME, NAME, "Gaia DR3"]
    with pytest.raises(ValueError, match=r"no release 'dr8'; this version knows Gaia DR3, Gaia DR4, Gaia DR9"):
        find_release("dr8")
    monkeypatch.setattr(sys, "argv", ["script", "--release", "dr8"])
    with pytest.raises(SystemExit):
        only_release("about")
    assert "there is no release 'dr8'" in capsys.readouterr().err


def test_dr4_whose_tables_are_not_here_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="Gaia DR4 has no grid of samples in this version"):
        simulate(tmp_path / "a.parquet", count=3, release="dr4")
    with pytest.raises(InvalidInputError, match=r"instrument of Gaia DR4 .*instrument_tables --release 'Gaia DR4'"):
        instrument.bases("BP", np.zeros(1), "Gaia DR4")
    assert instrument.coefficient_count("BP", "Gaia DR4") == 51
    pytest.importorskip("gaiaxpy")
    from training.simulation.build.gaiaxpy_tables import files_of

    with pytest.raises(SystemExit, match="tables are those of Gaia DR4 is not known: name them in FILES"):
        files_of("Gaia DR4")


def test_the_line_spread_of_a_new_release_is_one_command(
    dr9: Dr9, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"no line spread of Gaia DR9 .*line_spread STARS\.csv --release"):
        instrument.line_spread("BP", NAME)
    told = printed(monkeypatch, capsys, line_spread.main, dr9.stars, "--release", "dr9")
    assert "BP in use none for Gaia DR9" in told
    found = {line.split()[0]: line for line in told.splitlines() if " fitted " in line}
    for band in BANDS:
        numbers = found[band].partition(" fitted ")[2].partition(";")[0].split()
        # The bases are DR3's, but for their signs and the last of them: so is the width of the core.
        assert float(numbers[0]) == pytest.approx(constants.LINE_SPREAD.value[band][0], abs=0.15)
        assert float(found[band].split()[-1].rstrip("%")) < 3
    wrong = tmp_path / "wrong.csv"
    wrong.write_text('bp_coefficients,rp_coefficients\n"[1.0]","[1.0]"\n')
    monkeypatch.setattr(sys, "argv", ["script", str(wrong), "--release", "dr9"])
    with pytest.raises(SystemExit):
        line_spread.main()
    assert "bp_coefficients holds 1 numbers, those of Gaia DR9 are 17" in capsys.readouterr().err


def test_from_an_entry_and_its_bases_to_redshifts_of_the_new_release_alone(
    dr9: Dr9, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(constants.LINE_SPREADS, NAME, constants.LINE_SPREAD)
    archive, labelled = tmp_path / "xp_continuous.csv", tmp_path / "labelled.parquet"
    for path in (archive, labelled):
        runner(simulate)("-n", "400", "--seed", "3", "--workers", "1", "--release", "dr9", "-o", path)
    assert pyarrow.parquet.read_schema(labelled).metadata[b"grid_id"] == b"smsgen-dr9-1"
    with archive.open("rb") as file, opened(file, archive.name) as table:
        found = recognise(table)
        assert "Gaia DR9 SPECTRUM_XP_9, 17 BP and 19 RP coefficients" in found.sentence
        flux = np.concatenate([batch.flux for batch in read_spectra(table, found)])
    np.testing.assert_allclose(flux, load(labelled).flux, atol=2e-3)

    # A model of DR3 refuses it by name, and so does what would learn from both.
    with pytest.raises(UnsupportedByModelError, match=r"Gaia DR9 spectra, default@.* reads Gaia DR3"):
        predict(archive, tmp_path / "never.csv", model="default")
    with pytest.raises(UnsupportedByModelError, match=r"these are Gaia DR9 spectra"):
        recalibrate("dissertation-cnn", labelled, tmp_path / "never")

    # Its samples lie where DR3's do, so that a model of DR3 can be carried over by labels alone.
    runner(recalibrate)("default", labelled, "-o", tmp_path / "carried", "--carry-over")
    carried = Bundle(tmp_path / "carried")
    assert (carried.manifest.grid, carried.grid.release) == ("smsgen-dr9-1", NAME)
    assert "labelled galaxies of Gaia DR9" in carried.manifest.description
    runner(predict)(archive, "-o", tmp_path / "carried.csv", "--model", tmp_path / "carried")
    shares = json.loads((tmp_path / "carried" / RECALIBRATION_FILE).read_text())["after"]["survey"]["coverage_68"]
    assert shares[0] == pytest.approx(0.68, abs=0.06)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(SMALL.model_copy(update={"batch_size": 64, "epochs": 1}).model_dump_json())
    with eagerly():
        runner(train)(labelled, "-o", tmp_path / "new", "--recipe", tmp_path / "small.json")
    made = Bundle(tmp_path / "new")
    assert made.manifest.grid == "smsgen-dr9-1"
    runner(predict)(archive, "-o", tmp_path / "out.csv", "--model", tmp_path / "new")
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == 401
    runner(recalibrate)(tmp_path / "new", labelled, "-o", tmp_path / "newer")
    assert Bundle(tmp_path / "newer").manifest.grid == "smsgen-dr9-1"

    runner(simulate)("-n", "20", "--workers", "1", "-o", tmp_path / "dr3.parquet")
    with pytest.raises(RedshiftError, match=r"Gaia DR3"):
        predict(tmp_path / "dr3.parquet", tmp_path / "never.csv", model=str(tmp_path / "new"))
    with pytest.raises(UnsupportedByModelError, match=r"these are Gaia DR3 spectra"):
        recalibrate(str(tmp_path / "new"), tmp_path / "dr3.parquet", tmp_path / "never")
