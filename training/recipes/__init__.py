"""Recipes: one file, or one folder, for each kind of network. Importing this loads no network library."""

DEFAULT = "dissertation"

NAMES = (DEFAULT, "density", "linear")
"""The recipes that `recipes.choose` makes by name; here, so that the help of a command can list them at once."""

SEED = 4
"""Default random seed of the split, the initial weights and the order of the batches: the dissertation's."""

RECIPE_FILE = "recipe.json"
HISTORY_FILE = "history.csv"
"""What a training leaves in its run folder and in the bundle, beside the weights."""
