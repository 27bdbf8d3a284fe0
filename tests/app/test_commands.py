"""What is wrong at start-up ends in one line, before anything says that it runs."""

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from starlette.types import Message

from app.commands import _ignored
from app.main import create_app
from app.settings import Settings
from gaia_redshift.bundle import MANIFEST, Manifest, seal
from gaia_redshift.commands import main as cli
from gaia_redshift.engine import installed
from gaia_redshift.errors import InvalidBundleError
from tests.tiny import write_tiny_bundle

Run = Callable[..., str]


@pytest.fixture
def refusal(models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return the one line with which `serve` ends for some options and settings."""
    monkeypatch.setenv("GAIA_REDSHIFT_MODELS", str(models))
    monkeypatch.setenv("GAIA_REDSHIFT_DEFAULT_MODEL", "tiny")
    monkeypatch.setattr("app.server.serve", lambda _: pytest.fail("it runs"))

    def serve(*options: object, **settings: str) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(f"GAIA_REDSHIFT_{name.upper()}", value)
        monkeypatch.setattr("sys.argv", ["gaia-redshift", "serve", *map(str, options)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        assert stop.value.code == 2
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1, err
        return err

    return serve


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        ({"default_model": "nope"}, ("there is no model 'nope'", "there are: tiny@1.2.3", "--models FOLDER")),
        ({"default_model": "tinny"}, ("did you mean tiny",)),
        ({"models": "/nonexistent"}, ("there is no folder /nonexistent", "--models")),
        ({"archive_url": "nowhere"}, ("GAIA_REDSHIFT_ARCHIVE_URL", "https://")),
        ({"api_keys": "nonsense"}, ("GAIA_REDSHIFT_API_KEYS: it must be JSON",)),
        ({"api_keys": '{"me": "secret"}'}, ("GAIA_REDSHIFT_API_KEYS[me]", "gaia-redshift key")),
        ({"bundle_public_key": "/nonexistent.pem"}, ("nonexistent.pem cannot be read",)),
        ({"port": "many"}, ("GAIA_REDSHIFT_PORT", "valid integer")),
        ({"host": "203.0.113.1"}, ("cannot listen on 203.0.113.1", "--host")),
        ({"host": "no host"}, ("this machine has no address 'no host'", "--host")),
    ],
)
def test_a_wrong_setting_ends_in_one_line(refusal: Run, settings: dict[str, str], messages: tuple[str, ...]) -> None:
    line = refusal(**settings)
    for message in messages:
        assert message in line


Warnings = Callable[[str], list[str]]


@pytest.fixture
def warned(models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Warnings:
    """Return the lines that `serve` writes about a variable before it starts."""
    monkeypatch.setattr("app.server.serve", lambda _: None)
    monkeypatch.setattr("sys.argv", ["gaia-redshift", "serve", "--models", str(models), "--port", "0"])
    monkeypatch.setenv("GAIA_REDSHIFT_DEFAULT_MODEL", "tiny")

    def serve(variable: str) -> list[str]:
        monkeypatch.setenv(variable, "secret")
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        return capfd.readouterr().err.splitlines()

    return serve


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("GAIA_REDSHIFT_DEFALT_MODEL", "did you mean GAIA_REDSHIFT_DEFAULT_MODEL?"),
        ("GAIA_REDSHIFT_JOB_FOLDER", "did you mean GAIA_REDSHIFT_JOBS_FOLDER?"),
        ("gaia_redshift_corsorigins", "did you mean GAIA_REDSHIFT_CORS_ORIGINS?"),
        ("GAIA_REDSHIFT_XYZZY", "docs/reference/settings.md lists the settings"),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_nearest(warned: Warnings, variable: str, hint: str) -> None:
    assert warned(variable) == [f"warning: {variable} is not a setting and is ignored: {hint}"]


@pytest.mark.parametrize(
    "name",
    ["URL", "API_KEY", "REFERENCE", "SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"],
)
def test_variables_of_the_client_the_tests_and_kubernetes_are_passed_over(warned: Warnings, name: str) -> None:
    assert warned(f"GAIA_REDSHIFT_{name}") == []


def test_each_variable_that_a_command_reads_is_known() -> None:
    files = Path(cli.__file__).parent.glob("*.py")
    read = {name for file in files for name in re.findall(r"GAIA_REDSHIFT_[A-Z_]+", file.read_text())}
    assert {"GAIA_REDSHIFT_URL", "GAIA_REDSHIFT_MODELS"} <= read
    assert list(_ignored(read)) == []


def test_a_folder_without_bundles_is_named(refusal: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert f"there is no bundle in {tmp_path / 'empty'}" in refusal("--models", tmp_path / "empty")


def test_a_default_model_that_is_a_folder_elsewhere_gets_advice(refusal: Run, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "mine" / "other")
    assert f"--models {tmp_path / 'mine'}" in refusal(default_model=str(tmp_path / "mine" / "other"))


def test_an_engine_that_is_not_installed_is_told_how_to_install(refusal: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    line = refusal(engine="keras")
    assert "needs TensorFlow or JAX" in line
    assert "[gpu]'" in line


def test_a_port_in_use_is_named_with_the_option_that_changes_it(refusal: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is in use" in refusal("--port", port)
        assert "--port" in refusal("--port", port)


def break_network(models: Path) -> None:
    """Put a network that does not load into the tiny bundle, with its right hash."""
    folder = models / "tiny"
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    graph = onnx.load(folder / "model.onnx")
    graph.graph.node[0].op_type = "Unheard"
    onnx.save(graph, folder / "model.onnx")
    seal(folder, manifest)


def test_a_network_that_does_not_load_ends_in_one_line_too(refusal: Run, models: Path) -> None:
    break_network(models)
    line = refusal()
    assert "tiny/model.onnx cannot be loaded, though its hash is right" in line
    assert "copy the bundle again from its source" in line


def test_the_log_of_a_failed_start_has_the_reason_and_no_traceback(settings: Settings) -> None:
    break_network(settings.models)
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    with pytest.raises(InvalidBundleError):
        asyncio.run(create_app(settings)({"type": "lifespan", "state": {}}, receive, send))
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert said[0]["message"].startswith("the service does not start: tiny/model.onnx cannot be loaded")
    assert "\n" not in said[0]["message"]


def test_a_bundle_in_the_place_of_its_folder_is_told_so(refusal: Run, models: Path) -> None:
    assert f"is a bundle itself: give the folder that holds it, --models {models}" in refusal(
        "--models", models / "tiny"
    )
