"""Finding bundles by name or path, the shipped models among them. Imports its neighbours."""

from pathlib import Path

from gaia_redshift.bundle.bundle import Bundle, discover, read_manifest
from gaia_redshift.bundle.manifest import MANIFEST, Manifest
from gaia_redshift.errors import InvalidBundleError, UnknownModelError

_PACKAGE = Path(__file__).parents[1]
SHIPPED_MODELS = next(
    (folder for folder in (_PACKAGE / "models", _PACKAGE.parent / "models") if folder.is_dir()), _PACKAGE / "models"
)
"""Inside the installed package, or beside it in a checkout."""


def find_bundle(model: str | Path, models: Path = SHIPPED_MODELS, public_key: Path | None = None) -> Bundle:
    """Open a bundle.

    Parameters
    ----------
    model : str or Path
        ``name``, which is its highest version, ``name@version``, or the path of a bundle's folder.
    models : Path
        Folder in which a bundle is looked up by name.
    public_key : Path, optional
        Ed25519 key in PEM that must have signed the bundle.

    Raises
    ------
    UnknownModelError
        If there is no such bundle.
    InvalidBundleError
        If it is incomplete or was altered.
    """
    if isinstance(model, Path) or "/" in model:
        if not (Path(model) / MANIFEST).is_file():
            raise UnknownModelError(f"{model} is not a bundle: it has no {MANIFEST}")
        return Bundle(Path(model), public_key)
    found = manifests(models, public_key)
    named = [folder for folder, manifest in found.items() if model in {manifest.name, manifest.id}]
    if not named:
        names = ", ".join(manifest.id for manifest in found.values()) or "none"
        raise UnknownModelError(
            f"there is no model {model!r} in {models}; there are: {names}. For a model in another folder give "
            "--models FOLDER (GAIA_REDSHIFT_MODELS), or the path of the model's own folder"
        )
    return Bundle(max(named, key=lambda folder: found[folder].order), public_key)


def manifests(models: Path = SHIPPED_MODELS, public_key: Path | None = None) -> dict[Path, Manifest]:
    """Return the manifest of each bundle in a folder, keyed by the bundle's folder; unreadable ones are left out."""
    return {folder: manifest for folder in discover(models) if (manifest := _manifest(folder, public_key))}


def _manifest(folder: Path, public_key: Path | None) -> Manifest | None:
    """Return a bundle's manifest, or None where it cannot be read, so that one bad bundle does not hide the others."""
    try:
        return read_manifest(folder, public_key)[0]
    except InvalidBundleError:
        return None
