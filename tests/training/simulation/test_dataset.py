"""Whole datasets: one seed, one dataset; no parent in two parts; files as documented."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3
from training.data.parts import PARTS
from training.simulation import brightness, dataset, files, parts
from training.simulation.cli import simulate
from training.simulation.galaxies import parents


def read_flux(path: Path) -> np.ndarray:
    column = parquet.read_table(path).column("flux").combine_chunks()
    return column.flatten().to_numpy().reshape(-1, 186)


def test_one_seed_gives_one_file_whatever_the_number_of_workers(tmp_path: Path) -> None:
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    simulate(one, count=dataset.BLOCK_ROWS + 100, seed=11, workers=1)
    simulate(two, count=dataset.BLOCK_ROWS + 100, seed=11, workers=2)
    assert one.read_bytes() == two.read_bytes()


def test_another_seed_gives_another_dataset() -> None:
    one, two = (next(dataset.simulate(dataset.Recipe(5, seed))) for seed in (1, 2))
    assert not np.allclose(one.flux, two.flux)


def test_every_parent_is_in_exactly_one_part_and_the_parts_have_the_asked_sizes() -> None:
    assigned = parts.parent_parts()
    assert len(assigned) == len(parents().parent_id) == len(set(parents().parent_id.tolist()))
    share = np.bincount(assigned, minlength=3) / len(assigned)
    np.testing.assert_allclose(share, [0.63, 0.27, 0.10], atol=0.01)


def test_parts_never_change() -> None:
    assert [parts.part_of(identity) for identity in range(8)] == FIRST_PARTS


FIRST_PARTS = [
    "validation",
    "validation",
    "validation",
    "validation",
    "train",
    "validation",
    "train",
    "train",
]


def test_a_simulated_galaxy_is_in_its_parents_part() -> None:
    block = next(dataset.simulate(dataset.Recipe(200, 3)))
    for identity, part in zip(block.parent_id, block.part, strict=True):
        assert PARTS[part] == parts.part_of(int(identity))


def test_parquet_holds_the_documented_columns_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    simulate(path, count=50, seed=4, redshift=["uniform"])
    table = parquet.read_table(path)
    assert table.column_names == [
        "z", "flux", "parent_id", "part", "magnitude", "snr_bp", "snr_rp", "transits", "kind", *brightness.TRUTH,
    ]  # fmt: skip
    assert str(table.schema.field("flux").type) == "fixed_size_list<element: float>[186]"
    metadata = table.schema.metadata
    assert (metadata[b"seed"], metadata[b"grid_id"], metadata[b"redshift_distribution"]) == (
        b"4",
        DR3.name.encode(),
        b"uniform",
    )
    assert set(table.column("kind").to_pylist()) == {"galaxy"}


def test_csv_is_the_dissertations_and_agrees_with_parquet(tmp_path: Path) -> None:
    simulate(tmp_path / "set.csv", count=20, seed=4)
    simulate(tmp_path / "set.parquet", count=20, seed=4)
    header, *rows = (tmp_path / "set.csv").read_text().splitlines()
    assert header == ",".join(["z", *(f"flux_{sample}" for sample in range(186))])
    values = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    np.testing.assert_allclose(values[:, 1:], read_flux(tmp_path / "set.parquet"), atol=6e-4)


def test_spectra_are_finite_and_brightness_agrees_with_magnitude() -> None:
    block = next(dataset.simulate(dataset.Recipe(500, 5)))
    assert np.isfinite(block.flux).all()
    brightest, faintest = block.magnitude.argsort()[[0, -1]]
    assert block.flux[brightest].sum() > block.flux[faintest].sum()
    assert block.snr["RP"][brightest] > block.snr["RP"][faintest]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("set.parquet", {"count": 0}, "--count must be"),
        ("set.parquet", {"count": 10**12}, "--count must be"),
        ("set.parquet", {"seed": -1}, "--seed must not"),
        ("set.parquet", {"workers": 0}, "--workers must be"),
        ("set.parquet", {"kind": ["comet"]}, "--kind must be one of galaxy, star, quasar, sky, blend, not 'comet'"),
        (
            "set.parquet",
            {"redshift": ["0.1"]},
            "--redshift must be survey or uniform, not 0.1: numbers belong to --sed",
        ),
        ("set.parquet", {"magnitude": 17.0}, "--magnitude describes the spectrum of --sed FILE"),
        ("set.fits", {}, "cannot tell the format"),
        ("nowhere/set.csv", {}, "cannot write"),
    ],
)
def test_bad_options_are_one_clear_line(tmp_path: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        simulate(tmp_path / name, **{"count": 10, **options})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_written_file(tmp_path: Path) -> None:
    def broken() -> object:
        yield next(dataset.simulate(dataset.Recipe(5, 1)))
        raise OSError(28, "No space left on device")

    target = tmp_path / "set.parquet"
    with pytest.raises(InvalidInputError, match="No space left"):
        files.write(broken(), dataset.Recipe(10, 1), target, lambda _: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a directory in which nobody can write")
@pytest.mark.parametrize("name", ["set.parquet", "set.csv", "xp_continuous.csv"])
def test_an_unwritable_output_is_one_clear_line(name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot write /proc/"):
        simulate(Path("/proc") / name, count=5)
