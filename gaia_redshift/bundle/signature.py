"""The signature of a bundle's manifest. Imports `errors`."""

from pathlib import Path

from gaia_redshift.bundle.manifest import MANIFEST
from gaia_redshift.bundle.reading import read_file
from gaia_redshift.errors import InvalidBundleError, MissingDependencyError
from gaia_redshift.installation import how_to_install

SIGNATURE = "manifest.json.sig"
"""Ed25519 signature of the manifest's bytes, 64 bytes; SECURITY.md shows how to make it."""


def verify(folder: Path, content: bytes, public_key: Path) -> None:
    """Raise InvalidBundleError unless the key signed these bytes."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise MissingDependencyError(f"signed bundles need cryptography: {how_to_install('signed')}") from error
    try:
        key = load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidBundleError(f"the public key {public_key.name} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidBundleError(f"the public key {public_key.name} is not an Ed25519 key")
    try:
        key.verify(read_file(folder / SIGNATURE, 65), content)
    except OSError as error:
        raise InvalidBundleError(f"{folder.name} is not signed: it has no readable {SIGNATURE}") from error
    except InvalidSignature as error:
        raise InvalidBundleError(
            f"{folder.name}/{SIGNATURE} is not a signature of its {MANIFEST} by this key"
        ) from error
