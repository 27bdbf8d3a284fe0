"""The archive's text to Parquet of coefficients, and the redshifts of either."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from gaia_redshift.bulk.converting import Converting
from gaia_redshift.bulk.run import run
from tests.gaia_redshift.bulk.files import FIRST_ID, archive_rows, here, predicting, write_archive, write_spectra


def test_coefficients_are_kept_in_single_precision_and_bad_rows_have_none(tmp_path: Path, models: Path) -> None:
    rows = archive_rows(300, 3)
    rows[7] = rows[7][:200]
    rows[9] = rows[9].replace(rows[9].split('"')[1].split(",")[2], " 1e39", 1)
    write_archive(tmp_path / "in" / "a.csv.gz", rows)
    write_spectra(tmp_path / "in" / "spectra.parquet", 5)
    made = run(Converting(), [str(tmp_path / "in")], str(tmp_path / "coefficients"), here)
    ((job, failure),) = made.failures
    assert job.name == "spectra.parquet"
    assert "holds no coefficients of the archive" in failure.message
    outcome = made.outcomes["a.parquet"]
    assert [(one["row"], one["code"]) for one in outcome.named] == [(7, "ragged_row"), (9, "not_finite")]
    table = parquet.read_table(tmp_path / "coefficients" / "a.parquet", page_checksum_verification=True)
    assert [str(field.type) for field in table.schema] == ["int64", "list<element: float>", "list<element: float>"]
    assert table["source_id"].to_pylist()[:3] == [FIRST_ID + 3 * 10**6 + row for row in range(3)]
    assert [row for row in range(300) if not table["bp_coefficients"][row].is_valid] == [7, 9]
    first = np.array(rows[0].split('"')[1].strip("[]").split(","), np.float32)
    assert (np.array(table["bp_coefficients"][0].as_py(), np.float32) == first).all()
    assert table.schema.metadata[b"release"] == b"Gaia DR3"
    task = predicting(models)
    run(task, [str(tmp_path / "in" / "a.csv.gz")], str(tmp_path / "direct"), here)
    run(task, [str(tmp_path / "coefficients" / "a.parquet")], str(tmp_path / "converted"), here)
    direct, converted = (parquet.read_table(tmp_path / name / "a.parquet") for name in ("direct", "converted"))
    assert direct["source_id"].to_pylist()[:7] == converted["source_id"].to_pylist()[:7]
    good = [row for row in range(300) if row not in {7, 9}]
    one, other = (table["redshift"].to_numpy(zero_copy_only=False)[good] for table in (direct, converted))
    assert other == pytest.approx(one, abs=2e-6)
    assert converted["status"].to_pylist().count("error") == 2
