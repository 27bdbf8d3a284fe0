"""Write simulated blocks as they come, as the dissertation's CSV or as Parquet with all that is known."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from gaia_redshift.errors import InvalidInputError
from training.data.kinds import KINDS
from training.data.parts import PARTS
from training.simulation import archive
from training.simulation.brightness import TRUTH
from training.simulation.dataset import SIMULATOR_VERSION, Block, Recipe
from training.simulation.instrument import grid_of

ROW_GROUP_BLOCKS = 10
"""Blocks written at once, 20,000 rows: large enough to compress and to read fast, small enough for memory."""

FLUX_DECIMALS = 3
"""In CSV, as the dissertation prints its fluxes."""

SUFFIXES = (".csv", ".parquet")
"""What a name may end in; ``xp_continuous.csv`` asks for archive-like rows, see `archive`."""


def check(path: Path) -> None:
    """Raise `InvalidInputError` unless `path` has a known extension and its directory can be written to."""
    if path.suffix not in SUFFIXES:
        raise InvalidInputError(f"cannot tell the format of {path.name}: name it {' or '.join(SUFFIXES)}")
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInputError(
            f"cannot write {path}: {'it' if path.is_dir() else path.parent} is not a "
            f"{'file' if path.is_dir() else 'directory'}"
        )


def write(blocks: Iterable[Block], recipe: Recipe, path: Path, progress: Callable[[int], None]) -> None:
    """Write blocks to `path` in the format of its extension.

    The file appears under its name only when complete; Parquet's metadata hold the recipe. `progress` is told the
    number of rows after each write. Raises InvalidInputError if the file cannot be written.
    """
    check(path)
    partial = path.with_name(path.name + ".part")
    try:
        if archive.is_archive(path):
            with partial.open("w", encoding="ascii") as file:
                archive.write_rows(blocks, file, progress, recipe.release)
            partial.replace(path)
            return
        with _writer(recipe, partial, path.suffix) as writer:
            for table in _tables(blocks, recipe, path.suffix):
                writer.write_table(table)
                progress(len(table))
        partial.replace(path)
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def parquet_schema(recipe: Recipe) -> pa.Schema:
    """Return the Arrow schema of a simulated dataset, its metadata included."""
    fields = [
        pa.field("z", pa.float64(), nullable=False),
        pa.field("flux", pa.list_(pa.float32(), grid_of(recipe.release).samples), nullable=False),
        pa.field("parent_id", pa.int32()),
        pa.field("part", pa.dictionary(pa.int8(), pa.string())),
        pa.field("magnitude", pa.float32()),
        pa.field("snr_bp", pa.float32()),
        pa.field("snr_rp", pa.float32()),
        pa.field("transits", pa.int16()),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        *([] if recipe.ebv is None else [pa.field("ebv", pa.float32())]),
        *(pa.field(name, pa.float32()) for name in (TRUTH if recipe.sky == "sizes" else ())),
    ]
    metadata = {
        "simulated": "true",
        "simulator_version": SIMULATOR_VERSION,
        "grid_id": grid_of(recipe.release).name,
        "seed": str(recipe.seed),
        "count": str(recipe.count),
        "redshift_distribution": "given" if recipe.sed else recipe.distribution,
        **({"sed": recipe.sed} if recipe.sed else {}),
        "kinds": " ".join(recipe.kinds),
        **({} if recipe.ebv is None else {"ebv_range": "{:g} {:g}".format(*recipe.ebv)}),
        **({"sky": recipe.sky} if recipe.sky != "fitted" else {}),
    }
    return pa.schema(fields, metadata=metadata)


def _writer(recipe: Recipe, path: Path, suffix: str) -> parquet.ParquetWriter | csv.CSVWriter:
    if suffix == ".parquet":
        # Noise does not compress: only the small columns are worth a dictionary.
        return parquet.ParquetWriter(path, parquet_schema(recipe), compression="zstd", use_dictionary=["part", "kind"])
    names = ["z", *(f"flux_{sample}" for sample in range(grid_of(recipe.release).samples))]
    schema = pa.schema([(names[0], pa.float64()), *((name, pa.float32()) for name in names[1:])])
    return csv.CSVWriter(path, schema, write_options=csv.WriteOptions(quoting_style="none", quoting_header="none"))


def _tables(blocks: Iterable[Block], recipe: Recipe, suffix: str) -> Iterable[pa.Table]:
    """Yield Arrow tables of `ROW_GROUP_BLOCKS` blocks each."""
    waiting: list[Block] = []
    for block in blocks:
        waiting.append(block)
        if len(waiting) == ROW_GROUP_BLOCKS:
            yield _table(waiting, recipe, suffix)
            waiting = []
    if waiting:
        yield _table(waiting, recipe, suffix)


def _table(blocks: list[Block], recipe: Recipe, suffix: str) -> pa.Table:
    redshift = np.concatenate([block.redshift for block in blocks])
    flux = np.concatenate([block.flux for block in blocks])
    if suffix == ".csv":
        names = ["z", *(f"flux_{sample}" for sample in range(flux.shape[1]))]
        columns = [np.round(redshift, 7), *np.ascontiguousarray(np.round(flux, FLUX_DECIMALS).T)]
        return pa.table([pa.array(column) for column in columns], names=names)

    def column(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(block, name) for block in blocks])

    def words(index: NDArray[np.generic], values: tuple[str, ...]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(index, pa.int8()), pa.array(values))

    schema = parquet_schema(recipe).remove_metadata()
    arrays = [
        pa.array(redshift),
        pa.FixedSizeListArray.from_arrays(pa.array(flux.ravel()), flux.shape[1]),
        pa.array(column("parent_id")),
        words(column("part"), PARTS),
        pa.array(column("magnitude")),
        pa.array(np.concatenate([block.snr["BP"] for block in blocks])),
        pa.array(np.concatenate([block.snr["RP"] for block in blocks])),
        pa.array(column("transits")),
        words(column("kind"), KINDS),
        *([] if recipe.ebv is None else [pa.array(column("ebv"), from_pandas=True)]),
        *(pa.array(np.concatenate([block.truth[name] for block in blocks])) for name in blocks[0].truth),
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
