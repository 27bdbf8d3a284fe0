"""Epochs for TensorBoard, as two runs whose curves lie over each other. Imports `run` of the project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from gaia_redshift.errors import MissingDependencyError
from training.trainer.run import Epoch


class Tell(Protocol):
    """Takes one epoch."""

    def __call__(self, row: Epoch, /) -> None:
        """Write the epoch."""
        ...


@contextmanager
def board(folder: Path | None) -> Iterator[Tell | None]:
    """Open event files below `folder` for as long as a training lasts; None where no folder is wanted.

    Raises
    ------
    MissingDependencyError
        If tensorboard is not installed.
    """
    if folder is None:
        yield None
        return
    try:
        from tensorboard.summary import Writer
    except ImportError as error:
        raise MissingDependencyError("--tensorboard needs tensorboard: pip install tensorboard") from error
    train, validation = Writer(str(folder / "train")), Writer(str(folder / "validation"))

    def write(row: Epoch) -> None:
        train.add_scalar("loss", row.loss, row.epoch)
        train.add_scalar("mean_absolute_error", row.mean_absolute_error, row.epoch)
        validation.add_scalar("loss", row.val_loss, row.epoch)
        validation.add_scalar("mean_absolute_error", row.val_mean_absolute_error, row.epoch)
        train.flush()
        validation.flush()

    try:
        yield write
    finally:
        train.close()
        validation.close()
