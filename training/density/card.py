"""The card of a density model. Imports `training.card` and what was `tested`; no network."""

from gaia_redshift.bundle import Manifest
from training.card import biased, citing, lines, origin, point, use
from training.density.data import GREY_REDSHIFT, Material
from training.density.fit import FittedDensity
from training.density.tested import Tested, UnderPrior
from training.evaluate import by_redshift

_OPTIMISERS = {"muon": "Muon", "adamw": "AdamW"}


def write_card(manifest: Manifest, fitted: FittedDensity, material: Material, tested: Tested) -> str:
    """Return the card as Markdown."""
    sections = (
        f"**{origin(material.survey)}**",
        f"# {manifest.name} {manifest.version}",
        use(material.survey),
        "It also gives the probability density of redshift, under the prior asked for: `survey` (the redshifts of the "
        "training\nsurvey), `flat`, or a table of your own; the redshift is the median of that density.",
        _making(manifest, fitted, material),
        _results(tested),
        _bins(tested),
        _flags(tested),
        _failures(tested),
        citing(),
    )
    return "\n\n".join(sections) + "\n"


def _making(manifest: Manifest, fitted: FittedDensity, material: Material) -> str:
    recipe, minutes = fitted.recipe, sum(row.seconds for row in fitted.history) / 60
    sources = lines(
        [
            f"- {what}: `{dataset.name}`"
            + "".join(f", {name} {value}" for name, value in dataset.provenance.items()).replace("_", " ")
            + f";\n  SHA-256 `{dataset.sha256}`;\n  {len(parts.train):,} to train, {len(parts.validation):,} to "
            f"validate, {len(parts.test):,} to test, split {parts.how}."
            for what, dataset, parts in (
                ("Survey", material.survey, material.parts),
                ("Balance", material.balance, material.balance_parts),
            )
        ]
    )
    return f"""## How it was made

{sources}
- Stars, quasars, blank sky and blends for the kind: {len(material.others):,} to train. Quasars nearer than
  z = {GREY_REDSHIFT:g} are left out: where a galaxy with a nucleus ends, nobody can say. All files together:
  SHA-256 `{manifest.training.dataset_sha256}`.
- Scaling: minimum and maximum of each flux in the training parts; undone inside the network, which parts a spectrum
  into its shape{", in principal components of unit variance," if recipe.whitened else ""} and its brightness.
- Network: {fitted.network.count_params():,} parameters; {recipe.blocks} residual blocks of {recipe.hidden} hidden units
  on a stream of {recipe.width}; softmax over {recipe.bins} bins of redshift and over kinds of source.
- Recipe `{recipe.name}`: {_OPTIMISERS[recipe.optimizer]} {recipe.learning_rate:g} with a cosine to its end,
  cross-entropy with labels {recipe.label_width:g} wide, batch {recipe.batch_size},
  dropout {recipe.dropout:g}, seed {recipe.seed}.
- Epochs: {len(fitted.history)} of at most {recipe.epochs}, in {minutes:.0f} minutes; epoch {fitted.best_epoch}, with
  the lowest validation loss, was kept (`recipe.json`, `history.csv`).
- Intervals: split conformal, as levels of the density, by predicted redshift and class of brightness, from the
  validation part; one set for the survey's prior, one for the flat prior."""


def _results(tested: Tested) -> str:
    constant = tested.constant.as_dict()
    rows = [
        f"| {label} | {_each(tested, key, how)} | {format(constant[key], how)} |"
        for label, key, how in (
            ("mean absolute error", "mae", ".4f"),
            ("root mean square error", "rms", ".4f"),
            ("bias, mean dz", "bias_mean", "+.4f"),
            ("bias, median dz", "bias_median", "+.4f"),
            ("NMAD", "nmad", ".4f"),
            ("outliers, abs(dz) > 0.15", "outliers_15", ".2%"),
            ("outliers, abs(dz) > 0.05", "outliers_05", ".2%"),
        )
    ]
    priors = (tested.survey, tested.flat)
    rows += [
        "| held by the 68% interval | " + " | ".join(f"{each.coverage[0]:.1%}" for each in priors) + " | - |",
        "| held by the 95% interval | " + " | ".join(f"{each.coverage[1]:.1%}" for each in priors) + " | - |",
        "| PIT, Kolmogorov-Smirnov | " + " | ".join(f"{each.pit_ks:.4f}" for each in priors) + " | - |",
        "| CRPS | " + " | ".join(f"{each.crps:.4f}" for each in priors) + " | - |",
    ]
    return f"""## Results on the test parts

Spectra of parent galaxies that nothing was fitted to; dz = (predicted - true) / (1 + true). The survey's prior is
tested on {len(tested.survey.true):,} galaxies distributed as the survey's, the flat one on {len(tested.flat.true):,}
uniform in redshift. The last column is what answering the survey's median redshift for every galaxy would give.

| | survey prior | flat prior | a constant |
|---|---|---|---|
{lines(rows)}

The Keras and the ONNX network differ by at most {tested.onnx_difference:.1e} in 999 of 1,000 medians, and by at most
{tested.probability_difference:.1e} in a probability."""


def _each(tested: Tested, key: str, how: str) -> str:
    return " | ".join(format(each.point.as_dict()[key], how) for each in (tested.survey, tested.flat))


def _bins(tested: Tested) -> str:
    def rows(of: UnderPrior, *, predicted: bool) -> list[str]:
        chosen = of.estimates.point if predicted else of.true
        return [
            f"{row.count:,} | {row.mean_error:+.4f} | {row.sigma:.4f}" if row.count > 1 else f"{row.count} | - | -"
            for row in by_redshift(of.true, of.estimates.point, binned_by=chosen)
        ]

    labels = [f"{row.low:.2f}-{row.high:.2f}" for row in by_redshift(tested.survey.true, tested.survey.true)]
    columns = (
        labels,
        rows(tested.survey, predicted=False),
        rows(tested.survey, predicted=True),
        rows(tested.flat, predicted=False),
    )
    table = [f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)]
    return f"""## By redshift

Number of test spectra, mean and standard deviation of predicted - true. What a user sees is the middle group: of
galaxies that are given this redshift, how far are they from it?

| z | survey prior: true z | mean | sigma | by predicted z | mean | sigma | flat prior: true z | mean | sigma |
|---|---|---|---|---|---|---|---|---|---|
{lines(table)}"""


def _flags(tested: Tested) -> str:
    flags = list(tested.survey.flagged)
    groups = {"galaxies, survey": tested.survey.flagged, "galaxies, uniform": tested.flat.flagged}
    table = [
        f"| {name} | " + " | ".join(f"{found[flag]:.1%}" for flag in flags) + " |"
        for name, found in (groups | tested.others_flagged).items()
    ]
    return f"""## Quality flags

Share of spectra with each flag: test galaxies, and the validation part of what is no galaxy.

| | {" | ".join(f"`{flag}`" for flag in flags)} |
|---|{"---|" * len(flags)}
{lines(table)}"""


def _failures(tested: Tested) -> str:
    shrinkage = point(
        "Under the survey's prior rare redshifts are drawn towards the crowded ones, as that prior asks. "
        f"{biased(tested.survey.true, tested.survey.estimates.point)} Under the flat prior the scatter is larger and "
        "the bias smaller."
    )
    return f"""## Failures

{shrinkage}
- The network leans on the relation of type, brightness and redshift in its training set: a sample selected in another
  way is biased, whatever the prior.
- A star in front of a galaxy that adds little light is not always flagged; nearby quasars are a grey zone."""
