"""Identifiers of spectra, on their way through the client, keep their type and their digits."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gaia_redshift.client import Client
from gaia_redshift.spectra import FLOAT_IDS
from tests.gaia_redshift.client.conftest import LARGE, Make, in_columns


@pytest.mark.parametrize(
    "ids", [np.array([5.85e18, 1.0]), [LARGE, 5e18], np.array([np.nan, 5e18]), pd.Series([5.85e18, np.nan])]
)
@pytest.mark.parametrize("times", [1, 16])
def test_float_identifiers_never_leave_the_client(make_flux: Make, ids: Any, times: int) -> None:
    with Client() as client, pytest.raises(ValueError, match="floats") as caught:
        client.predict(np.tile(make_flux(2), (times, 1)), source_id=list(ids) * times)
    assert str(caught.value) == FLOAT_IDS


def test_identifiers_come_back_in_the_type_they_had(client: Client, make_flux: Make) -> None:
    for ids, kind in (([LARGE, 2], np.int64), (["a", "b"], object), ([LARGE, None], "Int64")):
        found = client.predict(make_flux(2), source_id=ids)
        assert [one.source_id for one in found] == ids
        frame = found.to_pandas()
        assert frame["source_id"].dtype == kind or kind is object
        assert frame["source_id"][0] == ids[0]
        assert found.to_table()["source_id"][0] == ids[0]


def test_identifiers_of_a_csv_table_come_back_so_that_a_merge_works(client: Client, make_flux: Make) -> None:
    big = 5_850_000_000_000_000_001
    table = pd.DataFrame({"objID": [big, -2, big], **in_columns(make_flux(3))})
    found = client.predict_csv(io.StringIO(table.to_csv(index=False)))
    assert found.named_by == "objID"
    assert found.source_id == [big, -2, big]
    assert len(table.merge(found.to_pandas(), left_on="objID", right_on="source_id")) == 5
    named = table.assign(objID="Gaia DR3 5").rename(columns={"objID": "designation"})
    found = client.predict_csv(io.StringIO(named.to_csv(index=False)))
    assert (found.named_by, found.source_id) == ("designation", ["Gaia DR3 5"] * 3)
    assert "source_id from designation" in repr(found)


def test_a_dict_and_a_structured_array_keep_one_column_of_identifiers(client: Client, make_flux: Make) -> None:
    flux = make_flux(2)
    records = np.zeros(2, [("source_id", "i8"), ("flux", "f4", (186,))])
    records["source_id"], records["flux"] = [7, 8], flux
    expected = [one.redshift for one in client.predict(flux)]
    for table in (records, {"source_id": [7, 8], "flux": flux}):
        found = client.predict(table)
        assert found.source_id == [7, 8]
        assert [one.redshift for one in found] == pytest.approx(expected, abs=2e-6)
        assert found.to_arrow().column_names.count("source_id") == 1


@pytest.mark.parametrize("ids", [[2**63, 2**64 - 1], [2**70, -1], [-(2**63), 2**63], [2**63 - 1, -(2**63)], ["", None]])
def test_identifiers_of_any_size_come_back_in_tables_too(client: Client, make_flux: Make, ids: list[Any]) -> None:
    found = client.predict(make_flux(2), source_id=ids)
    assert found.source_id == ids
    column = found.to_arrow()["source_id"].to_pylist()
    assert column == ids or column == [str(one) for one in ids]
    assert len(found.to_pandas()) == len(found.to_table()) == 2


def test_floats_as_text_and_sets_never_leave_the_client(make_flux: Make) -> None:
    for ids, why in ((["5.85e18", "7"], "floats"), ({1, 2}, "give a sequence"), (1.5, "floats")):
        with Client() as client, pytest.raises(ValueError, match=why):
            client.predict(make_flux(2), source_id=ids)


def test_one_spectrum_takes_one_identifier(client: Client, make_flux: Make) -> None:
    assert client.predict(make_flux(1)[0], source_id=LARGE).source_id == [LARGE]
