"""The card of a model: its use, its making, its accuracy, its failures. Imports `draft` and `tested`.

The first line says what the training spectra are, so that numbers from a simulation are not mistaken for real ones.
"""

import textwrap

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import Manifest
from gaia_redshift.errors import counted
from training.data.dataset import Dataset
from training.data.material import GREY_REDSHIFT, Galaxies, Material
from training.evaluation.metrics import BIN_EDGES, METRICS, PUBLISHED_IN_WORDS, by_redshift
from training.evaluation.page import markdown_table
from training.evaluation.predicted import Predicted
from training.release.agreement import RARE, Agreement
from training.release.draft import CITATIONS, origin
from training.release.tested import Tested, UnderPrior
from training.trainer.fit import Fitted

NOTABLE_BIAS = 0.02
"""Mean error of a bin that the card names among the failures: about the network's mean absolute error."""
POORLY_HELD, FEWEST = 0.55, 20
"""Coverage of the 68% interval below which the card names a bin of true redshift with at least so many galaxies."""


def write_card(manifest: Manifest, fitted: Fitted, material: Material, tested: Tested, agreement: Agreement) -> str:
    """Return the card as Markdown."""
    survey, described = material.survey.dataset, fitted.recipe.describe()
    sections = (
        f"**{origin(survey, fitted.recipe.start)}**",
        f"# {manifest.name} {manifest.version}",
        _use(survey),
        described.answer,
        _making(manifest, fitted, material),
        _results(tested, agreement),
        *(_bins(material, each, prior, tested) for prior, each in tested.priors.items()),
        _flags(tested),
        _failures(tested, described.failures),
        _citing(),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _use(dataset: Dataset) -> str:
    real, ground = "", "galaxies of the training set that the network did not see"
    if dataset.simulated is not False:
        real = " Retrain or check it on real spectra before you publish."
        ground = "simulated galaxies" if dataset.simulated else "galaxies of the training set"
        ground += ": their coverage for real\nspectra is unknown, as are the errors and flag rates below"
    return f"""## Use

Redshifts of galaxies that Gaia does not resolve, from their BP/RP spectra, for statistical work, about
0.02 < z < 0.4.{real}

Not for: replacing the spectroscopic redshift of one object, z > 0.6, quasars, stars, crowded fields at low galactic
latitude, or cosmology without the selection function.

Input: 186 internally calibrated fluxes (80 BP + 106 RP, e-/s per sample). Output: one redshift and its 68 and 95%
intervals, calibrated on {ground}."""


def _making(manifest: Manifest, fitted: Fitted, material: Material) -> str:
    recipe, described = fitted.recipe, fitted.recipe.describe()
    minutes = sum(row.seconds for row in fitted.history) / 60
    balanced = " and one for the flat prior" if material.balance else ""
    scaling = "in the training part alone (the dissertation's scaler saw all parts)"
    if recipe.start:
        scaling = f"as in the training of {recipe.start}, whose weights this one started from"
    points = [
        *map(_source, ("Data", "Balance"), material.galaxies),
        *_others(manifest, material),
        _point(f"Scaling: minimum and maximum of each flux {scaling}{described.scaling}."),
        _point(f"Network: {fitted.network.count_params():,} parameters; {described.network}."),
        _point(f"Recipe `{recipe.name}`: {described.training}."),
        f"- Epochs: {len(fitted.history)} of at most {recipe.epochs}, in {minutes:.0f} minutes; epoch "
        f"{fitted.best_epoch},\n  with the lowest validation loss, was kept (`recipe.json`, `history.csv`).",
        "- Intervals: split conformal, by predicted redshift and class of brightness, from the validation part;\n"
        f"  one set for the survey's redshifts{balanced}.",
    ]
    return "## How it was made\n\n" + "\n".join(points)


def _source(what: str, galaxies: Galaxies) -> str:
    dataset, counts = galaxies.dataset, galaxies.parts.counts()
    left_out = f"\n  Left out: {'; '.join(dataset.left_out())}." if dataset.dropped else ""
    provenance = "".join(f", {name} {value}" for name, value in dataset.provenance.items()).replace("_", " ")
    return f"""- {what}: `{dataset.name}`{provenance},
  SHA-256 `{dataset.sha256}`.
  Split {galaxies.parts.how}: {counts["train"]:,} spectra to train,
  {counts["validation"]:,} to validate, {counts["test"]:,} to test.{left_out}"""


def _others(manifest: Manifest, material: Material) -> list[str]:
    if not material.others:
        return []
    return [
        f"- Stars, quasars, blank sky and blends for the kind: {len(material.others['train']):,} to train. Quasars "
        f"nearer than\n  z = {GREY_REDSHIFT:g} are left out: they and galaxies with a nucleus cannot be told apart. "
        f"All files together:\n  SHA-256 `{manifest.training.dataset_sha256}`."
    ]


def _results(tested: Tested, agreement: Agreement) -> str:
    priors = tested.priors
    heads = [f"{prior} prior" for prior in priors] if len(priors) > 1 else ["this model"]
    rows = []
    for name in priors["survey"].metrics:
        words, how = METRICS[name]
        known = f"{tested.constant[name]:{how}}" if name in tested.constant else "-"
        rows.append((words, *(f"{each.metrics[name]:{how}}" for each in priors.values()), known))
    counts = " and ".join(f"{len(each.galaxies.true):,}" for each in priors.values())
    apart = f"differ by at most {agreement.redshift:.1e} in z"
    if agreement.probability is not None:
        apart += f", but for {RARE:g} of the medians,\nand by at most {agreement.probability:.1e} in a probability"
    refused = sum(each.refused for each in priors.values())
    without = f"\n{counted(refused, 'other', 'others')} got no redshift." if refused else ""
    of = "of the survey" + (" and uniform in redshift, each under its own prior" if len(priors) > 1 else "")
    return f"""## Results on the test part

{counts} spectra {of}, not used for any fit; dz = (predicted - true) / (1 + true).
The last column is what answering the median training redshift for every galaxy would give.{without}

{markdown_table(("", *heads, "a constant"), rows)}

The Keras and the ONNX network {apart}."""


def _bins(material: Material, found: UnderPrior, prior: str, tested: Tested) -> str:
    """Return errors by true and by predicted redshift, beside the published ones where they are of the survey."""
    true, predicted = found.galaxies.true, found.galaxies.point
    survey = prior == "survey"
    held = material.survey if survey or material.balance is None else material.balance
    trained = np.histogram(held.redshift("train"), BIN_EDGES)[0]
    heads = ["z", "training spectra", "by true z: test spectra", "mean error", "sigma"]
    heads += ["by predicted z: test spectra", "mean error", "sigma"]
    heads += ["real: mean error", "real: sigma", "real: %"] if survey else []
    rows = []
    both = (by_redshift(true, predicted), by_redshift(true, predicted, binned_by=predicted))
    for count, by_true, by_predicted, published in zip(trained, *both, PUBLISHED_IN_WORDS, strict=True):
        cells = [f"{by_true.low:.2f}-{by_true.high:.2f}", f"{count:,}"]
        for binned in (by_true, by_predicted):
            cells += [f"{binned.count:,}", *binned.errors_in_words()]
        rows.append([*cells, *(published if survey else ())])
    under = f", under the {prior} prior" if len(tested.priors) > 1 else ""
    note = (
        "\nOn the right the dissertation's table 3, measured on **real spectra** (MAE 0.0213): other galaxies, so\n"
        "**not directly comparable**."
        if survey
        else ""
    )
    return f"""## By redshift{under}

Mean and standard deviation of predicted - true, first in bins of the true redshift, then in bins of the predicted one:
of galaxies that are given this redshift, how far are they from it?{note}

{markdown_table(heads, rows)}"""


def _flags(tested: Tested) -> str:
    words = {"survey": "galaxies, survey", "flat": "galaxies, uniform"}
    groups = {words[prior]: each.flagged for prior, each in tested.priors.items()} | dict(tested.others)
    flags = list(tested.priors["survey"].flagged)
    table = markdown_table(
        ("", *(f"`{flag}`" for flag in flags)),
        ((name, *(f"{found[flag]:.1%}" for flag in flags)) for name, found in groups.items()),
    )
    others = ", and the validation part of the sources that are not galaxies" if tested.others else ""
    return f"""## Quality flags

Share of spectra with each flag: test galaxies{others}.

{table}"""


def _failures(tested: Tested, why: str) -> str:
    survey = tested.priors["survey"].galaxies
    stars = (
        "\n- A star in front of a galaxy that adds little light is not always flagged; nearby quasars are a grey zone."
    )
    return f"""## Failures

{_point(f"{why} {_biased(survey.true, survey.point)}")}
{_point(_uncovered(survey))}
- The network leans on the relation of type, brightness and redshift in its training set: a sample selected in another
  way is biased, whatever the prior.
- Spectra unlike the training set (bright nuclei, strong starbursts, blends, neighbours in the window) get a redshift
  like any other; check the quality flags.{stars if tested.others else ""}"""


def _biased(true: NDArray[np.floating], predicted: NDArray[np.floating]) -> str:
    bins = ", ".join(
        f"{row.mean_error:+.3f} at {row.low:.2f}-{row.high:.2f}"
        for row in by_redshift(true, predicted)
        if abs(row.mean_error) > NOTABLE_BIAS
    )
    return f"Mean errors beyond {NOTABLE_BIAS:g}, by true redshift: {bins or 'none here'}."


def _uncovered(galaxies: Predicted) -> str:
    """Name the bins of true redshift whose intervals hold much less than their share."""
    places = np.digitize(galaxies.true, BIN_EDGES[1:-1])
    held = [(place, galaxies.inside68[places == place]) for place in np.unique(places)]
    few = ", ".join(
        f"{part.mean():.0%} at {BIN_EDGES[place]:.2f}-{BIN_EDGES[place + 1]:.2f}"
        for place, part in held
        if len(part) >= FEWEST and part.mean() < POORLY_HELD
    )
    return (
        "Intervals hold their share of the galaxies that are given a redshift, not of those that have one: where "
        "redshifts are rare in the prior, all are drawn away from them. By true redshift the 68% interval holds fewer "
        f"than {POORLY_HELD:.0%}: {few or 'nowhere here'}."
    )


def _point(text: str) -> str:
    """Return a text as one point of a list, in lines that fit the card."""
    return textwrap.fill(f"- {text}", width=115, subsequent_indent="  ", break_on_hyphens=False)


def _citing() -> str:
    citations = "\n".join(f"- {citation}" for citation in CITATIONS)
    return f"""## Citing

{citations}

This work has made use of data from the European Space Agency (ESA) mission Gaia, processed by the Gaia Data
Processing and Analysis Consortium (DPAC). Gaia data: credit ESA/Gaia/DPAC. SDSS public releases are in the public
domain; please acknowledge them."""
