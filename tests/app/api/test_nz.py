"""The distribution of a sample is the same by JSON, tables, command, client and library; so is prior=sample."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.main import create_app
from app.settings import Settings
from gaia_redshift import Predictor
from gaia_redshift.client import AsyncClient
from gaia_redshift.commands.nz import nz
from gaia_redshift.commands.predict import predict
from gaia_redshift.spectra import DR3, FloatArray
from gaia_redshift.tables.formats import FORMATS
from tests.app.api.test_predict import error_of
from tests.app.api.test_predict_density import ask, upload
from tests.app.api.test_predict_table import decoded, encoded
from tests.gaia_redshift.client.test_client import in_process
from tests.tiny import WEIGHTS, tiny_redshift, write_tiny_bundle

ROWS = 400


@pytest.fixture(scope="module")
def flux() -> FloatArray:
    """Return spectra whose tiny redshifts scatter about .3, where the survey has few."""
    random = np.random.default_rng(7)
    made = random.uniform(0.1, 0.9, (ROWS, DR3.samples))
    wanted = random.normal(0.3, 0.02, ROWS)
    return (made * (wanted / (made @ WEIGHTS))[:, None]).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_bundle(folder / "tiny", density=True)
    write_tiny_bundle(folder / "point", "point")
    return folder


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(models=models, default_model="tiny", engine="onnx", threads=1))) as client:
        yield client


def test_a_reply_with_densities_gives_the_distribution(service: TestClient, flux: FloatArray) -> None:
    for prior in ("survey", "flat"):
        predicted = ask(service, flux, prior=prior, pdf=True)
        found = service.post("/nz", content=predicted.content, headers={"Content-Type": "application/json"})
        assert found.status_code == 200, found.text
        reply = found.json()
        assert reply["model"] == {"name": "tiny", "version": "1.2.3"}
        assert (reply["prior"], reply["galaxies"] + reply["left_out"]) == (prior, ROWS)
        assert reply["redshift_mean"] == pytest.approx(tiny_redshift(flux).mean(), abs=0.006)
        assert reply["redshift_mean_error"] < 0.006
        assert sum(row["n"] for row in reply["intervals"]) == pytest.approx(reply["galaxies"], abs=0.1)
        assert np.dot(reply["pdf"], np.diff(reply["bin_edges"])) == pytest.approx(1)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.writes])
def test_tables_and_the_command_give_what_json_gives(
    service: TestClient, models: Path, flux: FloatArray, name: str, tmp_path: Path
) -> None:
    kind = FORMATS[name].media_types[0]
    wanted = service.post("/nz", json=ask(service, flux, prior="flat", pdf=True).json()).json()
    answer = service.post(
        "/predict/table",
        content=encoded("arrow", flux),
        headers={"Content-Type": FORMATS["arrow"].media_types[0], "Accept": kind},
        params={"prior": "flat", "pdf": "true", "format": name},
    )
    params = {"prior": "flat"} if name in {"csv", "jsonl"} else {}  # which cannot say it themselves
    found = service.post("/nz", content=answer.content, headers={"Content-Type": kind}, params=params)
    assert found.status_code == 200, found.text
    assert found.json()["redshift_mean"] == pytest.approx(wanted["redshift_mean"])

    table, out = tmp_path / f"z{FORMATS[name].extensions[0]}", tmp_path / f"nz{FORMATS[name].extensions[0]}"
    table.write_bytes(answer.content)
    nz(table, out, prior=params.get("prior"), model="tiny", models=models)
    rows = decoded(out.read_bytes()).to_pylist()
    assert [list(row) for row in rows[:1]] == [["z_low", "z_high", "n", "error"]]
    assert [row["n"] for row in rows] == pytest.approx([row["n"] for row in wanted["intervals"]], abs=0.01)


def test_the_ensemble_holds_the_estimate_and_its_bootstrap_samples(
    service: TestClient, models: Path, flux: FloatArray, tmp_path: Path
) -> None:
    from astropy.io import fits

    reply = ask(service, flux, prior="flat", pdf=True).json()
    wanted = service.post("/nz", json=reply).json()
    table = tmp_path / "densities.jsonl"
    table.write_text("\n".join(json.dumps({"pdf": row["pdf"]}) for row in reply["predictions"]))
    nz(table, tmp_path / "nz.qp.fits", prior="flat", model="tiny", models=models)
    with fits.open(tmp_path / "nz.qp.fits") as file:
        assert file["DATA"].data["pdfs"].shape == (51, 60)
        assert file["ANCIL"].data["kind"].tolist() == ["estimate", *["bootstrap"] * 50]
        assert file["DATA"].data["pdfs"][0] == pytest.approx(wanted["pdf"], rel=1e-3, abs=1e-4)


def test_every_way_answers_under_the_samples_own_distribution(
    service: TestClient, models: Path, flux: FloatArray, tmp_path: Path
) -> None:
    in_json = ask(service, flux, prior="sample").json()
    assert in_json["prior"] == "sample"
    wanted = [row["redshift"] for row in in_json["predictions"]]
    under_survey = [row["redshift"] for row in ask(service, flux).json()["predictions"]]
    true = tiny_redshift(flux)
    assert np.abs(np.mean(wanted - true)) < 0.5 * np.abs(np.mean(under_survey - true))

    library = Predictor("tiny", models=models, engine="onnx", threads=1)
    assert library(flux, prior="sample")["redshift"] == pytest.approx(wanted)
    for path, kind, content in (
        ("/predict/csv", "text/csv", upload(flux)),
        *(
            ("/predict/table", FORMATS[name].media_types[0], encoded(name, flux))
            for name in ("fits", "arrow", "votable")
        ),
    ):
        answer = service.post(path, content=content, headers={"Content-Type": kind}, params={"prior": "sample"})
        assert (answer.status_code, answer.headers.get("x-prior")) == (200, "sample"), answer.text
        assert decoded(answer.content)["redshift"].to_pylist() == pytest.approx(wanted)
    (tmp_path / "in.csv").write_bytes(upload(flux))
    predict(tmp_path / "in.csv", tmp_path / "out.csv", model="tiny", models=models, prior="sample")
    assert decoded((tmp_path / "out.csv").read_bytes())["redshift"].to_pylist() == pytest.approx(wanted)

    async def use(client: AsyncClient) -> None:
        answer = await client.predict(flux, prior="sample")
        assert answer.prior == "sample"
        assert [each.redshift for each in answer] == pytest.approx(wanted)

    in_process(Settings(models=models, default_model="tiny", engine="onnx", threads=1), use)


@pytest.mark.parametrize(
    ("rows", "model", "code", "message"),
    [
        (199, "tiny", "invalid_request", "at least 200 galaxies"),
        (ROWS, "point", "unsupported_by_model", "the prior sample needs a density model"),
    ],
)
def test_too_few_rows_and_point_models_are_refused(
    service: TestClient, flux: FloatArray, rows: int, model: str, code: str, message: str
) -> None:
    refused = error_of(ask(service, flux[:rows], prior="sample", model=model), 422, code)
    assert message in refused["message"]
    answer = service.post(
        "/predict/csv",
        content=upload(flux[:rows]),
        headers={"Content-Type": "text/csv"},
        params={"prior": "sample", "model": model},
    )
    error_of(answer, 422, code)


def broken(reply: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**reply, **changes}


def test_a_body_without_densities_is_refused_with_advice(service: TestClient, flux: FloatArray) -> None:
    good = ask(service, flux, prior="flat", pdf=True).json()
    bare = ask(service, flux).json()
    rows = good["predictions"]
    cases = [
        (bare, {}, "invalid_table", "no row has a density: predict with --pdf"),
        (broken(good, prior="sample"), {}, "invalid_table", "predict with --prior flat"),
        ({key: good[key] for key in ("model", "predictions")}, {}, "invalid_table", "?prior=flat"),
        (broken(good, model={"name": "point", "version": "1.2.3"}), {}, "unsupported_by_model", "needs densities"),
        (broken(good, model={"name": "other", "version": "1"}), {}, "unknown_model", "other"),
        (broken(good, predictions=[{"pdf": [1.0] * 59}] * 300), {}, "invalid_table", "59"),
        (broken(good, predictions=[{"pdf": [9.0] * 60}] * 300), {}, "invalid_table", "row 0"),
        (broken(good, predictions=[{"pdf": "x"}, *rows]), {}, "invalid_request", "not a list of numbers"),
        (broken(good, predictions={}), {}, "invalid_request", "not a reply of /predict"),
        ([], {}, "invalid_request", "not a reply of /predict"),
        (broken(good, predictions=rows[:10]), {}, "invalid_request", "there are 10"),
        (good, {"prior": "survey"}, "invalid_table", "made with the prior flat, not survey"),
        (good, {"model": "other"}, "unknown_model", "other"),
        (good, {"model": "point"}, "invalid_table", "made with the model tiny@1.2.3, not point@1.2.3"),
        (good, {"width": "0.001"}, "invalid_request", "at least that of the bins"),
        (good, {"widht": "0.1"}, "invalid_request", "did you mean width?"),
    ]
    for body, params, code, message in cases:
        error = service.post("/nz", json=body, params=params).json()["error"]
        assert (error["code"], message in json.dumps(error)) == (code, True), (error, message)
    answer = service.post("/nz", content=upload(flux), headers={"Content-Type": "text/csv"})
    assert "predict with --pdf" in error_of(answer, 422, "invalid_table")["message"]


def test_a_body_of_more_structure_than_predictions_have_is_refused_before_it_is_parsed(service: TestClient) -> None:
    for piece in (b"[[0]],", b"{},", b"0,"):
        body = b'{"predictions":[' + piece * 4_000_000 + b"0]}"
        answer = service.post("/nz", content=body[: 40 << 20], headers={"Content-Type": "application/json"})
        assert "more than 10000 predictions" in error_of(answer, 422, "invalid_request")["message"]


def test_the_command_says_what_it_found(models: Path, flux: FloatArray, tmp_path: Path) -> None:
    from gaia_redshift.commands.main import build

    (tmp_path / "in.csv").write_bytes(upload(flux))
    predict(tmp_path / "in.csv", tmp_path / "out.csv", model="tiny", models=models, prior="flat", pdf=True, stamp=True)
    found = CliRunner().invoke(
        build(), ["nz", str(tmp_path / "out.csv"), "-o", "-", "--models", str(models)], catch_exceptions=False
    )
    if "No such command" in found.output:
        pytest.skip("the command is not installed from this tree")
    assert found.exit_code == 0
    assert "400 galaxies, 0 left out, by tiny@1.2.3 under the prior flat: mean redshift 0." in found.stderr
    assert io.StringIO(found.stdout).readline().strip() == "z_low,z_high,n,error"
