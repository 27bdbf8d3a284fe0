"""Zip archives of several tables, as the archive gives them for single sources, are read as one table."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from fastapi.testclient import TestClient

from gaia_redshift.commands.main import main
from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables import members
from gaia_redshift.tables.formats import FORMATS, opened, settle
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from training.data.columns import read_table

FIRST = 5_937_083_312_263_887_616


def one(name: str, number: int, *, source_id: bool = True, **more: object) -> bytes:
    """Return the file of one source: its first coefficients are its number."""
    coefficients = np.zeros(55)
    coefficients[0] = number + 1
    columns = {"source_id": [FIRST + number]} if source_id else {}
    columns |= {f"{band}_coefficients": [coefficients] for band in ("bp", "rp")}
    columns |= {key: [value] for key, value in more.items()}
    file = io.BytesIO()
    writer = FORMATS[name].writer(file, {})
    writer.write(pyarrow.RecordBatch.from_pydict(columns))
    writer.close()
    return file.getvalue()


def named(number: int, suffix: str = ".fits") -> str:
    return f"XP_CONTINUOUS-Gaia DR3 {FIRST + number}{suffix}"


def zipped(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def read(content: bytes, name: str = "") -> tuple[str, SpectrumBatch]:
    with opened(io.BytesIO(content), name) as table:
        found = recognise(table)
        settle(table, found, FORMATS["fits"])
        return found.sentence, SpectrumBatch.join(list(read_spectra(table, found, carry=True)))


@pytest.mark.parametrize("name", ["csv", "ecsv", "fits", "votable", "parquet"])
def test_a_file_for_each_source_is_read_in_order_and_other_products_are_left_out(name: str) -> None:
    suffix = FORMATS[name].extensions[0]
    files = {named(number, suffix): one(name, number, z=number / 10) for number in (2, 0, 1)}
    files[f"XP_SAMPLED-Gaia DR3 {FIRST}{suffix}"] = b"anything"
    files[f"MCMC_MSC-Gaia DR3 {FIRST}{suffix}"] = b""
    sentence, batch = read(zipped(files))
    assert sentence.startswith(f"{name} in zip, 3 files (2 other files left out): Gaia DR3 XP_CONTINUOUS")
    assert [int(str(found)) for found in batch.source_id or ()] == [FIRST + 2, FIRST, FIRST + 1]
    assert batch.carried.column("z").to_pylist() == [0.2, 0.0, 0.1]
    assert batch.carried.schema.field("source_id").type == pyarrow.int64()
    _, alone = read(files[named(2, suffix)])
    assert np.array_equal(batch.flux[0], alone.flux[0])


@pytest.mark.parametrize("kind", ["csv", "ecsv", "fits", "vot"])
def test_what_the_archive_itself_sent_is_read(kind: str) -> None:
    astroquery = pytest.importorskip("astroquery")
    folder = Path(astroquery.__file__).parent / "gaia" / "tests" / "data"
    path = folder / f"gaia_dr3_source_id_{FIRST}_dl_products_{kind}.zip"
    if not path.exists():
        pytest.skip("this astroquery comes without its tests")
    sentence, batch = read(path.read_bytes())
    assert "in zip (2 other files left out)" in sentence
    assert [str(found) for found in batch.source_id or ()] == [str(FIRST)]
    assert not batch.problems
    assert batch.flux[0, :2] == pytest.approx([17.504787, 18.048084], rel=1e-6)


def test_text_gets_the_types_that_hold_all_members() -> None:
    files = {named(0, ".csv"): one("csv", 0, mine="7"), named(1, ".csv"): one("csv", 1, mine="x")}
    _, batch = read(zipped(files))
    assert batch.carried.column("mine").to_pylist() == ["7", "x"]
    files[named(1, ".csv")] = one("csv", 1, mine="8.5")
    _, batch = read(zipped(files))
    assert batch.carried.column("mine").to_pylist() == [7.0, 8.5]


def test_a_bad_row_keeps_its_place_among_the_members() -> None:
    files = {named(number, ".csv"): one("csv", number) for number in range(3)}
    files[named(1, ".csv")] = files[named(1, ".csv")].replace(b"2.0", b"two")
    _, batch = read(zipped(files))
    assert list(batch.problems) == [1]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"XP_CONTINUOUS_RAW.csv": one("csv", 0), "XP_CONTINUOUS_RAW.fits": one("fits", 0)},
         r"several formats, such as XP_CONTINUOUS_RAW.csv and XP_CONTINUOUS_RAW.fits"),
        ({named(0): one("fits", 0), named(1): one("fits", 1, z=1.0)}, rf"{FIRST + 1}.fits: its columns are not those"),
        ({named(0): one("fits", 0, z=1.0), named(1): one("fits", 1, z="a")}, rf"{FIRST + 1}.fits: column z is string"),
        ({named(0): one("fits", 0), named(1): one("fits", 1)[:4000]}, rf"{FIRST + 1}.fits: the FITS file"),
        ({named(0): one("fits", 0), named(1): b""}, rf"{FIRST + 1}.fits: the file is empty"),
        ({}, "holds no file"),
        ({"xl/[Content_Types].xml": b"", "[Content_Types].xml": b""}, "workbook"),
    ],
    ids=["formats", "columns", "types", "cut", "empty", "none", "workbook"],
)  # fmt: skip
def test_an_archive_without_a_table_of_one_kind_is_refused_with_the_member(
    files: dict[str, bytes], message: str
) -> None:
    with pytest.raises((InvalidTableError, MalformedBodyError), match=message):
        read(zipped(files))


def test_members_are_bounded_in_number_and_together_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = {named(number, ".csv"): b"source_id,flux\n" + b"\n" * (40 << 20) for number in range(4)}
    with pytest.raises(MalformedBodyError, match="unpacks to more than"):
        read(zipped(blank))
    monkeypatch.setattr(members, "MOST_MEMBERS", 2)
    with pytest.raises(MalformedBodyError, match="holds 3 tables, at most 2 are read"):
        read(zipped({named(number): one("fits", number) for number in range(3)}))


def test_a_damaged_or_encrypted_member_is_refused_with_its_name() -> None:
    whole = zipped({named(number): one("fits", number) for number in range(2)})
    place = whole.index(named(1).encode()) + len(named(1)) + 20
    with pytest.raises(MalformedBodyError, match=rf"{FIRST + 1}.fits: .*damaged or cut short"):
        read(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(MalformedBodyError, match="encrypted"):
        read(bytes(encrypted))


def test_a_member_without_a_name_is_a_file_as_any_other() -> None:
    whole = bytearray(zipped({"a": one("fits", 0)}))
    for place in (26, whole.index(b"PK\x01\x02") + 28):  # its name of one byte becomes an extra field of one byte
        whole[place : place + 4] = b"\0\0\1\0"
    sentence, batch = read(bytes(whole))
    assert sentence.startswith("fits in zip: ")
    assert batch.source_id == [FIRST]


def test_command_service_and_training_read_them_alike(
    models: Path, service: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zipped({named(number): one("fits", number, z=0.1) for number in range(3)})
    path, out = tmp_path / "spectra.zip", tmp_path / "z.csv"
    path.write_bytes(content)
    words = ["gaia-redshift", "predict", path, "-o", out, "--models", models, "--model", "tiny"]
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    reply = service.post("/predict/table?format=csv", content=content, headers={"Content-Type": "application/zip"})
    assert reply.status_code == 200
    assert reply.headers["X-Recognised"].startswith("fits in zip, 3 files: Gaia DR3")
    ids = [line.split(",")[0] for line in reply.text.splitlines()]
    assert ids == ["source_id", *(str(FIRST + number) for number in range(3))]
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ids
    flux, found, _ = read_table(path, ("z",))
    assert flux.shape == (3, 186)
    assert found["z"].tolist() == pytest.approx([0.1] * 3)
