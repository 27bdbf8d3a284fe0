"""A simple service: FastAPI, the request as a pydantic model, Keras' `predict` for each request."""

import io
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

BUNDLE = Path(os.environ["BUNDLE"])
loaded: dict[str, Any] = {}


@asynccontextmanager
async def lifespan(_app: FastAPI) -> Any:
    """Load the network and its scaler once."""
    loaded["network"] = keras.saving.load_model(BUNDLE / "model.keras", compile=False)
    loaded["scaler"] = joblib.load(io.BytesIO((BUNDLE / "scaler.joblib").read_bytes()))
    yield


app = FastAPI(lifespan=lifespan)


class Request(BaseModel):
    """Spectra of 186 fluxes each."""

    spectra: list[list[float]]


@app.post("/predict")
def predict(request: Request) -> dict[str, Any]:
    """Scale, predict, answer."""
    flux = loaded["scaler"].transform(np.asarray(request.spectra))
    output = loaded["network"].predict(flux[..., None], verbose=0)
    first = output["density"].argmax(axis=1) if isinstance(output, dict) else output[:, 0]
    return {"redshift": first.tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error", access_log=False)
