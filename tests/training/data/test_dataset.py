from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3
from tests.training.conftest import csv_table, galaxies
from training.data.dataset import declare, load, read

WriteCsv = Callable[[pa.Table], Path]
WriteParquet = Callable[..., Path]


def test_csv_columns_are_found_by_name_whatever_their_order(write_csv: WriteCsv) -> None:
    flux, redshift = galaxies(120)
    table = csv_table(flux, redshift)
    shuffled = table.select(table.column_names[::-1]).append_column("source_id", pa.array(range(120)))
    dataset = read(write_csv(shuffled))
    np.testing.assert_array_equal(dataset.flux, flux)
    np.testing.assert_array_equal(dataset.redshift, redshift)
    assert dataset.flux.dtype == dataset.redshift.dtype == np.float32
    assert (dataset.parent, dataset.part, dataset.simulated) == (None, None, None)


def test_parquet_brings_parents_parts_and_that_it_is_simulated(write_parquet: WriteParquet) -> None:
    flux, redshift = galaxies(120)
    part = pa.array(["train", "validation", "test"] * 40).dictionary_encode()
    parent = pa.array(np.arange(120) % 3, pa.int32())
    dataset = read(write_parquet(flux, redshift.astype(np.float64), part=part, parent_id=parent))
    np.testing.assert_array_equal(dataset.flux, flux)
    np.testing.assert_array_equal(dataset.redshift, redshift)
    assert dataset.part is not None
    assert dataset.part[:4].tolist() == ["train", "validation", "test", "train"]
    assert dataset.parent is not None
    assert dataset.parent[:4].tolist() == [0, 1, 2, 0]
    assert dataset.simulated is True


def test_the_simulators_own_words_are_kept_for_the_card(write_parquet: WriteParquet) -> None:
    metadata = {"simulated": "true", "simulator_version": "1.0", "beyond_share": "0.3", "seed": "7"}
    metadata |= {"grid_id": DR3.name, "pandas": "{}"}
    dataset = read(write_parquet(*galaxies(120), metadata))
    assert dataset.provenance == {"simulator_version": "1.0", "beyond_share": "0.3", "seed": "7", "grid_id": DR3.name}


def test_another_grid_is_refused(write_parquet: WriteParquet) -> None:
    with pytest.raises(InvalidInputError, match=r"sampled on the grid 'smsgen-dr4'"):
        read(write_parquet(*galaxies(120), {"simulated": "true", "grid_id": "smsgen-dr4"}))


def test_variable_length_lists_are_read_and_a_wrong_length_is_named(tmp_path: Path) -> None:
    flux, redshift = galaxies(120)
    rows = [list(map(float, row)) for row in flux]
    path = tmp_path / "lists.parquet"
    pa.parquet.write_table(pa.table({"z": redshift, "flux": pa.array(rows, pa.list_(pa.float32()))}), path)
    np.testing.assert_array_equal(read(path).flux, flux)
    rows[7] = rows[7][:-1]
    pa.parquet.write_table(pa.table({"z": redshift, "flux": pa.array(rows, pa.list_(pa.float32()))}), path)
    with pytest.raises(InvalidInputError, match=r"lists\.parquet: row 7: flux has 185 samples, not 186"):
        read(path)


def test_a_null_spectrum_is_reported_as_a_missing_value(tmp_path: Path) -> None:
    flux, redshift = galaxies(120)
    rows: list[list[float] | None] = [list(map(float, row)) for row in flux]
    rows[5] = None
    path = tmp_path / "null.parquet"
    for kind in (pa.list_(pa.float32(), DR3.samples), pa.list_(pa.float32())):
        pa.parquet.write_table(pa.table({"z": redshift, "flux": pa.array(rows, kind)}), path)
        with pytest.raises(InvalidInputError) as caught:
            read(path)
        assert caught.value.details[0].at == "row 5"


def test_missing_columns_are_named_and_counted(write_csv: WriteCsv) -> None:
    table = csv_table(*galaxies(120))
    with pytest.raises(InvalidInputError, match=r"galaxies\.csv lacks the column z"):
        read(write_csv(table.drop_columns(["z"])))
    with pytest.raises(InvalidInputError, match=r"1 column is missing: flux_3;"):
        read(write_csv(table.drop_columns(["flux_3"])))
    with pytest.raises(InvalidInputError, match=r"no spectra were found: csv with commas .*, 1 column \(z\)"):
        read(write_csv(table.drop_columns([f"flux_{index}" for index in range(DR3.samples)])))


def test_a_repeated_column_is_refused(write_csv: WriteCsv) -> None:
    path = write_csv(csv_table(*galaxies(120)))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"flux_2"', '"flux_1"'), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"galaxies\.csv: duplicate column flux_1"):
        read(path)
    lines = text.splitlines()
    path.write_text("\n".join(['"Z",' + lines[0], *(f"1,{line}" for line in lines[1:])]), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="has the column z more than once"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"\x89PNG\r\n\x1a\n\x00\xff", b"z,flux_0\n"])
@pytest.mark.parametrize("name", ["rubbish.csv", "rubbish.parquet"])
def test_an_empty_or_binary_file_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=name):
        read(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nowhere\.csv is not a file"):
        read(tmp_path / "nowhere.csv")


def test_text_among_the_fluxes_is_refused(write_csv: WriteCsv) -> None:
    path = write_csv(csv_table(*galaxies(120)))
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[50] = lines[50].rsplit(",", 1)[0] + ",bright"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"galaxies\.csv: row 49: flux_185 is 'bright', which is not a number"):
        read(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["z", "flux_90"])
def test_rows_that_are_not_finite_are_counted_and_the_first_is_named(
    write_csv: WriteCsv, column: str, bad: float
) -> None:
    table = csv_table(*galaxies(120))
    values = table[column].to_numpy().copy()
    values[[17, 40]] = bad
    index = table.column_names.index(column)
    with pytest.raises(InvalidInputError) as caught:
        read(write_csv(table.set_column(index, column, pa.array(values))))
    assert caught.value.details[0].at == "row 17"
    assert caught.value.details[0].message.startswith("2 rows have a value that is missing or not finite")


def test_repeated_spectra_and_source_ids_are_counted_each_once(write_csv: WriteCsv) -> None:
    flux, redshift = galaxies(120)
    flux[9] = flux[11] = flux[4]
    source_id = np.arange(120).astype(np.str_)
    source_id[[30, 4]] = "2"
    source_id[50:52] = ""
    table = csv_table(flux, redshift)
    with pytest.raises(InvalidInputError, match="add --policy drop") as caught:
        read(write_csv(table))
    assert [(one.at, one.message[:38]) for one in caught.value.details] == [
        ("row 9", "2 rows have the spectrum of an earlier")
    ]
    dropped = read(write_csv(table.append_column("SOURCE_ID", pa.array(source_id))), "drop")
    # Row 4 is left out for its source_id, so row 9 is the first with its spectrum.
    assert dropped.dropped == {"the source_id of an earlier row": 2, "the spectrum of an earlier row": 1}
    assert len(dropped) == 117
    assert dropped.source_id is not None
    assert dropped.source_id[:5].tolist() == ["0", "1", "2", "3", "5"]


def test_unusable_rows_are_left_out_of_every_column_when_asked(write_parquet: WriteParquet) -> None:
    flux, redshift = galaxies(120)
    redshift[3], redshift[5], flux[7, 100] = 0.7, np.nan, np.inf
    parent = np.arange(120)
    more = {"parent_id": parent, "part": ["train"] * 120, "phot_g_mean_mag": parent / 10}
    dataset = read(write_parquet(flux, redshift, **more), "drop")
    assert dataset.dropped == {"a value that is missing or not finite": 2, "a redshift outside 0 to 0.6": 1}
    kept = np.delete(parent, [3, 5, 7])
    np.testing.assert_array_equal(dataset.parent, kept)
    np.testing.assert_array_equal(dataset.flux, flux[kept])
    np.testing.assert_allclose(dataset.properties["magnitude"], kept / 10, rtol=1e-6)
    assert dataset.part is not None
    assert len(dataset.part) == 117


def test_what_is_left_must_still_be_enough(write_csv: WriteCsv) -> None:
    flux, redshift = galaxies(120)
    redshift[:30] = 0.7
    path = write_csv(csv_table(flux, redshift))
    with pytest.raises(InvalidInputError, match="has 90 usable rows: at least 100"):
        read(path, "drop")
    redshift[:] = 0.7
    with pytest.raises(InvalidInputError, match="has no usable row"):
        read(write_csv(csv_table(flux, redshift)), "drop")


def test_an_evaluation_may_read_a_handful_of_galaxies(write_csv: WriteCsv) -> None:
    assert len(load(write_csv(csv_table(*galaxies(3))))) == 3
    with pytest.raises(InvalidInputError, match="a header but no rows"):
        load(write_csv(csv_table(*galaxies(0))))


def test_a_spectrum_without_a_parent_is_its_own(write_parquet: WriteParquet) -> None:
    parent = pa.array([None, -1, *[7] * 118], pa.int32())
    dataset = read(write_parquet(*galaxies(120), parent_id=parent))
    assert dataset.parent is not None
    assert dataset.parent[:4].tolist() == [-1, -2, 7, 7]


@pytest.mark.parametrize("bad", [-0.001, 0.601, 1000.0])
def test_redshifts_outside_the_survey_are_counted(write_csv: WriteCsv, bad: float) -> None:
    flux, redshift = galaxies(120)
    redshift[3] = bad
    with pytest.raises(InvalidInputError) as caught:
        read(write_csv(csv_table(flux, redshift)))
    assert caught.value.details[0].at == "row 3"
    assert "1 row has a redshift outside 0 to 0.6" in caught.value.details[0].message


def test_the_ends_of_the_redshift_range_belong_to_it(write_csv: WriteCsv) -> None:
    flux, redshift = galaxies(120)
    redshift[:2] = 0.0, 0.6
    assert len(read(write_csv(csv_table(flux, redshift)))) == 120


def test_too_few_rows_are_refused(write_csv: WriteCsv) -> None:
    with pytest.raises(InvalidInputError, match="has 99 rows: at least 100"):
        read(write_csv(csv_table(*galaxies(99))))


def test_one_redshift_only_is_refused(write_csv: WriteCsv) -> None:
    flux, redshift = galaxies(120)
    redshift[:] = 0.25
    with pytest.raises(InvalidInputError, match=r"one redshift only, 0\.25"):
        read(write_csv(csv_table(flux, redshift)))


def test_constant_columns_are_counted_and_the_first_is_named(write_csv: WriteCsv) -> None:
    flux, redshift = galaxies(120)
    flux[:, 40:43] = 1.0
    with pytest.raises(InvalidInputError, match="3 constant flux columns, the first flux_40"):
        read(write_csv(csv_table(flux, redshift)))


def test_the_user_may_declare_the_origin_but_not_contradict_the_file(
    write_csv: WriteCsv, write_parquet: WriteParquet
) -> None:
    flux, redshift = galaxies(120)
    silent = read(write_csv(csv_table(flux, redshift)))
    assert declare(silent, observed=None).simulated is None
    assert declare(silent, observed=True).simulated is False
    assert declare(silent, observed=False).simulated is True
    simulated = read(write_parquet(flux, redshift))
    assert declare(simulated, observed=False).simulated is True
    with pytest.raises(InvalidInputError, match="says that its spectra are simulated"):
        declare(simulated, observed=True)
