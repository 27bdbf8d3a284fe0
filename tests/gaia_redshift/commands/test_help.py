"""Every sub-command shows an example first, and says one again where it was called wrongly."""

import re
from importlib.metadata import entry_points

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands import help as helping
from gaia_redshift.commands import main as cli
from gaia_redshift.commands.options import _names

NAMES = sorted(entry.name for entry in entry_points(group=cli.COMMANDS))


def said(*words: str) -> str:
    return CliRunner().invoke(cli.build(), list(words), prog_name="gaia-redshift").output


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_each_command_begins_with_examples_of_it(name: str) -> None:
    text = said(name, "--help")
    assert text.index("Usage:") < text.index("Examples:") < text.index("Options:")
    examples = re.findall(r"^    (.*gaia-redshift.*)$", text, flags=re.MULTILINE)
    assert examples
    assert all(re.search(rf"gaia-redshift {name}\b", example) for example in examples)


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_the_examples_exist(name: str) -> None:
    text = said(name, "--help")
    examples = re.compile(rf"^    .*gaia-redshift {name}(.*)$", re.MULTILINE)
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", examples.sub("", text)))
    for example in examples.findall(text):
        for option in re.findall(r"(?<=\s)--?[a-z][\w-]*", example.partition("|")[0]):
            assert option in known, option


def test_options_are_listed_by_group_those_of_no_group_last() -> None:
    headings = re.findall(r"^(\S.*):$", said("train", "--help"), flags=re.MULTILINE)
    assert headings[0] == "Arguments"
    assert headings[-1] == "Options"
    assert set(headings[1:-1]) == {"The spectra", "The recipe", "The bundle", "The run"}


def test_the_help_lists_every_command_by_what_it_is_for() -> None:
    text = said("--help")
    assert text.index("gaia-redshift predict spectra.csv") < text.index("Redshifts:") < text.index("The service:")
    for name in NAMES:
        assert re.search(rf"^  {name} ", text, flags=re.MULTILINE), name
    assert {name for names in helping.GROUPS.values() for name in names} <= set(NAMES)


@pytest.mark.parametrize(
    "words", [("predict", "in.csv"), ("train",), ("predict", "in.csv", "-o", "x.csv", "--nothing")]
)
def test_wrong_usage_is_answered_with_a_right_one(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli.build(), list(words), prog_name="gaia-redshift")
    assert result.exit_code == 2
    assert f"For example: gaia-redshift {words[0]} " in result.output


def test_the_version_names_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAIA_REDSHIFT_MODELS", raising=False)
    first, second = said("--version").splitlines()
    assert first.startswith("gaia-redshift ")
    assert re.fullmatch(r"models: default \d+\.\d+\.\d+, dissertation-cnn \d+\.\d+\.\d+", second)


def test_the_shell_completes_names_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIA_REDSHIFT_MODELS", str(SHIPPED_MODELS))
    assert _names("d") == ["default", "dissertation-cnn"]
    assert _names("dis") == ["dissertation-cnn"]
    option = next(one for one in get_command(cli.build()).commands["predict"].params if one.name == "model")  # type: ignore[attr-defined]
    assert option._custom_shell_complete is not None
