"""The whole way, in real processes with the shipped model: file, HTTP, client and command give one answer."""

import asyncio
import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from gaia_redshift.client import AsyncClient, Client
from gaia_redshift.spectra import DR3, FloatArray
from tests.server import Server, Start
from tests.tiny import REFERENCE, SHIPPED

NAMES = [f"flux_{number}" for number in range(DR3.samples)]
TOLERANCE = 2e-6


def write_csv(path: Path, flux: FloatArray) -> Path:
    rows = [",".join(map(str, row)) for row in flux.tolist()]
    path.write_text("\n".join([",".join(NAMES), *rows]) + "\n")
    return path


def redshifts_of(table: str) -> list[float]:
    rows = list(csv.DictReader(io.StringIO(table)))
    assert {row["status"] for row in rows} == {"ok"}
    return [float(row["redshift"]) for row in rows]


def every_way(server: Server, table: Path, folder: Path) -> dict[str, list[float]]:
    """Return the redshifts of a table's spectra by every interface."""
    flux = np.loadtxt(table, delimiter=",", skiprows=1, ndmin=2)
    content = table.read_bytes()
    found: dict[str, list[float]] = {}

    reply = httpx.post(f"{server.url}/predict", json={"spectra": [{"flux": row} for row in flux.tolist()]}, timeout=60)
    found["json"] = [row["redshift"] for row in reply.json()["predictions"]]
    spectra = [
        {"bp": [0.0] * 34 + row[:80] + [0.0] * 6, "rp": [0.0] * 4 + row[80:] + [0.0] * 10} for row in flux.tolist()
    ]
    reply = httpx.post(f"{server.url}/predict", json={"spectra": spectra}, timeout=60)
    found["json, 120 + 120 samples"] = [row["redshift"] for row in reply.json()["predictions"]]

    raw = httpx.post(f"{server.url}/predict/csv", content=content, headers={"Content-Type": "text/csv"}, timeout=60)
    found["csv, raw"] = redshifts_of(raw.text)
    form = httpx.post(f"{server.url}/predict/csv", files={"file": (table.name, content)}, timeout=60)
    found["csv, upload"] = redshifts_of(form.text)

    with Client(server.url) as client:
        found["client"] = [one.redshift or np.nan for one in client.predict(flux)]
        found["client, csv"] = [one.redshift or np.nan for one in client.predict_csv(table)]

    async def asynchronously() -> list[float]:
        async with AsyncClient(server.url) as client:
            return [one.redshift or np.nan for one in await client.predict(flux)]

    found["client, asynchronous"] = asyncio.run(asynchronously())

    output = folder / "out.csv"
    command = [
        sys.executable,
        "-m",
        "gaia_redshift.commands.main",
        "predict",
        str(table),
        "-o",
        str(output),
        "--models",
        str(SHIPPED),
    ]
    subprocess.run(command, check=True, capture_output=True)
    found["command"] = redshifts_of(output.read_text())
    return found


def test_every_way_gives_the_same_redshifts_of_simulated_galaxies(
    server: Server, simulated: FloatArray, tmp_path: Path
) -> None:
    found = every_way(server, write_csv(tmp_path / "in.csv", simulated[:50]), tmp_path)
    for way, redshifts in found.items():
        assert redshifts == pytest.approx(found["json"], abs=TOLERANCE), way
    assert np.ptp(found["json"]) > 0.1


@pytest.mark.skipif(not REFERENCE.exists(), reason="the real spectra are not part of the repository")
def test_a_real_galaxy_gets_one_plausible_redshift_every_way(server: Server, tmp_path: Path) -> None:
    found = every_way(server, REFERENCE / "real_galaxy.csv", tmp_path)
    (redshift,) = found["json"]
    assert 0 < redshift < 0.6
    for way, redshifts in found.items():
        assert redshifts == pytest.approx([redshift], abs=TOLERANCE), way


def test_many_clients_at_once_each_get_their_own_answers(server: Server, simulated: FloatArray) -> None:
    async def ask() -> None:
        async with AsyncClient(server.url) as client:
            alone = [one.redshift for one in await client.predict(simulated[:200])]
            replies = await asyncio.gather(
                *(client.predict(simulated[start : start + size]) for start in range(0, 200, 10) for size in (1, 3, 10))
            )
            asked = [(start, size) for start in range(0, 200, 10) for size in (1, 3, 10)]
            for (start, size), reply in zip(asked, replies, strict=True):
                assert [one.redshift for one in reply] == pytest.approx(alone[start : start + size], abs=TOLERANCE)

    asyncio.run(ask())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's list of loaded libraries")
def test_the_service_predicts_without_tensorflow_in_memory(server: Server) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in maps
    assert "tensorflow" not in maps


LIBRARIES = (
    "alembic, fastapi, numpy, onnxruntime, orjson, prometheus_client, pyarrow, pydantic_settings, sqlalchemy, "
    "structlog, typer, uvicorn"
)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's account of a process")
def test_a_start_costs_little_more_than_the_import_of_its_libraries(start: Start) -> None:
    # Processor time of both on this machine; benchmarks/startup.py measures seconds. The ratio is 1.2 to 1.3.
    before = os.times()
    subprocess.run([sys.executable, "-c", f"import {LIBRARIES}"], check=True)
    after = os.times()
    bare = after.children_user + after.children_system - before.children_user - before.children_system
    with start(engine="onnx") as running:
        user, system = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    assert (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") < 2 * bare


def test_the_keras_server_answers_as_the_onnx_server_does(start: Start, server: Server, simulated: FloatArray) -> None:
    """And TensorFlow prints nothing into its log."""
    with (
        start(engine="keras") as keras,
        Client(keras.url) as client,
        Client(server.url) as other,
    ):
        assert client.models()[0]["engine"] == "keras"
        assert [line for line in keras.log.read_text().splitlines() if not line.startswith("{")] == []
        expected = [one.redshift for one in other.predict(simulated)]
        assert [one.redshift for one in client.predict(simulated)] == pytest.approx(expected, abs=5e-6)
