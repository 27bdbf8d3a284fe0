"""The serving layer: registry of models, batching, limits, keys, the HTTP protocol, logs and metrics."""
