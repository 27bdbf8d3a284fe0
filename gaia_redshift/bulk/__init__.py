"""Many files: each is a job, which any engine schedules; its output is there whole or not at all."""
