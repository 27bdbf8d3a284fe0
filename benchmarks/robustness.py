"""Errors of two models with more noise, shifted samples and scaled fluxes. Part of `accuracy.py`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.linalg import block_diag

from gaia_redshift.interpretation.result import AnswerOptions, Redshifts
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, SpectrumBatch
from training.data.dataset import Dataset
from training.evaluation.figures import figure
from training.evaluation.metrics import measure
from training.simulation.instrument import kept_matrix
from training.simulation.noise import noise_fit


def answers(model: Predictor, flux: np.ndarray) -> Redshifts:
    """Return a model's redshifts of spectra."""
    return model.predict(SpectrumBatch(flux.astype(np.float32)), AnswerOptions()).redshifts


def robustness(
    models: tuple[Predictor, Predictor], survey: Dataset, rows: np.ndarray
) -> dict[str, tuple[list[float], list]]:
    """Return MAE against noise, shift and scale, one list per model, and print it."""
    flux, true = survey.flux[rows[:6000]], survey.redshift[rows[:6000]]
    random = np.random.default_rng(5)
    bases = gaia_noise()
    possible = random.standard_normal((len(flux), len(bases))) @ bases
    other = random.standard_normal(flux.shape) @ smoothing()
    noise, alien = (0.16 * each / each.std() for each in (possible, other))
    slope = np.concatenate(
        [np.gradient(flux[:, : DR3.bp.count], axis=1), np.gradient(flux[:, DR3.bp.count :], axis=1)], axis=1
    )
    # A step of BP's grid is .333 px and of RP's .357 px.
    per_px = np.concatenate([np.full(DR3.bp.count, 1 / 0.333), np.full(DR3.samples - DR3.bp.count, 1 / 0.357)])
    changes: dict[str, tuple[list[float], Callable[[float], np.ndarray]]] = {
        "added noise / typical noise": ([0, 0.5, 1, 1.5, 2, 3], lambda x: flux + x * noise),
        "noise outside Gaia's bases / typical": ([0, 0.5, 1, 1.5, 2, 3], lambda x: flux + x * alien),
        "shift of the samples in px": ([-0.5, -0.25, 0, 0.25, 0.5], lambda x: flux + x * slope * per_px),
        "scale of the flux": ([0.8, 0.9, 1, 1.1, 1.2], lambda x: flux * x),
    }
    curves = {}
    for name, (values, change) in changes.items():
        errors = [[measure(true, answers(model, change(x)).redshift)["mae"] for x in values] for model in models]
        curves[name] = (values, errors)
        print(f"\n| {name} | {' | '.join(f'{x:g}' for x in values)} |\n|---|{'---|' * len(values)}")
        for model, line in zip(models, errors, strict=True):
            print(f"| MAE, {model.manifest.name} | {' | '.join(f'{error:.4f}' for error in line)} |")
    return curves


def gaia_noise() -> np.ndarray:
    """Return the matrix from white noise on the detector to noise of the 186 samples: a fit of 55 bases per band."""
    bands = [noise_fit(band) @ kept_matrix(band) for band in ("BP", "RP")]
    return block_diag(*bands)


def smoothing() -> np.ndarray:
    """Return a matrix that correlates neighbouring samples as Gaia's bases do, by about .86."""
    distance = np.arange(DR3.samples)[:, None] - np.arange(DR3.samples)
    return np.exp(-0.5 * (distance / 1.3) ** 2)


def draw(folder: Path, curves: dict[str, tuple[list[float], list]], labels: tuple[str, str]) -> None:
    """Draw the robustness curves."""
    with figure("accuracy-robustness", folder, ncols=len(curves), sharey=True, figsize=(12, 3.4)) as panels:
        for axes, (name, (values, errors)) in zip(panels, curves.items(), strict=True):
            for label, line, mark in zip(labels, errors, ("o--", "s-"), strict=True):
                axes.plot(values, line, mark, label=label)
            axes.set(xlabel=name)
        panels[0].set(ylabel="mean absolute error in z", ylim=(0, None))
        panels[0].legend()
    (folder / "accuracy-robustness.svg").unlink()
