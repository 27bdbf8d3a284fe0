import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gaia_redshift.commands import main as cli
from gaia_redshift.commands.elsewhere import SERVICE, WORKSHOP
from gaia_redshift.errors import MissingDependencyError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the service and the workshop."""
    models = EntryPoint("models", "gaia_redshift.commands.models:models", cli.COMMANDS)
    monkeypatch.setattr(cli, "entry_points", lambda **_: [models])


@pytest.mark.parametrize(("part", "commands"), [("app", SERVICE), ("training", WORKSHOP)])
def test_every_command_of_a_part_is_known_where_that_part_is_not_installed(
    part: str, commands: tuple[str, ...]
) -> None:
    project = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]
    assert set(project["entry-points"][cli.COMMANDS]) == set(commands)


@pytest.mark.parametrize(
    ("command", "told"),
    [(name, "`make serve`") for name in SERVICE] + [(name, "`make workshop`") for name in WORKSHOP],
)
@pytest.mark.usefixtures("alone")
def test_a_command_of_another_part_says_how_to_get_it_whatever_follows_it(command: str, told: str) -> None:
    result = CliRunner().invoke(cli.build(), [command, "--port", "9000", "here"])
    assert isinstance(result.exception, MissingDependencyError)
    message = result.exception.message
    assert message.startswith(f"the command {command} is not part of this installation: ")
    assert told in message
    assert "\n" not in message


@pytest.mark.usefixtures("alone")
def test_help_lists_what_is_not_part_of_this_installation() -> None:
    lines = CliRunner().invoke(cli.build(), ["--help"]).output.splitlines()
    listed = {line.split()[0] for line in lines if line.endswith("(not part of this installation)")}
    assert listed == {*SERVICE, *WORKSHOP}
    assert "`make serve`" in " ".join(CliRunner().invoke(cli.build(), ["serve", "--help"]).output.split())
