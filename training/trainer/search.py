"""Bayesian optimisation of a recipe: one trial is one training. Imports `fit` and `space`; keras-tuner.

Trials are compared by the mean absolute error on the validation part at the epoch that their training keeps: their
losses differ in kind. Everything lies in one folder, from which an interrupted search goes on, inside a trial too.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras_tuner

from gaia_redshift.errors import InvalidInputError
from training.data.material import Material
from training.recipes.cnn import CnnRecipe
from training.trainer.fit import fit
from training.trainer.space import draw

Oracled: TypeAlias = Any
"""A trial of keras-tuner, which has no types."""

OBJECTIVE = "val_mean_absolute_error"
RANDOM_TRIALS = 8
"""Drawn at random before the model of the space means anything; keras-tuner would draw three per dimension."""

_SEARCH_FILE = "search.json"


@dataclass(frozen=True, slots=True)
class Trial:
    """One training that was tried."""

    number: int
    recipe: CnnRecipe
    score: float | None
    """Mean absolute error on the validation part; None where the training failed."""
    parameters: int
    problem: str = ""


def search(material: Material, base: CnnRecipe, folder: Path, trials: int) -> list[Trial]:
    """Try recipes until `trials` have been tried in `folder`, those of earlier calls included.

    Parameters
    ----------
    material : Material
        The test part is not touched.
    base : CnnRecipe
        What is not searched: batch size, epochs, patience, learning rate, seed.
    folder : Path
    trials : int

    Returns
    -------
    list of Trial
        Best first, failed ones last.

    Raises
    ------
    InvalidInputError
        If `folder` holds a search on other data or with another base, cannot be written to, or every trial failed.
    """
    _claim(folder, material, base)
    choices = keras_tuner.HyperParameters()
    draw(choices, base)
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective(OBJECTIVE, "min"),
        max_trials=trials,
        num_initial_points=RANDOM_TRIALS,
        seed=base.seed,
        hyperparameters=choices,
        # Recipes that cannot be trained do not end the search.
        max_consecutive_failed_trials=trials + 1,
    )
    tuner = _Tuner(oracle=oracle, directory=str(folder), project_name="trials")
    tuner.save()
    try:
        tuner.search(material, base, folder, verbose=0)
    except keras_tuner.errors.FatalError as error:
        raise InvalidInputError(str(error)) from error
    found = sorted(
        (_result(trial, base) for trial in oracle.trials.values()),
        key=lambda trial: (trial.score is None, trial.score or 0.0, trial.number),
    )
    if found[0].score is None:
        raise InvalidInputError(f"no trial of {len(found)} succeeded; the first failed because {found[0].problem}")
    return found


class _Tuner(keras_tuner.Tuner):  # type: ignore[misc]
    def run_trial(self, trial: Oracled, *given: Any, **_: object) -> dict[str, float]:
        material, base, folder = given
        recipe = draw(trial.hyperparameters, base)
        try:
            fitted = fit(material, recipe, folder / "runs" / f"trial-{int(trial.trial_id)}")
        except InvalidInputError as error:  # the training diverged
            raise keras_tuner.errors.FailedTrialError(error.message) from error
        except OSError as error:  # a full disk says nothing of the recipe
            raise keras_tuner.errors.FatalError(f"{folder} cannot be written to: {error.strerror or error}") from error
        return {OBJECTIVE: fitted.history[fitted.best_epoch - 1].val_mean_absolute_error}


def _claim(folder: Path, material: Material, base: CnnRecipe) -> None:
    """Refuse a folder whose trials cannot be compared with the ones to come."""
    claim = {"data": material.sha256, "rows": len(material), "base": base.model_dump(mode="json")}
    path = folder / _SEARCH_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != claim:
                raise InvalidInputError(f"{folder} holds a search on other data or with other options: name another")
            return
        path.write_text(json.dumps(claim, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be written to: {error.strerror or error}") from error


def _result(trial: Oracled, base: CnnRecipe) -> Trial:
    recipe = draw(trial.hyperparameters, base)
    done = trial.status == "COMPLETED"
    lines: Sequence[str] = (trial.message or "").strip().splitlines()
    return Trial(
        number=int(trial.trial_id),
        recipe=recipe,
        score=float(trial.score) if done else None,
        parameters=int(recipe.build().count_params()),
        problem="" if done or not lines else lines[-1].split(": ", 1)[-1],
    )
