"""Gzipped text of the archive is read as a stream; damage shows where it is, at the checksum at the latest."""

import gzip
import io
from pathlib import Path

import pytest

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables import stream
from gaia_redshift.tables.stream import GzipStream, archive_stream
from tests.gaia_redshift.bulk.files import archive_rows, flip_bit, write_archive


@pytest.fixture(params=["isal", "zlib"])
def unzipping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "zlib":
        monkeypatch.setattr(stream, "_open", gzip.GzipFile)
    elif stream._isal is None:
        pytest.skip("isal is not installed")
    return str(request.param)


def everything(path: Path) -> bytes:
    with path.open("rb") as file:
        made = GzipStream(file)
        pieces = []
        while piece := made.read(10_000):
            pieces.append(piece)
        return b"".join(pieces)


def test_it_can_be_read_from_the_start_repeatedly(unzipping: str) -> None:
    text = bytes(range(256)) * 9000
    file = io.BytesIO(gzip.compress(text[:1000]) + gzip.compress(text[1000:]))
    made = GzipStream(file)
    assert made.read(500) == text[:500]
    assert made.seek(2_000_000) == made.tell() == 2_000_000
    assert made.read() == text[2_000_000:]
    made.seek(0)
    assert made.read() == text
    assert not file.closed


@pytest.mark.parametrize("place", [-7, -3, -40, 2000])
def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path, unzipping: str, place: int) -> None:
    path = write_archive(tmp_path / "a.csv.gz", archive_rows(20))
    assert everything(path)
    flip_bit(path, place)
    with pytest.raises(MalformedBodyError, match="damaged or cut short"):
        everything(path)


def test_a_file_that_is_cut_short_and_a_bomb_are_refused(tmp_path: Path, unzipping: str) -> None:
    path = write_archive(tmp_path / "a.csv.gz", archive_rows(20))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(MalformedBodyError, match="cut short"):
        everything(path)
    path.write_bytes(gzip.compress(bytes(100 << 20)))
    with pytest.raises(MalformedBodyError, match="200 times its size"):
        everything(path)


def test_other_files_are_not_read_so() -> None:
    for content in (b"bp_coefficients", gzip.compress(b"<VOTABLE bp_coefficients"), gzip.compress(b"flux_0\n"), b""):
        assert archive_stream(io.BytesIO(content)) is None
    assert archive_stream(io.BytesIO(gzip.compress(b"source_id,BP_coefficients,"))) is not None
