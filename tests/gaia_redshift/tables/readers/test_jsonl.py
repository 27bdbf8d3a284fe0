"""JSON lines whose values change their types, and files that are none."""

import io

import pyarrow
import pytest

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.jsonl import JsonTable
from gaia_redshift.tables.table import BLOCK_ROWS


def read(text: str) -> pyarrow.Table:
    table = JsonTable(io.BytesIO(text.encode()))
    table.settle(range(len(table.schema)))
    blocks = [block.columns for block in table.blocks(range(len(table.schema)), ())]
    return pyarrow.Table.from_batches(blocks, table.schema)


@pytest.mark.parametrize(
    ("lines", "kind", "expected"),
    [
        (['{"a": 1}', '{"a": 2.5}'], "double", [1.0, 2.5]),
        (['{"a": null}', '{"a": 3}'], "int64", [None, 3]),
        (['{"a": 1}', '{"a": "x"}'], "string", ["1", "x"]),
        (['{"a": {"b": 1}}', '{"a": [1]}'], "string", ['{"b":1}', "[1]"]),
        (['{"a": 1}', "", '{"b": 2}'], "int64", [1, None]),
    ],
)
def test_a_column_has_the_type_that_all_its_values_fit(lines: list[str], kind: str, expected: list[object]) -> None:
    found = read("\n".join(lines))
    assert str(found["a"].type) == kind
    assert found["a"].to_pylist() == expected


def test_a_type_that_changes_behind_the_first_block_is_that_of_all_rows() -> None:
    rows = [f'{{"a": {number}, "b": null}}' for number in range(BLOCK_ROWS)] + ['{"a": 0.5, "b": 1}']
    found = read("\n".join(rows))
    assert found["a"].to_pylist() == [*range(BLOCK_ROWS), 0.5]
    assert found["b"].to_pylist()[-1] == 1


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", InvalidTableError, "no rows"),
        ("\n\n", InvalidTableError, "no rows"),
        ('{"a": "' + "x" * (17 << 20) + '"}', MalformedBodyError, "a line is longer than"),
        ("{" + ",".join(f'"c{number}": 1' for number in range(20_001)) + "}", InvalidTableError, "20001 columns"),
    ],
)
def test_content_that_is_not_a_table_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(text)
