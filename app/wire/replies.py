"""Predictions as the rows of a JSON reply. Imports the library's `interpretation`."""

from typing import Any

from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import COLUMNS, Predictions


def reply_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the predictions as rows in the shape of `Prediction`, ready for JSON but for the arrays `pdf`."""
    flags = predictions.redshifts.flags.tolist()
    pdf = predictions.redshifts.pdf
    rows: list[dict[str, Any]] = []
    for row, values in enumerate(predictions.redshifts.values.tolist()):
        answer: dict[str, Any] = {}
        if predictions.source_id is not None:
            answer["source_id"] = predictions.source_id[row]
        problem = predictions.problems.get(row)
        if problem is None:
            answer["status"] = "ok"
            answer.update(zip(COLUMNS, values, strict=True))
            answer["quality"] = flag_names(flags[row])
            if pdf is not None:
                answer["pdf"] = pdf[row]
        else:
            answer["status"] = "error"
            answer["error"] = {"code": problem.code, "message": problem.message}
        rows.append(answer)
    return rows
