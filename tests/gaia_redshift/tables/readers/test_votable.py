"""VOTables of TABLEDATA with references and nulls, and documents that are damaged."""

import io

import pyarrow
import pytest

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.votable import open_votable

FIELDS = (
    '<FIELD name="source_id" datatype="long"><VALUES null="-1"/></FIELD>'
    '<FIELD name="name" datatype="char" arraysize="*"/><FIELD name="z" datatype="float"/>'
)
ROW = "<TR><TD>{}</TD><TD>{}</TD><TD>{}</TD></TR>"


def document(rows: str, fields: str = FIELDS, start: str = '<?xml version="1.0"?>', end: str = "") -> bytes:
    head = f'{start}<VOTABLE version="1.4"><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>'
    return f"{head}{rows}{end or '</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>'}".encode()


def read(content: bytes) -> pyarrow.Table:
    table = open_votable(io.BytesIO(content))
    blocks = [block.columns for block in table.blocks(range(len(table.schema)), ())]
    return pyarrow.Table.from_batches(blocks, table.schema)


def test_references_are_resolved() -> None:
    rows = ROW.format(1, "a &lt; b &amp;&quot;&apos; &#233;&#xe9;", 0.5) + ROW.format(2, "two\nlines\r", 1)
    assert read(document(rows))["name"].to_pylist() == ["a < b &\"' éé", "two\nlines\r"]


def test_the_null_of_a_field_and_an_empty_cell_are_missing() -> None:
    found = read(document(ROW.format(-1, "a", 0.5) + ROW.format(7, "b", "")))
    assert found["source_id"].to_pylist() == [None, 7]
    assert found["z"].to_pylist() == [0.5, None]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (document("", start='<?xml version="1.0" encoding="windows-1252"?>'), MalformedBodyError, "write it as UTF-8"),
        (b"<VOTABLE>" + b"<!-- x -->" * (2 << 20), MalformedBodyError, "not a VOTable: no rows in its first 16 MB"),
        (document(ROW.format(1, "a", 0.5), end="<"), MalformedBodyError, "cut short"),
        (document(ROW.format(1, "<!-- a -->", 0.5)), MalformedBodyError, "comments, CDATA"),
        (document(ROW.format(1, "<B>a</B>", 0.5)), MalformedBodyError, "other elements than TR and TD"),
        (document("<TR><TD>1</TD><TD>" + "x" * (3 << 20) + "</TD><TD>1</TD></TR>"), MalformedBodyError, "2 MB"),
        (document("", fields='<FIELD name="a" datatype="int"/>' * 20_001), InvalidTableError, "20001 columns"),
    ],
)
def test_a_document_that_is_damaged_says_where(content: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(content)
