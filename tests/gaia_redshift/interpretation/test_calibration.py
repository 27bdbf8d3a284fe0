"""What a calibration may hold: anything inconsistent is refused before it can give wrong intervals."""

from typing import Any

import pytest

from gaia_redshift.interpretation.calibration import ENDS, Calibration
from gaia_redshift.spectra import DR3
from tests.tiny import tiny_calibration


def changed(changes: dict[str, Any], *, density: bool = False) -> Calibration:
    return Calibration.model_validate({**tiny_calibration(density=density).model_dump(), **changes})


def table(**changes: list[float]) -> dict[str, Any]:
    good = {"redshift": [0.1, 0.3], **{end: [0.0, 0.0] for end in ENDS}}
    return {"intervals": {"survey": [{**good, **changes}]}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (table(redshift=[]), "at least one node"),
        (table(redshift=[0.3, 0.1]), "must increase"),
        (table(redshift=[0.1, 0.1]), "must increase"),
        (table(lower68=[0.0]), "one value per redshift node"),
        (table(lower68=[0.1, 0.1]), "ascend"),
        (table(upper95=[0.0, float("nan")]), "finite"),
        ({"brightness_edges": [1.0]}, "2 tables"),
        ({"brightness_edges": [2.0, 1.0]}, "brightness_edges must increase"),
        ({"intervals": {}}, "survey"),
        ({"redshift": [0.1]}, "earlier version"),
    ],
)
def test_an_inconsistent_calibration_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        changed(changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flux_min": [0.0]}, "flux_min"),
        ({"prior_train": [0.5, 0.5]}, "60 bins"),
        ({"prior_train": [0.0] + [1 / 59] * 59}, "positive in every bin"),
        ({"prior_survey": None}, "prior_survey"),
        ({"kinds": ["star", "galaxy"]}, "galaxy first"),
    ],
)
def test_a_calibration_that_does_not_fit_its_density_is_refused(changes: dict[str, Any], reason: str) -> None:
    tiny_calibration(density=True).refuse_misfit("density", 60, DR3.samples)
    with pytest.raises(ValueError, match=reason):
        changed(changes, density=True).refuse_misfit("density", 60, DR3.samples)


def test_a_density_needs_levels_on_either_side_of_one_half_and_a_point_offsets_around_zero() -> None:
    with pytest.raises(ValueError, match="either side"):
        changed({"intervals": {"survey": [], "flat": []}, **both(0.6)}, density=True).refuse_misfit(
            "density", 60, DR3.samples
        )
    with pytest.raises(ValueError, match="contain its prediction"):
        changed(table(lower95=[0.1, 0.1], lower68=[0.1] * 2, upper68=[0.2] * 2, upper95=[0.3] * 2)).refuse_misfit(
            "point", 0, DR3.samples
        )


def both(level: float) -> dict[str, Any]:
    one = {"redshift": [0.1], "lower95": [0.1], "lower68": [level], "upper68": [0.8], "upper95": [0.9]}
    return {"intervals": {"survey": [one, one], "flat": [one, one]}}
