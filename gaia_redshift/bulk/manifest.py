"""A run's ``manifest.json`` and ``summary.html`` beside the outputs. Imports its neighbours."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from gaia_redshift.bulk import page, storage
from gaia_redshift.bulk.plan import Shard

if TYPE_CHECKING:
    from gaia_redshift.bulk.run import Run


def describe(run: "Run", settings: Mapping[str, Any], shard: Shard) -> dict[str, Any]:
    """Return the content of the manifest.

    Parameters
    ----------
    run : Run
    settings : mapping
        Of its task.
    shard : Shard
    """
    files = []
    for job in run.jobs:
        outcome = run.outcomes.get(job.name)
        known: dict[str, Any] = {
            "input": storage.shown(job.source.place),
            "size": job.source.size,
            "tag": job.source.tag,
        }
        known["output"] = job.name
        if outcome is None:
            known["status"] = "not reached"
        elif outcome.failure is not None:
            known |= {"status": "failed", "code": outcome.failure.code, "message": outcome.failure.message}
        else:
            known |= {"status": "earlier" if job.name in run.earlier else "done", "rows": outcome.rows}
            known |= {"failed_rows": outcome.failed, "failed_rows_named": outcome.named}
            if job.name not in run.earlier:
                known["processor_seconds"] = round(outcome.seconds, 3)
        files.append(known)
    return {
        "settings": dict(settings),
        "shard": {"number": shard.number, "count": shard.count},
        "started": run.started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": run.rows,
        "failed_rows": run.failed_rows,
        "files": files,
    }


def write(run: "Run", settings: Mapping[str, Any], output: str, shard: Shard) -> None:
    """Write the manifest and the summary; raises OSError."""
    said = describe(run, settings, shard)
    content = orjson.dumps(said, option=orjson.OPT_INDENT_2) + b"\n"
    made = {f"manifest{shard.suffix}.json": content, f"summary{shard.suffix}.html": page.draw(run, said).encode()}
    for name, text in made.items():
        with storage.writing(storage.below(output, name), f"{shard.number}") as file:
            file.write(text)
