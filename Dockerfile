# Two images from one file:  cpu (the default) runs the exported ONNX graph, gpu the Keras network on TensorFlow.
#   docker build --target cpu -t localhost/gaia-redshift:cpu .
#   docker build --target gpu -t localhost/gaia-redshift:gpu .
# The base is the one that was tested, by its digest; `make pin-images` and Dependabot renew it.
ARG BASE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b


# Wheels, downloaded once and checked against the hashes of the lock. No source archive is accepted: what is installed is
# what the lock names, and no stage needs a compiler.
FROM ${BASE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/image.txt requirements/
RUN python -m pip download --quiet --only-binary :all: --require-hashes -r requirements/image.txt -d /wheels


# The documentation, which the service shows at /guide. TensorFlow is not here, so the notebook that trains is shown and not
# run.
FROM wheels AS guide
COPY requirements/build.txt requirements/docs.txt requirements/
RUN python -m venv --without-pip /docs \
 && python -m pip --python /docs/bin/python install --quiet --only-binary :all: --find-links /wheels --require-hashes \
      -r requirements/build.txt -r requirements/docs.txt
COPY pyproject.toml setup.py LICENSE README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md CODE_OF_CONDUCT.md ./
COPY models models
COPY gaia_redshift gaia_redshift
COPY app app
COPY training training
RUN python -m pip --python /docs/bin/python install --quiet --no-index --no-deps --no-build-isolation \
      --editable . --editable app --editable training
COPY docs docs
RUN /docs/bin/python docs/site/build.py


# The library and the service without the workshop: `simulate` and `train` then say that they are not part of this
# installation.
FROM wheels AS project
COPY requirements/build.txt requirements/
RUN python -m venv --without-pip /tools \
 && python -m pip --python /tools/bin/python install --quiet --only-binary :all: --require-hashes -r requirements/build.txt
COPY pyproject.toml LICENSE README.md ./
COPY models models
COPY gaia_redshift gaia_redshift
COPY app app
COPY --from=guide /build/app/guide app/guide
RUN python -m pip --python /tools/bin/python wheel --quiet --no-index --no-deps --no-build-isolation -w /project . ./app


# The environment is made without pip and setuptools. Byte code is compiled here, and trusted unchecked: a read-only
# root could never renew it, and the service starts faster. The library's own models are those of /models, wherever those
# come from.
FROM wheels AS cpu-environment
RUN python -m venv --without-pip /opt/gaia-redshift \
 && python -m pip --python /opt/gaia-redshift/bin/python install --quiet --no-compile --no-index --find-links /wheels \
      --require-hashes -r requirements/image.txt
COPY --from=project /project /project
RUN python -m pip --python /opt/gaia-redshift/bin/python install --quiet --no-compile --no-index --no-deps /project/*.whl \
 && cd /opt/gaia-redshift/lib/python3*/site-packages/gaia_redshift && rm -r models && ln -s /models models \
 && /opt/gaia-redshift/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/gaia-redshift/lib


FROM wheels AS gpu-environment
COPY requirements/gpu.txt requirements/
RUN python -m pip download --quiet --only-binary :all: --find-links /wheels --require-hashes \
      -r requirements/gpu.txt -d /wheels-gpu \
 && python -m venv --without-pip /opt/gaia-redshift \
 && python -m pip --python /opt/gaia-redshift/bin/python install --quiet --no-compile --no-index --find-links /wheels-gpu \
      --require-hashes -r requirements/gpu.txt \
 && rm -r /wheels-gpu
COPY --from=project /project /project
RUN python -m pip --python /opt/gaia-redshift/bin/python install --quiet --no-compile --no-index --no-deps /project/*.whl \
 && cd /opt/gaia-redshift/lib/python3*/site-packages/gaia_redshift && rm -r models && ln -s /models models \
 && /opt/gaia-redshift/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/gaia-redshift/lib


# What both images share: everything but the environment.
FROM ${BASE} AS base
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gaia-redshift" \
      org.opencontainers.image.description="Redshifts of galaxies from Gaia BP/RP spectra" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/gaia-redshift/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    GAIA_REDSHIFT_HOST=0.0.0.0 \
    GAIA_REDSHIFT_MODELS=/models
COPY deploy/container/healthcheck.py /usr/local/bin/healthcheck
COPY models /models
WORKDIR /tmp
EXPOSE 8000
# A number, so that Kubernetes can see that it is not root; no name and no home belong to it.
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["gaia-redshift"]
CMD ["serve"]


FROM base AS gpu
# The NVIDIA container toolkit reads these; Keras may write nowhere but /tmp.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    GAIA_REDSHIFT_ENGINE=keras \
    KERAS_HOME=/tmp/.keras
# TensorFlow and CUDA take half a minute to load from a cold disk.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 CMD ["healthcheck"]
COPY --from=gpu-environment /opt/gaia-redshift /opt/gaia-redshift


# The last stage is what a plain `docker build` makes.
FROM base AS cpu
COPY --from=cpu-environment /opt/gaia-redshift /opt/gaia-redshift
