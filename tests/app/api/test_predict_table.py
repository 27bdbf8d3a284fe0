import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.spectra import DR3, FloatArray
from gaia_redshift.tables.formats import FORMATS, opened
from tests.app.api.test_predict import error_of
from tests.tiny import tiny_redshift

Make = Callable[[int], FloatArray]
READ_AND_WRITTEN = [name for name, one in FORMATS.items() if one.writes]


def encoded(name: str, flux: FloatArray) -> bytes:
    """Return a table of spectra in a format, with identifiers, a name and a position."""
    arrays = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples)
    columns: dict[str, Any] = {
        "ra": np.arange(len(flux)) / 4,
        "source_id": np.arange(len(flux)) + 5_000_000_000_000_000_001,
        "flux": arrays,
        "name": [f"galaxy {number}" for number in range(len(flux))],
    }
    file = io.BytesIO()
    writer = FORMATS[name].writer(file, {})
    writer.write(pyarrow.RecordBatch.from_pydict(columns))
    writer.close()
    return file.getvalue()


def decoded(content: bytes) -> pyarrow.Table:
    with opened(io.BytesIO(content)) as table:
        every = list(range(len(table.schema)))
        table.settle(every)
        return pyarrow.Table.from_batches([block.columns for block in table.blocks(every)])


@pytest.mark.parametrize("name", READ_AND_WRITTEN)
def test_a_table_comes_back_in_its_format_with_its_columns_and_redshifts(
    service: TestClient, make_flux: Make, name: str
) -> None:
    flux = make_flux(20)
    kind = FORMATS[name].media_types[0]
    reply = service.post("/predict/table", content=encoded(name, flux), headers={"Content-Type": kind})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].partition(";")[0] == kind
    assert "Gaia DR3 samples in e-/s, from the array column flux" in reply.headers["x-recognised"]
    table = decoded(reply.content)
    assert table.column_names[:4] == ["ra", "source_id", "name", "redshift"]
    assert table["source_id"].to_pylist() == [5_000_000_000_000_000_001 + number for number in range(20)]
    assert table["name"].to_pylist()[3] == "galaxy 3"
    assert table["redshift"].to_pylist() == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)


@pytest.mark.parametrize("name", READ_AND_WRITTEN)
def test_the_answers_format_is_asked_for_by_name_or_accept(service: TestClient, make_flux: Make, name: str) -> None:
    body = {"files": {"file": ("spectra.parquet", encoded("parquet", make_flux(2)))}}
    kind = FORMATS[name].media_types[0]
    by_name = service.post(f"/predict/table?format={name}", **body)
    by_accept = service.post("/predict/table", headers={"Accept": kind}, **body)
    for reply in (by_name, by_accept):
        assert reply.headers["content-type"].partition(";")[0] == kind
        assert decoded(reply.content)["status"].to_pylist() == ["ok", "ok"]


def test_a_misspelt_query_is_refused(service: TestClient, make_flux: Make) -> None:
    body = {"files": {"file": ("a.csv", encoded("csv", make_flux(1)))}}
    error = error_of(service.post("/predict/table?piror=flat", **body), 422, "invalid_request")
    assert error["details"][0]["at"] == "piror"


def test_more_rows_than_allowed_are_413(models: Path, make_flux: Make) -> None:
    settings = Settings(models=models, default_model="tiny", engine="onnx", max_rows=5)
    with TestClient(create_app(settings)) as service:
        reply = service.post("/predict/table", files={"file": ("a.fits", encoded("fits", make_flux(6)))})
        error_of(reply, 413, "body_too_large")


@pytest.mark.parametrize(
    "content", [b"", b"SIMPLE  =", b"PAR1", b"<?xml version='1.0'?><VOTABLE/>", b"{", b"\x1f\x8b\x08"]
)
def test_content_that_is_not_a_table_is_refused_in_one_shape(service: TestClient, content: bytes) -> None:
    reply = service.post("/predict/table", files={"file": ("a", content)})
    assert reply.status_code in {400, 422}
    assert reply.json()["error"]["message"]


def test_a_stamp_says_in_every_row_who_answered(service: TestClient, make_flux: Make) -> None:
    body = encoded("parquet", make_flux(3))
    kind = {"Content-Type": FORMATS["parquet"].media_types[0]}
    found = decoded(service.post("/predict/table?stamp=true", content=body, headers=kind).content)
    assert found["model"].to_pylist() == ["tiny@1.2.3"] * 3
    assert found["prior"].to_pylist() == ["survey"] * 3
    assert found.column_names[-2:] == ["model", "prior"]
