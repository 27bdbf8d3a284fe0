from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from app.errors import InvalidInputError
from app.spectra import FLUX_COUNT
from training.dataset import declare, read

from .conftest import csv_table, galaxies

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


def test_variable_length_lists_are_read_and_a_wrong_length_is_named(tmp_path: Path) -> None:
    flux, redshift = galaxies(120)
    rows = [list(map(float, row)) for row in flux]
    path = tmp_path / "lists.parquet"
    pa.parquet.write_table(pa.table({"z": redshift, "flux": pa.array(rows, pa.list_(pa.float32()))}), path)
    np.testing.assert_array_equal(read(path).flux, flux)
    rows[7] = rows[7][:-1]
    pa.parquet.write_table(pa.table({"z": redshift, "flux": pa.array(rows, pa.list_(pa.float32()))}), path)
    with pytest.raises(InvalidInputError, match="row 7 has 185 fluxes, not 186"):
        read(path)


def test_a_null_spectrum_is_reported_as_a_missing_value(tmp_path: Path) -> None:
    flux, redshift = galaxies(120)
    rows: list[list[float] | None] = [list(map(float, row)) for row in flux]
    rows[5] = None
    path = tmp_path / "null.parquet"
    for kind in (pa.list_(pa.float32(), FLUX_COUNT), pa.list_(pa.float32())):
        pa.parquet.write_table(pa.table({"z": redshift, "flux": pa.array(rows, kind)}), path)
        with pytest.raises(InvalidInputError) as caught:
            read(path)
        assert caught.value.details[0].at == "row 5"


def test_missing_columns_are_named_and_counted(write_csv: WriteCsv) -> None:
    table = csv_table(*galaxies(120))
    with pytest.raises(InvalidInputError, match=r"lacks the columns z, flux_3; "):
        read(write_csv(table.drop_columns(["z", "flux_3"])))
    with pytest.raises(InvalidInputError, match=r"flux_4 and 181 more; "):
        read(write_csv(table.drop_columns([f"flux_{index}" for index in range(FLUX_COUNT)])))


def test_a_repeated_column_is_refused(tmp_path: Path, write_csv: WriteCsv) -> None:
    path = write_csv(csv_table(*galaxies(120)))
    text = path.read_text(encoding="utf-8").replace('"flux_2"', '"flux_1"')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match="lacks the columns flux_2"):
        read(path)
    lines = text.splitlines()
    path.write_text("\n".join(['"flux_2",' + lines[0], *(f"1,{line}" for line in lines[1:])]), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="flux_1 more than once"):
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
    with pytest.raises(InvalidInputError, match=r"galaxies\.csv cannot be read: .*'bright'"):
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


@pytest.mark.parametrize("bad", [-0.001, 0.601, 1000.0])
def test_redshifts_outside_the_survey_are_counted(write_csv: WriteCsv, bad: float) -> None:
    flux, redshift = galaxies(120)
    redshift[3] = bad
    with pytest.raises(InvalidInputError) as caught:
        read(write_csv(csv_table(flux, redshift)))
    assert caught.value.details[0].at == "row 3"
    assert "1 rows have a redshift outside 0 to 0.6" in caught.value.details[0].message


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
