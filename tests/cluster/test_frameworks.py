"""`Predictor` in the frameworks' own idioms, as docs/how-to/all-of-gaia.md shows it: the rows that it gives alone."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.predictor import Predictor
from tests.gaia_redshift.bulk.files import write_spectra

ROWS, FILES = 700, 3


def needs(module: str) -> Any:
    return pytest.importorskip(module, reason=f"{module} is not installed: make cluster-test")


@pytest.fixture
def spectra(tmp_path: Path) -> Path:
    for number in range(FILES):
        write_spectra(tmp_path / "xp" / f"{number}.parquet", ROWS, number)
    return tmp_path / "xp"


@pytest.fixture
def predict(models: Path) -> Predictor:
    return Predictor("tiny", models=models, threads=1)


def expect(found: pyarrow.Table, spectra: Path, predict: Predictor) -> None:
    """Assert that a table has every row's redshift, to the last bit."""
    whole = predict(parquet.read_table(spectra))
    known = dict(zip(whole["source_id"].to_pylist(), whole["redshift"].to_pylist(), strict=True))
    assert dict(zip(found["source_id"].to_pylist(), found["redshift"].to_pylist(), strict=True)) == known
    assert len(found) == FILES * ROWS


def test_dask_maps_it_over_partitions(spectra: Path, predict: Predictor) -> None:
    dataframe = needs("dask.dataframe")
    frame = dataframe.read_parquet(spectra)
    meta = predict(frame.partitions[0].compute().head(2)).head(0)
    made = frame.map_partitions(predict, meta=meta).compute(scheduler="threads")
    expect(pyarrow.table({name: made[name].to_numpy() for name in ("source_id", "redshift")}), spectra, predict)


def test_lsdb_maps_it_over_a_catalogue_and_writes_one(tmp_path: Path, spectra: Path, predict: Predictor) -> None:
    lsdb = needs("lsdb")
    random = np.random.default_rng(1)
    frame = parquet.read_table(spectra).to_pandas()
    frame["ra"], frame["dec"] = random.uniform(0, 40, len(frame)), random.uniform(-20, 20, len(frame))
    lsdb.from_dataframe(frame, catalog_name="xp", partition_rows=500).write_catalog(tmp_path / "hats")
    catalogue = lsdb.open_catalog(tmp_path / "hats")
    assert catalogue.npartitions > 1
    meta = predict(catalogue.head(2)).head(0)
    catalogue.map_partitions(predict, meta=meta).write_catalog(tmp_path / "redshifts")
    made = lsdb.open_catalog(tmp_path / "redshifts", columns=["source_id", "redshift"]).compute()
    expect(pyarrow.table({name: made[name].to_numpy() for name in ("source_id", "redshift")}), spectra, predict)


def test_ray_data_maps_it_over_batches(tmp_path: Path, spectra: Path, predict: Predictor) -> None:
    ray = needs("ray")
    needs("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        made = ray.data.read_parquet(str(spectra)).map_batches(predict.__call__, batch_format="pyarrow", batch_size=512)
        made.write_parquet(str(tmp_path / "redshifts"))
    finally:
        ray.shutdown()
    expect(parquet.read_table(tmp_path / "redshifts"), spectra, predict)


def test_spark_maps_it_over_batches_of_arrow(
    tmp_path: Path, spectra: Path, predict: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyspark = needs("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    from pyspark.sql import SparkSession

    assert pyspark
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        made = spark.read.parquet(str(spectra)).mapInArrow(
            lambda batches: (predict(batch).select(["source_id", "redshift", "status"]) for batch in batches),
            "source_id long, redshift double, status string",
        )
        made.write.parquet(str(tmp_path / "redshifts"))
    finally:
        spark.stop()
    expect(parquet.read_table(tmp_path / "redshifts"), spectra, predict)


def test_daft_calls_it_on_batches(spectra: Path, predict: Predictor) -> None:
    daft = needs("daft")

    @daft.func.batch(return_dtype=daft.DataType.float64())
    def redshift(flux: Any) -> Any:
        table = pyarrow.table({"flux": flux.to_arrow()})
        return predict(table)["redshift"].combine_chunks()

    made = daft.read_parquet(f"{spectra}/*.parquet")
    expect(made.with_column("redshift", redshift(made["flux"])).to_arrow(), spectra, predict)


def test_it_refuses_another_bundle_on_the_other_side(models: Path, predict: Predictor) -> None:
    import pickle

    from gaia_redshift.errors import InvalidBundleError
    from tests.tiny import write_tiny_bundle

    sent = pickle.dumps(predict)
    shutil.rmtree(models / "tiny")
    write_tiny_bundle(models / "tiny", version="1.2.4")
    with pytest.raises(InvalidBundleError, match="a different bundle here"):
        pickle.loads(sent)
