"""Access control by API keys, and security headers for browsers. Imports `errors`, `settings`, its neighbours.

A key is 256 random bits, so its plain SHA-256 can be in the settings and no slow hash is needed. A request's key is
compared with every configured hash in constant time.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import ForbiddenError, RateLimitedError, UnauthorizedError
from app.serving.origins import Origins
from app.serving.rates import Rates
from app.settings import Settings

OPEN = ("/health/", "/docs", "/guide", "/static/", "/openapi.json", "/availability", "/capabilities", "/tables")
"""What needs no key: whether the service lives, and how to use it."""

ADMIN = ("/models/reload",)
"""Paths that need an admin key; forbidden if none is configured."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CONTENT_POLICY = b"content-security-policy"
NOTHING = b"default-src 'none'; frame-ancestors 'none'"
"""Content security policy of answers without their own: they are data and may load nothing."""


def make_key() -> tuple[str, str]:
    """Return a new API key for the user, and its SHA-256 for the settings."""
    key = f"gr_{secrets.token_urlsafe(32)}"
    return key, hash_key(key)


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class Access:
    """Checks every request: host name, origin and, if there are keys, its API key."""

    def __init__(self, settings: Settings) -> None:
        self._admins, self._users = settings.admin_keys, settings.api_keys
        self._rate = settings.requests_per_second
        hashes = [*self._admins.values(), *self._users.values()]
        self._rates = None if self._rate is None else Rates(self._rate, hashes)
        self._origins = Origins(settings)

    def check(self, scope: Scope) -> None:
        """Raise WrongHostError, UnauthorizedError, ForbiddenError or RateLimitedError if the request is not allowed."""
        self._origins.check(scope)
        path: str = scope["path"]
        admin_only = path in ADMIN
        if not admin_only and (not self._users or path == "/" or path.startswith(OPEN)):
            return
        if scope["method"] == "OPTIONS":  # a browser's preflight carries no key and gets no data
            return
        digest = _digest_of(scope)
        admin, user = _owner(self._admins, digest), _owner(self._users, digest)
        name = admin or user
        if admin_only and not self._admins:
            raise ForbiddenError("no admin key is configured: set GAIA_REDSHIFT_ADMIN_KEYS, or send SIGHUP instead")
        if name is None:
            raise UnauthorizedError("this service needs an API key: send Authorization: Bearer <key>")
        if admin_only and admin is None:
            raise ForbiddenError("this key may not reload the models: it is not an admin key")
        scope["state"]["key_name"] = name
        if self._rates is not None:
            wait = self._rates.take(digest)
            if wait:
                raise RateLimitedError(f"this key may send {self._rate:g} requests a second", wait)


class Guard:
    """Pure ASGI middleware that lets `Access` check each request."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, and pass it on; raises as `Access.check`."""
        if scope["type"] == "http":
            self._access.check(scope)
        await self.app(scope, receive, send)


def _digest_of(scope: Scope) -> str:
    scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
    return hash_key(key.strip()) if scheme.lower() == "bearer" and key else ""


def _owner(keys: Mapping[str, str], digest: str) -> str | None:
    """Return the name of the key with this hash, in constant time."""
    found = None
    for name, known in keys.items():
        if hmac.compare_digest(known, digest):
            found = name
    return found
