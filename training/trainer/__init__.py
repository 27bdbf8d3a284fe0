"""One training for every recipe: epochs, the run folder, progress, and the search over recipes."""
