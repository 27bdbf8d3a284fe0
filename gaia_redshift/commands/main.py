"""The command ``gaia-redshift``: gathers its sub-commands from the entry points, so `app` never imports `training`."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

from gaia_redshift.errors import MissingDependencyError, RedshiftError

COMMANDS = "gaia_redshift.commands"
"""Entry-point group; each entry names a function with Typer annotations."""

_HELP = {"help_option_names": ["-h", "--help"]}

_ORDER = ("serve", "predict", "models", "key", "simulate", "analyse", "train", "evaluate", "tune", "upgrade")


def build() -> typer.Typer:
    """Return the command line with every installed sub-command."""
    application = typer.Typer(
        no_args_is_help=True,
        add_completion=True,
        context_settings=_HELP,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Redshifts of galaxies from Gaia BP/RP spectra.",
    )
    application.callback()(_options)
    found = {entry.name: entry for entry in entry_points(group=COMMANDS)}
    for name in sorted(found, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)):
        function = _load(found[name])
        application.command(name, context_settings=_HELP, epilog=_examples(function))(function)
    return application


def _load(entry: EntryPoint) -> Callable[..., Any]:
    """Return a sub-command's function; where its part is not installed, one that says so and keeps the others."""
    try:
        function: Callable[..., Any] = entry.load()
    except ModuleNotFoundError as error:
        why = f"the command {entry.name} is not part of this installation: {error}"

        def missing() -> None:
            raise MissingDependencyError(why)

        missing.__doc__ = "Not part of this installation."
        return missing
    return function


def _examples(function: Callable[..., Any]) -> str | None:
    """Return a command's examples as the end of its help: the text EXAMPLES of its module, where there is one."""
    lines = getattr(sys.modules[function.__module__], "EXAMPLES", "").strip().splitlines()
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else None


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gaia-redshift {version('gaia-redshift')}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Redshifts of galaxies from Gaia BP/RP spectra."""


def main() -> None:
    """Run the command; what a user did wrong is one line on standard error and exit code 2."""
    try:
        build()()
    except RedshiftError as error:
        typer.echo(f"error: {error.message}", err=True)
        for detail in error.details:
            typer.echo(f"  {detail.at}: {detail.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
