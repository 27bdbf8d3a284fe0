"""MLServer: a custom runtime in the server's own process, adaptive batching, the Open Inference Protocol."""

import asyncio
import os

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from network import Network


class Redshift(MLModel):
    """Decodes the tensor, runs the network, encodes the answer."""

    async def load(self) -> bool:
        """Load the network."""
        self.network = Network()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run the network."""
        flux = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("redshift", self.network(np.asarray(flux, np.float32)))
        return InferenceResponse(model_name=self.name, outputs=[output])


async def main() -> None:
    """Serve without worker processes: for one small network they are slower."""
    port = int(os.environ["PORT"])
    settings = Settings(
        host="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, parallel_workers=0, debug=False
    )
    model = ModelSettings(name="redshift", implementation=Redshift, max_batch_size=256, max_batch_time=0.002)
    server = MLServer(settings)
    await server.start([model])


if __name__ == "__main__":
    asyncio.run(main())
