"""Predictions as the rows of a JSON reply. Imports the library's `interpretation`."""

from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import COLUMNS, Predictions


def reply_rows(predictions: Predictions) -> list[dict[str, object]]:
    """Return the predictions as dicts in the shape of `Prediction`; `pdf` is a NumPy array."""
    redshifts, problems, source_id = predictions.redshifts, predictions.problems, predictions.source_id
    rows: list[dict[str, object]] = []
    for row, (values, flags) in enumerate(zip(redshifts.values.tolist(), redshifts.flags.tolist(), strict=True)):
        answer: dict[str, object] = {}
        if source_id is not None:
            answer["source_id"] = None if source_id[row] is None else str(source_id[row])
        problem = problems.get(row)
        if problem is None:
            answer["status"] = "ok"
            answer.update(zip(COLUMNS, values, strict=True))
            answer["quality"] = flag_names(flags)
            if redshifts.pdf is not None:
                answer["pdf"] = redshifts.pdf[row]
        else:
            answer["status"] = "error"
            answer["error"] = {"code": problem.code, "message": problem.message}
        rows.append(answer)
    return rows
