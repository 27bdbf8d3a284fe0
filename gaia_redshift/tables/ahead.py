"""Reading a table while the network works. Imports `spectra`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from gaia_redshift.spectra import SpectrumBatch


def read_ahead(batches: Iterator[SpectrumBatch]) -> Iterator[SpectrumBatch]:
    """Yield batches, each of which is read in a thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader") as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch
