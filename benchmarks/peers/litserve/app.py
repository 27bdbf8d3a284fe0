"""LitServe: one worker, requests batched."""

import os
from typing import Any

import litserve
import numpy as np
from network import Network


class Redshift(litserve.LitAPI):
    """Decodes a request into an array, and predicts those of a batch together."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - the name is LitServe's
        """Load the network."""
        self.network = Network()

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        """Return fluxes, shape (n, 186)."""
        return np.asarray(request["spectra"], np.float32)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Join the requests of a batch."""
        self.sizes = [len(flux) for flux in inputs]
        return np.concatenate(inputs)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Run the network."""
        return self.network(x)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        """Split the answers by request."""
        return np.split(output, np.cumsum(self.sizes)[:-1])

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        """Return what goes into the JSON."""
        return {"redshift": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Redshift(max_batch_size=64, batch_timeout=0.002), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="error")
