"""The command ``gaia-redshift``: finds its sub-commands by entry points, so `app` never imports `training`."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated

import typer

from gaia_redshift.commands import help as helping
from gaia_redshift.commands.elsewhere import SERVICE, WORKSHOP, how_to_get
from gaia_redshift.errors import MissingDependencyError, RedshiftError

COMMANDS = "gaia_redshift.commands"
"""Entry-point group; each entry names a function with Typer annotations."""

_HELP = {"help_option_names": ["-h", "--help"]}

_TAKES_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}
"""For a sub-command that is not installed: accept any arguments, so that the error says how to install it."""


def build() -> typer.Typer:
    """Return the command line: every installed sub-command, then the project's others."""
    application = typer.Typer(
        cls=helping.Group,
        epilog=helping.examples_of(helping.EXAMPLES.strip().splitlines()),
        no_args_is_help=True,
        add_completion=True,
        context_settings=_HELP,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Redshifts of galaxies from Gaia BP/RP spectra.",
    )
    application.callback()(_options)
    found = {entry.name: entry for entry in entry_points(group=COMMANDS)}
    absent = {name: how_to_get(name) for name in (*SERVICE, *WORKSHOP) if name not in found}
    for name in sorted(found):
        try:
            function = found[name].load()
        except ModuleNotFoundError as error:
            absent[name] = f"{error}; {how_to_get(name)}"
            continue
        register = application.command(
            name, cls=helping.Command, context_settings=_HELP, epilog=_examples(name, function)
        )
        register(function)
    for name, why in absent.items():
        _add_absent(application, name, why)
    return application


def _add_absent(application: typer.Typer, name: str, why: str) -> None:
    """Add a sub-command that only says how to install it."""

    def missing() -> None:
        raise MissingDependencyError(f"the command {name} is not part of this installation: {why}")

    application.command(
        name,
        context_settings={**_HELP, **_TAKES_ANYTHING},
        help=f"Not part of this installation: {why}.",
        short_help="(not part of this installation)",
    )(missing)


def _examples(name: str, function: Callable[..., object]) -> str | None:
    """Return a command's examples for its help: its lines of EXAMPLES in its module."""
    lines = getattr(sys.modules[function.__module__], "EXAMPLES", "").splitlines()
    return helping.examples_of([line for line in lines if f"gaia-redshift {name} " in f"{line} "])


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gaia-redshift {version('gaia-redshift')}")
        typer.echo(f"models: {', '.join(_models()) or 'none'}")
        raise typer.Exit


def _models() -> list[str]:
    """Return the models in the models folder, from their manifests alone."""
    from gaia_redshift.bundle import SHIPPED_MODELS
    from gaia_redshift.bundle.shipped import manifests

    folder = Path(os.environ.get("GAIA_REDSHIFT_MODELS") or SHIPPED_MODELS)
    return [f"{manifest.name} {manifest.version}" for manifest in manifests(folder).values()]


def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version, and the versions of the models.",
        ),
    ] = False,
) -> None:
    """Redshifts of galaxies from Gaia BP/RP spectra."""


def main() -> None:
    """Run the command; a user's error is reported in one line on standard error, with exit code 2."""
    try:
        build()()
    except RedshiftError as error:
        typer.echo(f"error: {error.message}", err=True)
        for detail in error.details:
            typer.echo(f"  {detail.at}: {detail.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
