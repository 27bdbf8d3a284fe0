"""The archive's text: the wanted cells of each row, whatever stands in the others."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.readers.archive_text import ArchiveText
from gaia_redshift.tables.readers.csv import CsvTable
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from tests.gaia_redshift.bulk.files import FIRST_ID, HEADER, archive_rows, ecsv_header, write_archive


def read(path: Path, *, errors: bool = False) -> SpectrumBatch:
    with path.open("rb") as file, opened(file, path.name) as table:
        assert isinstance(table, ArchiveText)
        return SpectrumBatch.join(list(read_spectra(table, recognise(table), carry=True, errors=errors)))


def defective(rows: list[str]) -> tuple[list[str], dict[int, str]]:
    """Return rows, some with the damage of DR3's one defective file and others, and a description of each."""
    cut, merged, short = rows[3][:500], rows[5][:900] + rows[6], rows[8].replace("0.0, ", "", 1).replace(", ", "; ", 1)
    noise = rows[10][:300] + "\x00\x01\udc80" + rows[10][300:]
    open_quote = rows[12].replace('"', "", 1)
    other = rows[14].replace(",56,", ",77,", 1)
    absent = rows[16].replace(rows[16].split('"')[1], "[0.3, null]", 1)
    fewer = archive_rows(1, 3, sizes=(54, 55))[0]
    blank = rows[18].replace(f'"{rows[18].split(chr(34))[1]}"', "", 1)
    changed = {
        3: cut, 5: merged, 8: short, 10: noise, 12: open_quote, 14: other, 16: absent, 18: blank, 20: fewer,
        22: rows[22].replace("400", "4x0", 1),
    }  # fmt: skip
    codes = {
        3: "ragged_row", 5: "ragged_row", 8: "not_a_number", 10: "not_a_number", 12: "ragged_row",
        14: "unknown_basis", 16: "missing_value", 18: "missing_value", 20: "ragged_row", 22: "not_a_number",
    }  # fmt: skip
    return [changed.get(number, row) for number, row in enumerate(rows)], codes


@pytest.mark.parametrize("brackets", ["[]", "()"])
def test_defective_rows_are_listed_and_the_rows_before_and_after_them_are_kept(tmp_path: Path, brackets: str) -> None:
    rows = archive_rows(30, 2, brackets)
    damaged, codes = defective(rows)
    text = ecsv_header() + "\n".join([",".join(HEADER), *damaged]) + "\n"
    (tmp_path / "a.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    batch = read(tmp_path / "a.csv")
    assert len(batch) == 30
    assert {row: problem.code for row, problem in batch.problems.items()} == codes
    whole = read(write_archive(tmp_path / "whole.csv.gz", rows))
    good = sorted(set(range(30)) - set(codes))
    assert (batch.flux[good] == whole.flux[good]).all()
    assert whole.source_id == [FIRST_ID + 2 * 10**6 + row for row in range(30)]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["ecsv", ""])
def test_rows_are_those_that_the_reader_of_any_csv_gives(tmp_path: Path, ends: str, header: str) -> None:
    path = write_archive(tmp_path / "a.csv.gz", archive_rows(25, 4), header=None if header else "")
    text = gzip.decompress(path.read_bytes()).replace(b"\n", ends.encode())
    (tmp_path / "plain.csv").write_bytes(text)
    fast = read(tmp_path / "plain.csv")
    slow_table = CsvTable(io.BytesIO(text))
    slow = SpectrumBatch.join(list(read_spectra(slow_table, recognise(slow_table))))
    assert (fast.flux == slow.flux).all()
    assert [int(one) for one in fast.source_id or ()] == [int(one) for one in slow.source_id or ()]
    assert not fast.problems


def test_types_of_csv_are_settled_by_the_names_of_the_archive(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.csv.gz", archive_rows(3), header="")
    with path.open("rb") as file, opened(file, path.name) as table:
        table.settle(range(len(HEADER)))
        kinds = {field.name: str(field.type) for field in table.schema}
        assert (kinds["source_id"], kinds["bp_n_parameters"], kinds["rp_chi_squared"]) == ("int64", "int64", "double")
        (block,) = table.blocks([0, 8])
        assert block.columns.column(0).to_pylist() == [FIRST_ID + row for row in range(3)]
        assert block.columns.column(1).to_pylist() == [5853.5] * 3


def test_a_row_without_an_end_is_refused_and_blocks_end_with_their_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(HEADER) + "\n" + archive_rows(1)[0] + "\n" + "1" * 10_000_000)
    with pytest.raises(MalformedBodyError, match="a row is longer than"):
        read(path)
    path.write_text(",".join(HEADER) + "\n")
    with pytest.raises(InvalidTableError, match="no BP and no RP coefficients"):
        read(path)
    rows = archive_rows(4500, 1)
    path.write_text("\n".join([",".join(HEADER), *rows]))
    with path.open("rb") as file, opened(file, path.name) as table:
        sizes = [len(block.columns) for block in table.blocks([0, 9, 10, 11])]
    assert sum(sizes) == 4500
    assert max(sizes) <= 4096
    assert np.array_equal(read(path).flux[-1], read(write_archive(tmp_path / "b.csv.gz", rows[-9:])).flux[-1])
