"""The sub-commands of the service and of the training packages, and how to install them."""

from gaia_redshift.installation import checkout

SERVICE = ("serve", "key")
"""Sub-commands of `app` (app/pyproject.toml)."""

WORKSHOP = ("simulate", "analyse", "train", "recalibrate", "evaluate", "tune", "upgrade")
"""What `training` adds (training/pyproject.toml)."""


def how_to_get(command: str) -> str:
    """Return how to install a sub-command, as the end of a sentence."""
    if command in SERVICE:
        return f"`make serve` in {checkout()} installs and starts the service; the container image has it too"
    if command in WORKSHOP:
        return f"`make workshop` in {checkout()} installs the training commands"
    return "its package is incomplete: install it again"
