"""A SAMP hub of the web profile that lets every page in, and remembers what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

PORT = 21012
"""By the standard: one hub for each machine."""


class _Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/",)

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Content-Type")
        super().end_headers()

    def do_OPTIONS(self) -> None:  # noqa: N802 - the library's name
        self.send_response(200)
        self.end_headers()


@contextmanager
def hub() -> Iterator[list[tuple[Any, ...]]]:
    """Run a hub; yield what it is asked, as it comes."""
    calls: list[tuple[Any, ...]] = []

    def answer(method: str, given: tuple[Any, ...]) -> Any:
        name = method.removeprefix("samp.webhub.")
        calls.append((name, *given))
        return {"samp.private-key": "k1", "samp.self-id": "c1", "samp.hub-id": "hub"} if name == "register" else ""

    SimpleXMLRPCServer.allow_reuse_address = True
    with SimpleXMLRPCServer(("127.0.0.1", PORT), _Handler, logRequests=False) as server:
        server._dispatch = answer  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield calls
        finally:
            server.shutdown()
            thread.join()
