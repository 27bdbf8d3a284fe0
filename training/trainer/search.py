"""Bayesian optimisation of a recipe: one trial is one training. Imports `fit` and `space`; keras-tuner.

Trials are compared by the mean absolute error on the validation part at the epoch that their training keeps, since
their losses differ in kind. An interrupted search goes on from its folder, inside a trial too.

With keras-tuner's environment variables, a chief draws the recipes and its workers train them. They share the folder.
"""

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import grpc
import keras_tuner

from gaia_redshift.errors import Detail, InvalidInputError
from training.data.material import Material
from training.recipes.cnn import CnnRecipe
from training.trainer.fit import fit
from training.trainer.space import draw

OracleTrial: TypeAlias = Any
"""A trial of keras-tuner, which has no types."""

OBJECTIVE = "val_mean_absolute_error"
RANDOM_TRIALS = 8
"""Drawn at random at first; keras-tuner would draw three per dimension."""

_SEARCH_FILE = "search.json"
_PROJECT = "trials"
_STATE_FILE = "oracle.json"
"""In the project's folder: keras-tuner's chief writes it before it gives away a trial."""

Role: TypeAlias = Literal["alone", "chief", "worker"]
_VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


@dataclass(frozen=True, slots=True)
class Trial:
    """One training that was tried."""

    number: int
    recipe: CnnRecipe
    score: float | None
    """Mean absolute error on the validation part; None where the training failed."""
    parameters: int
    problem: str = ""


def find_role() -> Role:
    """Return which part of a search this process is, as keras-tuner reads it from the environment.

    Raises InvalidInputError if only some of its three variables are set, or the port is not one.
    """
    given = {name: os.environ.get(name, "") for name in _VARIABLES}
    missing = [Detail(name, "not set") for name, value in given.items() if not value]
    if len(missing) == len(given):
        return "alone"
    if missing:
        raise InvalidInputError("a search by a chief and workers needs all of keras-tuner's variables", missing)
    identity, _, port = given.values()
    if not (port.isdecimal() and 0 < int(port) < 1 << 16):
        raise InvalidInputError(f"KERASTUNER_ORACLE_PORT is {port}: give a port, 1 to 65535")
    return "chief" if "chief" in identity else "worker"


def search(material: Material, base: CnnRecipe, folder: Path, trials: int) -> list[Trial]:
    """Try recipes until `trials` have been tried in `folder`, those of earlier calls included.

    A chief waits until its workers have tried them; a worker trains what the chief gives it, until there is no more.
    `base` has what is not searched: batch size, epochs, patience, learning rate, seed.

    Returns
    -------
    list of Trial
        The best first, failed ones last; none in a worker.

    Raises
    ------
    InvalidInputError
        If `folder` has a search on other data or with another base, or cannot be written to; if every trial failed, or
        chief and worker do not find each other.
    """
    role = find_role()
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
    tuner = _Tuner(oracle=oracle, directory=str(folder), project_name=_PROJECT)
    tuner.save()
    try:
        tuner.search(material, base, folder, verbose=0)
    except keras_tuner.errors.FatalError as error:
        raise InvalidInputError(str(error)) from error
    except grpc.RpcError as error:
        raise InvalidInputError(
            f"no chief answers at {_address()}: {error.details()}; start it, or the search is over"
        ) from error
    except RuntimeError as error:  # gRPC has no narrower one
        if "bind" not in str(error):
            raise
        raise InvalidInputError(
            f"the chief cannot listen at {_address()}: give another KERASTUNER_ORACLE_IP or KERASTUNER_ORACLE_PORT"
        ) from error
    if role == "worker":
        return []
    tuner.save()  # a chief's last state says that the last trial goes on still
    results = (_result(trial, base) for trial in oracle.trials.values())
    found = sorted(results, key=lambda trial: (trial.score is None, trial.score or 0.0, trial.number))
    if found[0].score is None:
        raise InvalidInputError(f"no trial of {len(found)} succeeded; the first failed because {found[0].problem}")
    return found


class _Tuner(keras_tuner.Tuner):  # type: ignore[misc]
    def run_trial(
        self, trial: OracleTrial, material: Material, base: CnnRecipe, folder: Path, **_: object
    ) -> dict[str, float]:
        if not (folder / _PROJECT / _STATE_FILE).exists():
            raise keras_tuner.errors.FatalError(f"{folder} is not the chief's folder: a search's processes share one")
        recipe = draw(trial.hyperparameters, base)
        try:
            fitted = fit(material, recipe, folder / "runs" / f"trial-{int(trial.trial_id)}")
        except InvalidInputError as error:  # the training diverged
            raise keras_tuner.errors.FailedTrialError(error.message) from error
        except OSError as error:  # a full disk says nothing about the recipe
            raise keras_tuner.errors.FatalError(f"{folder} cannot be written to: {error.strerror or error}") from error
        return {OBJECTIVE: fitted.history[fitted.best_epoch - 1].val_mean_absolute_error}

    def _get_tuner_fname(self) -> str:
        """Return keras-tuner's file of this process; a chief and a search alone use the same, so each can go on."""
        own = self.tuner_id if find_role() == "worker" else "tuner0"
        return f"{self.project_dir}/{own}.json"


def _address() -> str:
    return ":".join(os.environ[name] for name in _VARIABLES[1:])


def _claim(folder: Path, material: Material, base: CnnRecipe) -> None:
    """Refuse a folder whose trials cannot be compared with the ones to come."""
    claim = {"data": material.sha256, "rows": len(material), "base": base.model_dump(mode="json")}
    path = folder / _SEARCH_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_name(f".{_SEARCH_FILE}.{socket.gethostname()}-{os.getpid()}")
            part.write_text(json.dumps(claim, indent=1) + "\n", encoding="utf-8")
            with suppress(FileExistsError):  # another process of this search was first
                path.hardlink_to(part)
            part.unlink()
        if json.loads(path.read_text(encoding="utf-8")) != claim:
            raise InvalidInputError(f"{folder} holds a search on other data or with other options: name another")
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be written to: {error.strerror or error}") from error


def _result(trial: OracleTrial, base: CnnRecipe) -> Trial:
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
