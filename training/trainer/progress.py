"""Progress of a training: a bar or lines on standard error, and curves for TensorBoard. Imports `run`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from gaia_redshift.errors import counted
from training.data.material import Material
from training.trainer.run import Epoch


class Progress:
    """Show so many planned epochs of so many batches as they pass, within `bar` as a context."""

    def __init__(self, epochs: int, steps_per_epoch: int) -> None:
        self._epochs, self._steps = epochs, steps_per_epoch
        self._console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Bar(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)

    def callbacks(self, epoch: int) -> list[object]:
        """Return what Keras must call to move the bar through one epoch; nothing if there is no bar."""
        if self.bar.disable:
            return []
        task = self.bar.add_task(f"epoch {epoch}/{self._epochs}", total=self._steps)

        def batch_end(batch: int, logs: object) -> None:  # noqa: ARG001 - Keras gives both by name
            # Keras counts in executions of several steps, and the last of an epoch as if it were whole.
            self.bar.update(task, completed=min(batch + 1, self._steps))

        move = keras.callbacks.LambdaCallback(
            on_train_batch_end=batch_end,
            on_train_end=lambda _logs: self.bar.remove_task(task),
        )
        return [move]

    def say_start(self, material: Material, done: int) -> None:
        """Print the size of each part, and how many epochs an earlier run finished."""
        train, *held = (f"{count} {part}" for part, count in material.counts().items())
        others = [f"{len(material.others['train'])} other"] if material.others else []
        done_already = f"; {counted(done, 'epoch is', 'epochs are')} done already" if done else ""
        self._print(f"{', '.join([train, *others, *held])} spectra{done_already}")

    def say_epoch(self, row: Epoch, *, best: bool) -> None:
        """Print one finished epoch."""
        self._print(
            f"epoch {row.epoch}/{self._epochs}: loss {row.loss:.6f}, MAE {row.mean_absolute_error:.4f}; "
            f"validation loss {row.val_loss:.6f}, MAE {row.val_mean_absolute_error:.4f}"
            f"{' (best so far)' if best else ''}; {row.seconds:.0f} s"
        )

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


@contextmanager
def board(folder: Path | None) -> Iterator[Callable[[Epoch], None] | None]:
    """Write epochs for TensorBoard below `folder`, as two runs with overlapping curves; None without folder."""
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
