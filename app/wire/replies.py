"""Predictions as the rows of a JSON reply. Imports the library's `interpretation`."""

from typing import Any

from gaia_redshift.interpretation.result import Predictions, Redshifts


def reply_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the predictions as rows in the shape of `Prediction`, ready for JSON but for the arrays `pdf`."""
    columns = [getattr(predictions.redshifts, name).tolist() for name in Redshifts.INTERVALS]
    pdf = predictions.redshifts.pdf
    rows: list[dict[str, Any]] = []
    for row, values in enumerate(zip(*columns, strict=True)):
        answer: dict[str, Any] = {}
        if predictions.source_id is not None:
            answer["source_id"] = predictions.source_id[row]
        problem = predictions.problems.get(row)
        if problem is None:
            answer["status"] = "ok"
            answer.update(zip(Redshifts.INTERVALS, values, strict=True))
            answer["quality"] = predictions.redshifts.quality[row]
            if pdf is not None:
                answer["pdf"] = pdf[row]
        else:
            answer["status"] = "error"
            answer["error"] = {"code": problem.code, "message": problem.message}
        rows.append(answer)
    return rows
