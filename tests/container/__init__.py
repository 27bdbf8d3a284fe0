"""The container test: `make container-test` builds the image, brings docker-compose.yml up and looks at what runs.

Not part of the pytest suite, since it needs a container engine. It uses the standard library alone, so that it runs on
a machine with nothing but Python and Docker (or podman).

What a machine needs beyond that comes from the environment:

CONTAINER_ENGINE         docker or podman; by default the first of them that answers
CONTAINER_COMPOSE        the compose command, e.g. "docker compose" or a path of podman-compose
CONTAINER_BUILD_OPTIONS  further options of the build, e.g. "--isolation chroot -v /etc/ssl/certs:/etc/ssl/certs:ro" or
                         "--build-arg BASE=..."
CONTAINER_TEST_PORT      the port to publish on; by default a free one
"""
