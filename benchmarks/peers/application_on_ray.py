"""The unchanged application on Ray Serve, as docs/how-to/all-of-gaia.md shows it; see benchmarks/ray_serve.py."""

import os

import ray
from ray import serve

from app.main import create_app


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
@serve.ingress(create_app)
class Redshift:
    """The whole service, with its batching and its limits."""


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Redshift.bind(), blocking=True)
