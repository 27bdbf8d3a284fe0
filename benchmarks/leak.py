"""How much the simulator's nuisance numbers alone tell of the redshift: a table of docs/validation.md.

python benchmarks/leak.py
"""

import sys

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from training.evaluation.leak import COUNT, nuisances, score, told
from training.simulation import population


def main() -> int:
    """Print the share of the variance and the error, by a quadratic and by boosted trees."""
    rng = np.random.default_rng(1)
    redshift = population.draw_redshift(COUNT, "survey", rng)
    half = COUNT // 2
    constant = np.abs(redshift[half:] - np.median(redshift[:half])).mean()
    print(f"{COUNT} galaxies of the survey's n(z), half fitted, half tested; a constant's MAE {constant:.4f}\n")
    print(
        "| nuisance numbers | share of the variance, quadratic | boosted trees | MAE, boosted trees |\n"
        "|---|---|---|---|"
    )
    for name, numbers in nuisances(redshift, rng).items():
        trees = HistGradientBoostingRegressor(random_state=1).fit(numbers[:half], redshift[:half])
        best = score(trees.predict(numbers[half:]), redshift[half:])
        print(f"| {name} | {told(numbers, redshift).share:.2f} | {best.share:.2f} | {best.mae:.4f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
