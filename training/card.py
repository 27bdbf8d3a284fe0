"""The card of a model: what it is, what it is for, how good it is, where it fails. Imports `evaluate`, no network.

The first line says what the training spectra are: nobody may take numbers from a simulation for numbers on the sky.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import Manifest
from training.dataset import Dataset
from training.evaluate import BIN_EDGES, PUBLISHED, Bin, Metrics, by_redshift
from training.fit import Fitted
from training.split import Split

NOTABLE_BIAS = 0.02
"""Mean error of a bin that the card names among the failures: about the network's mean absolute error."""

CITATIONS = (
    "Gaia Collaboration, Prusti et al. 2016, A&A 595, A1 (the Gaia mission)",
    "Gaia Collaboration, Vallenari et al. 2023, A&A 674, A1 (Gaia DR3)",
    "Delchambre et al. 2023, A&A 674, A31 (Apsis III: the Unresolved Galaxy Classifier)",
    "Gaia Collaboration, Bailer-Jones et al. 2023, A&A 674, A41 (extragalactic content)",
    "De Angeli et al. 2023, A&A 674, A2; Montegriffo et al. 2023, A&A 674, A3; Carrasco et al. 2021, A&A 652, A86 "
    "(BP/RP spectra); GaiaXPy",
    "Ahumada et al. 2020, ApJS 249, 3 (SDSS DR16)",
    "Blanton & Roweis 2007, AJ 133, 734 (kcorrect)",
    "Kiraleos 2023, Application of Machine Learning Methods on Astronomical Databases (the network and its recipe)",
)


@dataclass(frozen=True, slots=True)
class Tested:
    """What was measured on the test part; arrays of shape (n,)."""

    true: NDArray[np.float32]
    predicted: NDArray[np.float32]
    metrics: Metrics
    constant: Metrics
    """Of answering the median training redshift always."""
    coverage: tuple[float, float]
    onnx_difference: float


def origin(dataset: Dataset, start: str | None = None) -> str:
    """Return the sentences that say what the training spectra are, and what the training started from."""
    return _spectra(dataset) + (
        f" Fine-tuned from {start.split(' ')[0]}: see there for what that learnt from." if start else ""
    )


def _spectra(dataset: Dataset) -> str:
    if dataset.simulated is None:
        return "Trained on spectra of undeclared origin: the training set does not say whether they were simulated."
    if dataset.simulated:
        return "Trained on SIMULATED spectra: its numbers were measured on simulations, not on the sky."
    return "Trained on observed spectra."


def write_card(manifest: Manifest, fitted: Fitted, dataset: Dataset, parts: Split, tested: Tested) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    manifest : Manifest
    fitted : Fitted
    dataset : Dataset
    parts : Split
    tested : Tested

    Returns
    -------
    str
    """
    sections = (
        f"**{origin(dataset, fitted.recipe.start)}**",
        f"# {manifest.name} {manifest.version}",
        use(dataset),
        _making(fitted, dataset, parts),
        _results(tested),
        _bins(dataset, parts, tested),
        _bins_by_prediction(tested),
        _failures(tested),
        citing(),
    )
    return "\n\n".join(sections) + "\n"


def use(dataset: Dataset) -> str:
    """Return what a model is for and what not."""
    real = "" if dataset.simulated is False else " Retrain or check it on real spectra before you publish."
    return f"""## Use

Redshifts of galaxies that Gaia does not resolve, from their BP/RP spectra, for statistical work, about
0.02 < z < 0.4.{real}

Not for: replacing the spectroscopic redshift of one object, z > 0.6, quasars, stars, crowded fields at low galactic
latitude, or cosmology without the selection function.

Input: 186 internally calibrated fluxes (80 BP + 106 RP, e-/s per sample). Output: one redshift and its calibrated
68 and 95% intervals."""


def _making(fitted: Fitted, dataset: Dataset, parts: Split) -> str:
    recipe, counts = fitted.recipe, parts.counts()
    minutes = sum(row.seconds for row in fitted.history) / 60
    provenance = "".join(f", {name} {value}" for name, value in dataset.provenance.items()).replace("_", " ")
    convolutions = ", ".join(f"{each.filters} x {each.kernel}" for each in recipe.convolutions)
    return f"""## How it was made

- Data: `{dataset.name}`{provenance},
  SHA-256 `{dataset.sha256}`.
- Split {parts.how}: {counts["train"]:,} spectra to train,
  {counts["validation"]:,} to validate, {counts["test"]:,} to test.{_left_out(dataset)}
- Scaling: minimum and maximum of each flux {_scaling(recipe.start)}.
- Network: {fitted.network.count_params():,} parameters; convolutions {convolutions}, each pooled in pairs;
  dense {", ".join(str(units) for units in recipe.dense)}, 1; {recipe.activation}.
- Recipe `{recipe.name}`: {recipe.optimizer} {recipe.learning_rate:g}, {recipe.loss}, batch {recipe.batch_size},
  seed {recipe.seed}.
- Epochs: {len(fitted.history)} of at most {recipe.epochs}, in {minutes:.0f} minutes; epoch {fitted.best_epoch},
  with the lowest validation loss, was kept (`recipe.json`, `history.csv`).
- Intervals: split conformal, by predicted redshift and class of brightness, from the validation part."""


def _left_out(dataset: Dataset) -> str:
    reasons = "; ".join(
        f"{count:,} {'row' if count == 1 else 'rows'} with {what}" for what, count in dataset.dropped.items()
    )
    return f"\n  Left out: {reasons}." if reasons else ""


def _scaling(start: str | None) -> str:
    if start:
        return f"as in the training of {start}, whose weights this one started from"
    return "in the training part alone (the dissertation's scaler saw all parts)"


def _results(tested: Tested) -> str:
    rows = [
        ("mean absolute error", "mae", ".4f"),
        ("root mean square error", "rms", ".4f"),
        ("bias, mean dz", "bias_mean", "+.4f"),
        ("bias, median dz", "bias_median", "+.4f"),
        ("NMAD", "nmad", ".4f"),
        ("outliers, abs(dz) > 0.15", "outliers_15", ".2%"),
        ("outliers, abs(dz) > 0.05", "outliers_05", ".2%"),
    ]
    found, constant = tested.metrics.as_dict(), tested.constant.as_dict()
    table = [f"| {label} | {format(found[key], how)} | {format(constant[key], how)} |" for label, key, how in rows]
    held68, held95 = tested.coverage
    return f"""## Results on the test part

{len(tested.true):,} spectra that nothing was fitted to; dz = (predicted - true) / (1 + true). The last column is what
answering the median training redshift for every galaxy would give.

| | this model | a constant |
|---|---|---|
{lines(table)}

The 68% interval held {held68:.1%} of the true redshifts, the 95% interval {held95:.1%}.
The Keras and the ONNX network differ by at most {tested.onnx_difference:.1e} in z."""


def _bins(dataset: Dataset, parts: Split, tested: Tested) -> str:
    trained = np.histogram(dataset.redshift[parts.train], BIN_EDGES)[0]
    rows = [
        f"| {row.low:.2f}-{row.high:.2f} | {count:,} | {row.count:,} | {_mean(row)} | {_sigma(row)} "
        f"| {mean:+.4f} | {sigma:.4f} | {percent:.2f} |"
        for row, count, (mean, sigma, percent) in zip(
            by_redshift(tested.true, tested.predicted), trained, PUBLISHED, strict=True
        )
    ]
    return f"""## By true redshift

Mean and standard deviation of predicted - true. On the right the dissertation's table 3, measured on **real spectra**
(MAE 0.0213): other galaxies, so **not directly comparable**.

| true z | training spectra | test spectra | mean error | sigma | real: mean error | real: sigma | real: % |
|---|---|---|---|---|---|---|---|
{lines(rows)}"""


def _bins_by_prediction(tested: Tested) -> str:
    rows = [
        f"| {row.low:.2f}-{row.high:.2f} | {row.count:,} | {_mean(row)} | {_sigma(row)} |"
        for row in by_redshift(tested.true, tested.predicted, binned_by=tested.predicted)
    ]
    return f"""## By predicted redshift

What a user sees: of galaxies that are given this redshift, how far are they from it?

| predicted z | test spectra | mean error | sigma |
|---|---|---|---|
{lines(rows)}"""


def _failures(tested: Tested) -> str:
    shrinkage = point(
        "A network that minimises its error draws rare redshifts towards the crowded ones. "
        f"{biased(tested.true, tested.predicted)}"
    )
    return f"""## Failures

{shrinkage}
- The network leans on the relation of type, brightness and redshift in its training set: a sample selected in another
  way is biased.
- Spectra unlike the training set (bright nuclei, strong starbursts, blends, neighbours in the window) get a redshift
  like any other; heed the quality flags."""


def biased(true: NDArray[np.floating], predicted: NDArray[np.floating]) -> str:
    """Return the sentence that names the bins of true redshift with a notable mean error."""
    bins = ", ".join(
        f"{row.mean_error:+.3f} at {row.low:.2f}-{row.high:.2f}"
        for row in by_redshift(true, predicted)
        if abs(row.mean_error) > NOTABLE_BIAS
    )
    return f"Mean errors beyond {NOTABLE_BIAS:g}, by true redshift: {bins or 'none here'}."


def point(text: str) -> str:
    """Return a text as one point of a list, in lines that fit the card."""
    return textwrap.fill(f"- {text}", width=115, subsequent_indent="  ", break_on_hyphens=False)


def citing() -> str:
    """Return whom to cite."""
    cited = lines([f"- {citation}" for citation in CITATIONS])
    return f"""## Citing

{cited}

This work has made use of data from the European Space Agency (ESA) mission Gaia, processed by the Gaia Data
Processing and Analysis Consortium (DPAC). Gaia data: credit ESA/Gaia/DPAC. SDSS public releases are in the public
domain; please acknowledge them."""


def _mean(row: Bin) -> str:
    return f"{row.mean_error:+.4f}" if row.count else "-"


def _sigma(row: Bin) -> str:
    return f"{row.sigma:.4f}" if row.count > 1 else "-"


def lines(rows: Sequence[str]) -> str:
    """Return rows under each other."""
    return "\n".join(rows)
