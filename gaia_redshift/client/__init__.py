"""The HTTP client of the service, synchronous and not."""

from gaia_redshift.client.client import AsyncClient, Client
from gaia_redshift.client.failures import JobError, ServiceError
from gaia_redshift.client.job import Job
from gaia_redshift.client.job_async import AsyncJob
from gaia_redshift.client.predictions import Prediction, Predictions

__all__ = ["AsyncClient", "AsyncJob", "Client", "Job", "JobError", "Prediction", "Predictions", "ServiceError"]
