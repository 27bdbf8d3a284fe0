"""The sub-commands of the service and of the workshop, and how to get them where they are not installed."""

from gaia_redshift.installation import checkout

SERVICE = ("serve", "key")
"""What `app` adds (app/pyproject.toml)."""

WORKSHOP = ("simulate", "analyse", "train", "recalibrate", "evaluate", "tune", "upgrade")
"""What `training` adds (training/pyproject.toml)."""


def how_to_get(command: str) -> str:
    """Return where a sub-command comes from, as the end of a sentence."""
    if command in SERVICE:
        return f"`make serve` in {checkout()} sets the service up and starts it; the container image holds it too"
    if command in WORKSHOP:
        return f"`make workshop` in {checkout()} sets up what makes and judges models"
    return "the package that brings it is incomplete"
