"""Finding the bundles in the models folder that can be served. Imports `settings` and the library's `bundle`."""

from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings
from gaia_redshift.bundle import Bundle, discover
from gaia_redshift.errors import InvalidBundleError, RedshiftError


@dataclass(frozen=True, slots=True)
class Found:
    """The bundles of the models folder."""

    bundles: list[Bundle]
    """Bundles that can be served, the newest version of a name first."""
    refused: dict[str, RedshiftError]
    """Why others cannot be served, by folder name."""


def find_bundles(settings: Settings) -> Found:
    """Check every bundle of the models folder.

    Raises
    ------
    InvalidBundleError
        If two bundles share a name and a version.
    """
    bundles: list[Bundle] = []
    refused: dict[str, RedshiftError] = {}
    for folder in discover(settings.models):
        try:
            bundles.append(_check(folder, settings))
        except RedshiftError as error:
            refused[folder.name] = error
    if len({bundle.manifest.id for bundle in bundles}) < len(bundles):
        raise InvalidBundleError(f"two bundles in {settings.models.name}/ share a name and a version")
    return Found(sorted(bundles, key=lambda bundle: bundle.manifest.order, reverse=True), refused)


def _check(folder: Path, settings: Settings) -> Bundle:
    bundle = Bundle(folder, settings.bundle_public_key)
    manifest = bundle.manifest
    least = settings.bundle_least_versions.get(manifest.name)
    if least is not None and manifest.order < manifest.model_copy(update={"version": least}).order:
        raise InvalidBundleError(
            f"{folder.name} is {manifest.id}, older than {least}, the lowest version allowed by "
            "GAIA_REDSHIFT_BUNDLE_LEAST_VERSIONS"
        )
    return bundle
