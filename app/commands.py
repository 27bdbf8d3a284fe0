"""The commands ``serve`` and ``key``."""

import errno
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from app.settings import Settings
from gaia_redshift.bundle import Bundle
from gaia_redshift.commands import tidy_up_at_the_end
from gaia_redshift.engine.installed import check_installed
from gaia_redshift.errors import Detail, InvalidInputError, suggestion

EXAMPLES = """
gaia-redshift serve
gaia-redshift serve --host 0.0.0.0 --port 9000 --workers 2
GAIA_REDSHIFT_DEFAULT_MODEL=mine gaia-redshift serve --models my-models
gaia-redshift key alice > alice.json
"""

_ENVIRONMENT = "GAIA_REDSHIFT_"
_OF_OTHERS = {"URL", "API_KEY", "REFERENCE", "MOMENTS"}
"""Variables that the client and the tests read."""
_OF_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)\w*")
"""Variables that Kubernetes sets in every pod beside a service called gaia-redshift."""


def _settings(**chosen: Any) -> Settings:
    """Return the settings from the environment, overridden by the command line."""
    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        name = f"{_ENVIRONMENT}{found[1].upper()}" if found else "a setting"
        raise InvalidInputError(f"{name}: it must be JSON, as in docs/reference/settings.md") from None
    except ValidationError as error:
        details = [Detail(_name(problem["loc"]), _what(problem)) for problem in error.errors()]
        if len(details) == 1:
            raise InvalidInputError(f"{details[0].at}: {details[0].message}") from None
        raise InvalidInputError(f"{len(details)} settings are wrong", details) from None


def _name(location: tuple[int | str, ...]) -> str:
    setting, *inside = map(str, location)
    return f"{_ENVIRONMENT}{setting.upper()}{''.join(f'[{part}]' for part in inside)}"


def _what(problem: ErrorDetails) -> str:
    if problem["loc"][0] in {"api_keys", "admin_keys"} and problem["type"] == "string_pattern_mismatch":
        return "is not the SHA-256 of a key: `gaia-redshift key NAME` prints one"
    if problem["loc"][0] == "archive_url":
        return "is not an address: it begins with https:// or http://"
    return problem["msg"]


def _ignored(environment: Iterable[str]) -> Iterator[str]:
    """Yield a line for each variable that has the settings' prefix and is none, with the setting it resembles most."""
    known = {name.upper() for name in Settings.model_fields}
    for variable in sorted(environment):
        name = variable.upper().removeprefix(_ENVIRONMENT)  # settings are read in any case
        if name == variable.upper() or name in known | _OF_OTHERS or _OF_KUBERNETES.fullmatch(name):
            continue
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {_ENVIRONMENT}{near[0]}?" if near else "docs/reference/settings.md lists the settings"
        yield f"{variable} is not a setting and is ignored: {hint}"


def _check(settings: Settings) -> None:
    """Check the settings before starting, so that errors are one line and come before the start-up messages.

    Raises
    ------
    RedshiftError
        If the models, the default model, the engine or the address cannot be used.
    """
    if not settings.models.is_dir():
        raise InvalidInputError(
            f"there is no folder {settings.models}: --models (GAIA_REDSHIFT_MODELS) names the one with the bundles"
        )
    from app.serving.bundles import find_bundles

    found = find_bundles(settings)
    names = {name for bundle in found.bundles for name in (bundle.manifest.name, bundle.manifest.id)}
    for error in found.refused.values() if settings.default_model not in names else ():
        raise error  # the likeliest reason why the default model is missing
    if not names and (settings.models / "manifest.json").is_file():
        parent = settings.models.resolve().parent
        raise InvalidInputError(
            f"{settings.models} is a bundle itself: give the folder that holds it, --models {parent}"
        )
    if not names:
        raise InvalidInputError(
            f"there is no bundle in {settings.models}: --models (GAIA_REDSHIFT_MODELS) names the folder that holds them"
        )
    wanted = settings.default_model
    if wanted not in names and (bad := found.refused.get(wanted.partition("@")[0])):
        raise bad  # the default model exists, but cannot be served
    _check_default(settings, sorted(bundle.manifest.id for bundle in found.bundles), names)
    check_installed(settings.engine)
    if settings.jobs_folder is not None:
        from app.jobs.desk import Desk

        Desk(settings).close()
    _check_network(settings, found.bundles)
    _check_address(settings.host, settings.port)


def _check_default(settings: Settings, listed: list[str], names: set[str]) -> None:
    wanted = settings.default_model
    if wanted in names:
        return
    if (Path(wanted) / "manifest.json").is_file():
        folder = Path(wanted).resolve()
        raise InvalidInputError(
            f"GAIA_REDSHIFT_DEFAULT_MODEL is a folder, {wanted}: give the model's name, and the folder with "
            f"--models {folder.parent}"
        )
    near = suggestion(wanted, names)
    hint = f"; {near}" if near.startswith("did") else ""
    raise InvalidInputError(
        f"there is no model {wanted!r} (GAIA_REDSHIFT_DEFAULT_MODEL) in {settings.models}; there are: "
        f"{', '.join(listed)}{hint}; for models in another folder give --models FOLDER"
    )


def _check_network(settings: Settings, bundles: Sequence[Bundle]) -> None:
    """Load the default model's network with ONNX Runtime, which takes 0.1 s: a correct hash does not ensure it loads.

    Keras would take longer, and memory of the GPU; a network that it cannot load ends the start with a log line.
    """
    from gaia_redshift.engine import choose_engine, load_engine

    if choose_engine(settings.engine) == "onnx":
        wanted = settings.default_model
        load_engine(next(one for one in bundles if wanted in (one.manifest.name, one.manifest.id)), "onnx", 1)


def _check_address(host: str, port: int) -> None:
    """Raise if the address cannot be listened on; if it is taken after this check, the server reports it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise InvalidInputError(f"this machine has no address {host!r}: give another with --host") from None
        except PermissionError:
            raise InvalidInputError(f"this user may not use port {port}: choose another with --port") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InvalidInputError(
                    f"port {port} of {host} is in use: stop the program that uses it, or choose another with --port"
                ) from None
            raise InvalidInputError(f"cannot listen on {host}: {error.strerror}; choose another with --host") from None


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8000 by default.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of the model bundles.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes; 1 by default.")] = None,
    jobs: Annotated[Path | None, typer.Option(help="Folder of jobs; without it, jobs are off.")] = None,
) -> None:
    """Start the service. Settings are environment variables (docs/reference/settings.md)."""
    from app import server

    for line in _ignored(os.environ):  # before the checks: a wrong name may be why one of them fails
        typer.echo(f"warning: {line}", err=True)
    settings = _settings(host=host, port=port, models=models, workers=workers, jobs_folder=jobs)
    _check(settings)
    tidy_up_at_the_end()
    server.serve(settings)


def key(
    name: Annotated[str, typer.Argument(help="Name of the key's owner, used in the log.")],
) -> None:
    """Make an API key for a user, and its hash for GAIA_REDSHIFT_API_KEYS or GAIA_REDSHIFT_ADMIN_KEYS."""
    from app.serving.security import make_key

    secret, digest = make_key()
    typer.echo(f"key, shown only now: {secret}", err=True)
    typer.echo(json.dumps({name: digest}))
