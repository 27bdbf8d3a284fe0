#!/usr/bin/env python3
"""Exit 0 if the service in this container can predict, 1 if not: the image has no curl."""

import http.client
import os
import sys

try:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("GAIA_REDSHIFT_PORT", "8000")), timeout=2)
    connection.request("GET", "/health/ready")
    sys.exit(connection.getresponse().status != 200)
except (OSError, ValueError, http.client.HTTPException) as error:
    sys.exit(f"no answer: {error}")
