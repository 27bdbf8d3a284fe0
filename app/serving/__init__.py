"""What keeps the service up: registry of models, batches, limits, keys, the HTTP protocol, logs and metrics."""
