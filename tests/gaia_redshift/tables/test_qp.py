"""Densities as qp reads them."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.tables.formats import format_to_write, opened
from gaia_redshift.tables.writers.qp import QpWriter
from tests.gaia_redshift.tables.test_clients import IDS, answer

EDGES = [0.0, 0.1, 0.3, 0.6]


def write(path: Path, times: int = 1) -> Path:
    target = path / "z.qp.fits"
    with target.open("wb") as file:
        assert format_to_write(target.name).name == "qp"
        writer = format_to_write(target.name).writer(file, {"model": "tiny@1.2.3", "bin_edges": str(EDGES)})
        for _ in range(times):
            writer.write(answer())
        writer.close()
    return target


def test_three_plain_tables_hold_edges_densities_and_the_rest(tmp_path: Path) -> None:
    fits = pytest.importorskip("astropy.io.fits")
    with fits.open(write(tmp_path, times=700)) as file:
        file.verify("exception")
        assert file["META"].data["pdf_name"].tolist() == ["hist"]
        assert file["META"].data["bins"][0].tolist() == EDGES
        pdf = file["DATA"].data["pdfs"]
        assert pdf.shape == (2100, 3)
        assert pdf[2099].tolist() == [6, 7, 8]
        assert np.isnan(pdf[1]).all()
        assert file["ANCIL"].data["source_id"][:3].tolist() == IDS
        assert "pdf" not in file["ANCIL"].columns.names
        assert file["ANCIL"].header["MODEL"] == "tiny@1.2.3"


def test_the_redshifts_beside_the_densities_are_read_back(tmp_path: Path) -> None:
    with opened(io.BytesIO(write(tmp_path).read_bytes())) as table:
        place = table.schema.names.index("redshift")
        (block,) = table.blocks([place])
    assert block.columns.column(0).to_pylist()[0] == 0.1


def test_without_densities_there_is_nothing_for_qp() -> None:
    with pytest.raises(InvalidInputError, match="--pdf"):
        QpWriter(io.BytesIO(), {"model": "tiny@1.2.3"})


def test_qp_reads_the_ensemble(tmp_path: Path) -> None:
    qp = pytest.importorskip("qp")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = qp.read(str(write(tmp_path)))
        pdf = found.pdf([0.05, 0.2, 0.4])
    assert found.npdf == 3
    widths = np.diff(EDGES)
    wanted = np.array([6, 7, 8]) / (np.array([6, 7, 8]) * widths).sum()
    np.testing.assert_allclose(pdf[2], wanted, rtol=1e-6)
    assert np.asarray(found.ancil["source_id"]).tolist() == IDS
