"""Write simulated blocks as they come, as the dissertation's CSV or as Parquet with all that is known."""

from collections.abc import Callable, Iterable
from itertools import islice
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
from training.simulation.instrument import BANDS, grid_of

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
    partial, waiting = path.with_name(path.name + ".part"), iter(blocks)
    try:
        if archive.is_archive(path):
            with partial.open("w", encoding="ascii") as file:
                archive.write_rows(waiting, file, progress, recipe.release)
        else:
            schema = csv_schema(recipe) if path.suffix == ".csv" else parquet_schema(recipe)
            with _writer(partial, schema, path.suffix) as writer:
                while group := list(islice(waiting, ROW_GROUP_BLOCKS)):
                    writer.write_table(_table(group, schema))
                    progress(sum(map(len, group)))
        partial.replace(path)
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def csv_schema(recipe: Recipe) -> pa.Schema:
    """Return the columns of the dissertation's CSV."""
    fluxes = [(f"flux_{sample}", pa.float32()) for sample in range(grid_of(recipe.release).samples)]
    return pa.schema([("z", pa.float64()), *fluxes])


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
        *([pa.field("ebv", pa.float32())] if recipe.sed or recipe.ebv is not None else []),
        *([pa.field("beyond", pa.bool_())] if recipe.beyond else []),
        *(pa.field(name, pa.float32()) for name in (() if recipe.sed else TRUTH)),
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
        **({"beyond_share": f"{recipe.beyond:g}"} if recipe.beyond else {}),
    }
    return pa.schema(fields, metadata=metadata)


def _writer(path: Path, schema: pa.Schema, suffix: str) -> parquet.ParquetWriter | csv.CSVWriter:
    if suffix == ".csv":
        return csv.CSVWriter(path, schema, write_options=csv.WriteOptions(quoting_style="none", quoting_header="none"))
    # Noise does not compress: only the small columns are worth a dictionary.
    return parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=["part", "kind"])


def _table(blocks: list[Block], schema: pa.Schema) -> pa.Table:
    def column(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(block, name) for block in blocks])

    def words(name: str, values: tuple[str, ...]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(column(name), pa.int8()), pa.array(values))

    redshift = np.concatenate([block.redshift for block in blocks])
    flux = np.concatenate([block.flux for block in blocks])
    if "flux" not in schema.names:
        rounded = np.ascontiguousarray(np.round(flux, FLUX_DECIMALS).T)
        return pa.Table.from_arrays([pa.array(each) for each in (np.round(redshift, 7), *rounded)], schema=schema)
    arrays = {
        "z": redshift,
        "flux": pa.FixedSizeListArray.from_arrays(pa.array(flux.ravel()), flux.shape[1]),
        "part": words("part", PARTS),
        "kind": words("kind", KINDS),
        **{name: column(name) for name in ("parent_id", "magnitude", "transits")},
        **{f"snr_{band.lower()}": np.concatenate([block.snr[band] for block in blocks]) for band in BANDS},
    }
    if "ebv" in schema.names:
        arrays["ebv"] = pa.array(column("ebv"), from_pandas=True)
    if "beyond" in schema.names:
        arrays["beyond"] = column("beyond")
    arrays |= {name: np.concatenate([block.truth[name] for block in blocks]) for name in blocks[0].truth}
    return pa.Table.from_pydict(arrays, schema=schema.remove_metadata())
