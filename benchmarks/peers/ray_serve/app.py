"""Ray Serve: one replica, requests batched."""

import os
import time
from typing import Any

import numpy as np
import ray
from network import Network
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Redshift:
    """Decodes a request, and predicts those of a batch together."""

    def __init__(self) -> None:
        self.network = Network()

    @serve.batch(max_batch_size=256, batch_wait_timeout_s=0.002)
    async def predict(self, inputs: list[np.ndarray]) -> list[list[float]]:
        """Run the network for a batch and split the answers."""
        output = self.network(np.concatenate(inputs))
        ends = np.cumsum([len(flux) for flux in inputs])
        return [part.tolist() for part in np.split(output, ends[:-1])]

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answer one request."""
        flux = np.asarray((await request.json())["spectra"], np.float32)
        return {"redshift": await self.predict(flux)}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Redshift.bind(), route_prefix="/predict")
    while True:
        time.sleep(3600)
