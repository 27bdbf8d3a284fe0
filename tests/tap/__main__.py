"""Ask a real TAP service the query that docs/how-to/real-training-data.md ships, and compare its answer."""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from gaia_redshift.archive.tap import query
from gaia_redshift.archive.web import ArchiveError, Web
from tests.tap.service import Rows, serving

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "real-training-data.md"
LARGE = 5_000_000_000_000_000_000
"""Gaia's identifiers need all 64 bits."""


def catalogue(rows: int = 200, seed: int = 1) -> dict[str, Rows]:
    """Return invented rows of the three tables, blanks among them."""
    random = np.random.default_rng(seed)
    sources, candidates, neighbours = [], [], []
    for number in range(rows):
        source_id = LARGE + number
        sources.append(
            {
                "source_id": source_id,
                "ra": round(float(random.uniform(0, 360)), 6),
                "dec": round(float(random.uniform(-90, 90)), 6),
                "phot_g_mean_mag": round(float(random.uniform(15, 21)), 3),
                "has_xp_continuous": str(bool(random.random() < 0.6)),
            }
        )
        if random.random() < 0.7:
            redshift = round(float(random.uniform(0, 0.6)), 4)
            candidates.append(
                {
                    "source_id": source_id,
                    "redshift_ugc": redshift,
                    "redshift_ugc_lower": round(redshift - 0.01, 4),
                    "redshift_ugc_upper": round(redshift + 0.01, 4),
                    "radius_sersic": random.choice(["", "1200.5"]),
                    "classlabel_dsc_joint": random.choice(["galaxy", "quasar", ""]),
                    "vari_best_class_name": random.choice(["GALAXY", "AGN", ""]),
                }
            )
        if random.random() < 0.5:
            neighbours.append({"source_id": source_id, "original_ext_source_id": 1237650000000000000 + number})
    return {"gaia_source": sources, "galaxy_candidates": candidates, "sdssdr13_best_neighbour": neighbours}


def wanted(tables: dict[str, Rows]) -> list[tuple[object, object]]:
    """Return source_id and SDSS's identifier of what the query selects, in order."""
    spectra = {row["source_id"] for row in tables["gaia_source"] if row["has_xp_continuous"] == "True"}
    neighbours = {row["source_id"]: row["original_ext_source_id"] for row in tables["sdssdr13_best_neighbour"]}
    galaxies = [
        row["source_id"]
        for row in tables["galaxy_candidates"]
        if row["radius_sersic"] or row["classlabel_dsc_joint"] == "galaxy" or row["vari_best_class_name"] == "GALAXY"
    ]
    return [(each, neighbours.get(each)) for each in sorted(map(int, map(str, galaxies))) if each in spectra]


def main() -> None:
    """Serve, ask, compare."""
    found = re.search(r"<<'ADQL'\n(.*?)ADQL\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{PAGE} ships no query"
    tables = catalogue()
    with tempfile.TemporaryDirectory(prefix="tap-", dir="/tmp") as folder, serving(Path(folder), tables) as tap:
        web = Web(pause=0.0)
        answer = query(found[1], tap, web=web, poll_seconds=0.2).sort_by("source_id")
        rows = list(zip(answer["source_id"].to_pylist(), answer["original_ext_source_id"].to_pylist(), strict=True))
        assert rows == wanted(tables), rows[:3]
        assert answer.num_columns == 8, answer.column_names
        with pytest.raises(ArchiveError, match="nothing"):
            query("SELECT nothing FROM gaiadr3.gaia_source", tap, web=web, poll_seconds=0.2)
        web.close()
    sys.stdout.write(f"the shipped ADQL gave {len(rows)} of {len(tables['gaia_source'])} sources, as it should\n")


if __name__ == "__main__":
    main()
