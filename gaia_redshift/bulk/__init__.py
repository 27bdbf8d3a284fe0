"""Predicting many files: each is a job, run by any engine; its output appears only when complete."""
