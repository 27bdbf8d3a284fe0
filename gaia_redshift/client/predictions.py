"""The client's results: predictions in input order, row by row or as a table. Imports `messages`; pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from gaia_redshift.client import messages
from gaia_redshift.client.messages import ModelVersion, RowError
from gaia_redshift.errors import MissingDependencyError
from gaia_redshift.spectra import Identifier, Problem

if TYPE_CHECKING:
    import pyarrow

_NUMBERS = ("redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95")


class Prediction(messages.Prediction):
    """The answer for one spectrum; `source_id` has the type of the input."""

    source_id: Identifier = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Piece:
    """The answer to one request, in columns: those of the service's CSV, without identifiers."""

    columns: "pyarrow.Table"
    source_id: Sequence[Identifier] | None
    model: ModelVersion
    prior: str
    bin_edges: list[float] | None


def from_arrow(content: bytes) -> Piece:
    """Read an Arrow answer; raises ValueError if it is not one of this service."""
    import pyarrow

    try:
        with pyarrow.ipc.open_stream(content) as stream:
            table = stream.read_all()
        about = {key.decode(): text.decode() for key, text in (table.schema.metadata or {}).items()}
        name, _, version = about["model"].partition("@")
        edges = orjson.loads(about["bin_edges"]) if "bin_edges" in about else None
        ids = table["source_id"].to_pylist() if "source_id" in table.column_names else None
        chosen = [one for one in (*_NUMBERS, "quality", "status", "error", "pdf") if one in table.column_names]
        columns = table.select(chosen).replace_schema_metadata(None)
    except (pyarrow.ArrowException, KeyError, ValueError) as error:
        raise ValueError("not an answer of this service") from error
    return Piece(columns, ids, ModelVersion(name=name, version=version), about["prior"], edges)


def from_json(content: bytes) -> Piece:
    """Read a JSON answer; raises ValueError if it is not one of this service."""
    import pyarrow

    try:
        reply = orjson.loads(content)
        rows: list[dict[str, Any]] = reply["predictions"]
        columns: dict[str, Any] = {
            name: pyarrow.array([row.get(name) for row in rows], pyarrow.float64()) for name in _NUMBERS
        }
        columns["quality"] = pyarrow.array(["|".join(row.get("quality") or ()) for row in rows], pyarrow.string())
        columns["status"] = pyarrow.array([row["status"] for row in rows], pyarrow.string())
        columns["error"] = pyarrow.array([_reason(row.get("error")) for row in rows], pyarrow.string())
        edges = reply.get("bin_edges")
        if edges is not None:
            kind = pyarrow.list_(pyarrow.float64(), len(edges) - 1)
            columns["pdf"] = pyarrow.array([row.get("pdf") for row in rows], kind)
        ids = [row.get("source_id") for row in rows] if any("source_id" in row for row in rows) else None
        model = ModelVersion.model_validate(reply["model"], extra="ignore")
        return Piece(pyarrow.table(columns), ids, model, reply["prior"], edges)
    except (pyarrow.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError("not an answer of this service") from error


def _reason(error: dict[str, str] | None) -> str | None:
    return None if error is None else f"{error['code']}: {error['message']}"


class Predictions(Sequence[Prediction]):
    """Predictions in input order, with the model and the prior that made them.

    Attributes
    ----------
    model : ModelVersion
    prior : {"survey", "flat", "table"}
    bin_edges : ndarray, shape (bins + 1,), or None
        Edges of the bins of each prediction's ``pdf``, if it was requested.
    source_id : list of int or str, or None
        In the type of the input.
    named_by : str or None
        Where the identifiers come from: a column's name, or ``source_id`` if they were given as an argument.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        source_id: Sequence[Identifier] | None = None,
        named_by: str | None = None,
        problems: Mapping[int, Problem] | None = None,
    ) -> None:
        import pyarrow

        first = pieces[0]
        self._columns = pyarrow.concat_tables([piece.columns for piece in pieces]).combine_chunks()
        if problems:  # found by the client: the service was sent NaN in these rows
            reasons = self._columns["error"].to_pylist()
            for row, problem in problems.items():
                reasons[row] = f"{problem.code}: {problem.message}"
            at = self._columns.column_names.index("error")
            self._columns = self._columns.set_column(at, "error", pyarrow.array(reasons, pyarrow.string()))
        self.model, self.prior = first.model, first.prior
        self.bin_edges: NDArray[np.float64] | None = None if first.bin_edges is None else np.array(first.bin_edges)
        if source_id is None and first.source_id is not None:
            source_id = [name for piece in pieces for name in piece.source_id or ()]
            named_by = "source_id"
        self.source_id = None if source_id is None else list(source_id)
        self.named_by = named_by

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> list[Prediction]: ...
    def __getitem__(self, index: int | slice) -> Prediction | list[Prediction]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self._prediction(row, {name: self._columns[name][row].as_py() for name in self._columns.column_names})

    def __iter__(self) -> Iterator[Prediction]:
        for row, values in enumerate(self._columns.to_pylist()):
            yield self._prediction(row, values)

    def _prediction(self, row: int, values: dict[str, Any]) -> Prediction:
        name = None if self.source_id is None else self.source_id[row]
        if values["status"] == "error":
            code, _, message = values["error"].partition(": ")
            return Prediction(source_id=name, status="error", error=RowError(code=code, message=message))
        del values["error"]
        values["quality"] = values["quality"].split("|") if values["quality"] else []
        return Prediction(source_id=name, **values)

    def __repr__(self) -> str:
        failed = self._columns["status"].to_pylist().count("error")
        named = f"; source_id from {self.named_by}" if self.named_by else ""
        return (
            f"<{len(self)} predictions, {failed} without a redshift, by {self.model.name} {self.model.version}, "
            f"prior {self.prior}{named}>"
        )

    def to_arrow(self) -> "pyarrow.Table":
        """Return a table with ``source_id``, if there are identifiers, and the columns of the service's CSV."""
        from gaia_redshift.tables.answers import identifier_array

        about = {"model": f"{self.model.name}@{self.model.version}", "prior": self.prior}
        if self.bin_edges is not None:
            about["bin_edges"] = orjson.dumps(self.bin_edges.tolist()).decode()
        table = self._columns
        if self.source_id is not None:
            table = table.add_column(0, "source_id", identifier_array(self.source_id))
        return table.replace_schema_metadata(about)

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame of `to_arrow`; identifiers that are integers stay integers.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError:
            raise MissingDependencyError("to_pandas needs pandas: pip install pandas") from None
        table = self.to_arrow()
        frame = table.to_pandas()
        if self.source_id is not None and frame["source_id"].dtype.kind == "f":  # integers with a gap
            frame["source_id"] = pd.array(self.source_id, "Int64")
        frame.attrs = {key.decode(): text.decode() for key, text in (table.schema.metadata or {}).items()}
        return frame

    def to_table(self) -> Any:
        """Return an astropy Table of `to_arrow`; missing values are masked, and ``meta`` has the model and the prior.

        Raises
        ------
        MissingDependencyError
            If astropy is not installed.
        """
        try:
            from astropy.table import MaskedColumn, Table
        except ModuleNotFoundError:
            raise MissingDependencyError("to_table needs astropy: pip install astropy") from None
        arrow = self.to_arrow()
        table = Table(meta={key.decode(): text.decode() for key, text in (arrow.schema.metadata or {}).items()})
        for name in arrow.column_names:
            column = arrow[name].combine_chunks()
            missing = column.is_null().to_numpy(zero_copy_only=False)
            if name == "pdf":
                width = column.type.list_size
                values = np.array([[0.0] * width if row is None else row for row in column.to_pylist()])
                missing = np.repeat(missing[:, None], width, axis=1)
            elif column.type == "string":
                values = np.array(["" if row is None else row for row in column.to_pylist()])
            else:
                values = column.fill_null(0).to_numpy(zero_copy_only=False)
            table[name] = MaskedColumn(values, mask=missing) if missing.any() else values
        return table
