import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import DR3, SpectrumBatch
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.readers import pages, unpacked
from gaia_redshift.tables.readers.arrow import open_parquet
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from gaia_redshift.tables.writers.arrow import ParquetWriter
from tests.app.wire.test_arrow import lists
from tests.gaia_redshift.tables.test_csv import predictions

GOOD = np.random.default_rng(3).uniform(0.1, 9, (50, DR3.samples)).astype(np.float32)


def file_of(rows_per_group: int = 1000, **columns: Any) -> io.BytesIO:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, row_group_size=rows_per_group)
    file.seek(0)
    return file


def read_all(file: io.BytesIO, block_rows: int = 7) -> SpectrumBatch:
    table = open_parquet(file, block_rows)
    blocks = list(read_spectra(table, recognise(table)))
    problems, start = {}, 0
    for block in blocks:
        problems |= {start + row: problem for row, problem in block.problems.items()}
        start += len(block)
    ids = [name for block in blocks for name in block.source_id or ()]
    return SpectrumBatch(np.concatenate([block.flux for block in blocks]), ids or None, problems)


@pytest.mark.parametrize("group", [1, 13, 1000])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_no_row_is_lost_or_doubled_at_the_edges_of_blocks_and_groups(group: int, block: int) -> None:
    batch = read_all(file_of(group, flux=lists(GOOD), source_id=list(range(50)), z=[0.1] * 50), block)
    assert (batch.flux == GOOD).all()
    assert batch.source_id == list(range(50))
    assert not batch.problems


def test_bands_and_a_column_for_each_sample_are_read_too() -> None:
    assert (read_all(file_of(bp=lists(GOOD[:, :80]), rp=lists(GOOD[:, 80:]))).flux == GOOD).all()
    assert (read_all(file_of(**{f"flux_{n}": GOOD[:, n] for n in range(DR3.samples)})).flux == GOOD).all()


def test_a_bad_row_keeps_its_place_with_its_reason() -> None:
    rows: list[Any] = GOOD.tolist()
    rows[3], rows[8], rows[20] = None, rows[8][:100], [*rows[20][:5], None, *rows[20][6:]]
    batch = read_all(file_of(flux=pa.array(rows, pa.list_(pa.float32()))))
    assert {row: problem.code for row, problem in batch.problems.items()} == {
        3: "missing_value",
        8: "ragged_row",
        20: "missing_value",
    }
    assert batch.problems[20].message == "flux[5] is empty"
    good = [row for row in range(50) if row not in batch.problems]
    assert (batch.flux[good] == GOOD[good]).all()


def test_a_table_without_spectra_is_refused() -> None:
    for content in (b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"):
        with pytest.raises(MalformedBodyError, match="not Parquet"):
            read_all(io.BytesIO(content))
    with pytest.raises(InvalidTableError, match="no rows"):
        read_all(file_of(flux=lists(GOOD).slice(0, 0)))
    with pytest.raises(InvalidTableError, match=r"no spectra were found: parquet, 1 column \(a\), 1 row"):
        read_all(file_of(a=[1]))


def test_what_is_written_in_pieces_is_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gaia_redshift.tables.writers.arrow._GROUP_ROWS", 5)
    file = io.BytesIO()
    writer = ParquetWriter(file, {"model": "tiny@1.2.3"})
    for _ in range(7):
        writer.write(beside(None, predictions(named=True), {}))
    writer.close()
    table = parquet.read_table(io.BytesIO(file.getvalue()))
    assert table["status"].to_pylist() == ["ok", "error"] * 7
    assert table.schema.metadata[b"model"] == b"tiny@1.2.3"


def test_a_density_that_is_null_goes_in_as_a_list_of_any_length() -> None:
    """Pyarrow before 26 reads no other."""
    file = io.BytesIO()
    writer = ParquetWriter(file, {})
    found = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 3, mask=pa.array([False, True]))
    writer.write(pa.record_batch({"pdf": found}))
    writer.close()
    table = parquet.read_table(io.BytesIO(file.getvalue()))
    assert str(table.schema.field("pdf").type) == "list<element: double>"
    assert table["pdf"].to_pylist() == [[0, 1, 2], None]


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_spectra_that_are_all_alike_pack_well_and_are_no_bomb(
    codec: str, version: str, dictionary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacked, "FREE_BYTES", -(10**9))  # so that every array is measured
    rows: list[list[float] | None] = [[0.5] * DR3.samples] * 3000
    rows[7] = None
    file = io.BytesIO()
    table = pa.table({"flux": pa.array(rows, pa.list_(pa.float32())), "name": ["a"] * 3000})
    parquet.write_table(table, file, compression=codec, data_page_version=version, use_dictionary=dictionary)
    batch = read_all(file, 1000)
    assert list(batch.problems) == [7]
    assert (batch.flux[8:] == np.float32(0.5)).all()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("length", [4096, 4097])
def test_the_longest_array_is_found_wherever_it_is(length: int, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "FREE_BYTES", -(10**9))
    rows = [*GOOD.tolist(), [float(number % 7) for number in range(length)], *GOOD.tolist()]
    file = io.BytesIO()
    parquet.write_table(pa.table({"flux": pa.array(rows, pa.list_(pa.float32()))}), file, data_page_version=version)
    if length > pages.MOST_NUMBERS:
        with pytest.raises(MalformedBodyError, match="column flux has an array of more than 4096 numbers"):
            read_all(file)
    else:
        assert read_all(file).problems[50].code == "ragged_row"
