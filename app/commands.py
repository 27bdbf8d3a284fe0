"""The commands ``serve`` and ``key``."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.settings import Settings
from gaia_redshift.errors import Detail, InvalidInputError


def _settings(**chosen: Any) -> Settings:
    """Return the settings of the environment, with what the command line chose on top."""
    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        details = [
            Detail(f"GAIA_REDSHIFT_{str(problem['loc'][0]).upper()}", problem["msg"]) for problem in error.errors()
        ]
        raise InvalidInputError("a setting is wrong", details) from error
    except SettingsError as error:
        name = re.search(r'"(\w+)"', str(error))
        place = f"GAIA_REDSHIFT_{name[1].upper()}" if name else "GAIA_REDSHIFT_..."
        raise InvalidInputError("a setting is wrong", [Detail(place, f"needs JSON: {error.__cause__}")]) from error


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8000 by default.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of the model bundles.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve; 1 by default.")] = None,
) -> None:
    """Start the service; every setting is an environment variable (docs/reference/settings.md)."""
    from app import server
    from app.serving.bundles import find_bundles

    settings = _settings(host=host, port=port, models=models, workers=workers)
    found = find_bundles(settings)
    for error in found.refused.values() if not found.bundles else ():
        raise error  # in one line, before a server stands
    server.serve(settings)


def key(
    name: Annotated[str, typer.Argument(help="Whose key it is; the log names it.")],
) -> None:
    """Make an API key: the key for its user, its hash for GAIA_REDSHIFT_API_KEYS or GAIA_REDSHIFT_ADMIN_KEYS."""
    from app.serving.security import make_key

    secret, digest = make_key()
    typer.echo(f"key, shown only now: {secret}", err=True)
    typer.echo(json.dumps({name: digest}))
