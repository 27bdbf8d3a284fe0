"""Epochs for TensorBoard, as two runs whose curves lie over each other. Imports `run` of the project."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from training.trainer.run import Epoch


@contextmanager
def board(folder: Path | None) -> Iterator[Callable[[Epoch], None] | None]:
    """Open event files below `folder` for the time of a training, and give what writes to them; None without folder."""
    if folder is None:
        yield None
        return
    from tensorboard.summary import Writer

    writers = {"": Writer(str(folder / "train")), "val_": Writer(str(folder / "validation"))}

    def write(row: Epoch) -> None:
        for prefix, writer in writers.items():
            for name in ("loss", "mean_absolute_error"):
                writer.add_scalar(name, getattr(row, f"{prefix}{name}"), row.epoch)
            writer.flush()

    try:
        yield write
    finally:
        for writer in writers.values():
            writer.close()
