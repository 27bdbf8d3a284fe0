"""A SAMP hub with the web profile, as Astropy's affiliated package PyVO has it, and a program that listens there."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyvo import samp


class _Consent:
    """Decides for the hub whether a page may connect, at once instead of by TOPCAT's dialog."""

    queue_request: "queue.Queue[Any]"
    queue_result: "queue.Queue[bool]"

    def __init__(self, *, consents: bool) -> None:
        self.consents, self.asked = consents, list[dict[str, str]]()

    def answer(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                identity, *_ = self.queue_request.get(timeout=0.1)
            except queue.Empty:
                continue
            self.asked.append(identity)
            self.queue_result.put(self.consents)


@contextmanager
def hub(folder: Path, *, consents: bool = True) -> Iterator[tuple["queue.Queue[dict[str, str]]", list[dict[str, str]]]]:
    """Run a hub and a client that loads VOTables.

    Yields the parameters of the messages that the client receives, and the names of the pages that asked to connect.
    """
    received: queue.Queue[dict[str, str]] = queue.Queue()
    over, dialog = threading.Event(), _Consent(consents=consents)
    with samp.conf.set_temp("use_internet", False):
        running = samp.SAMPHubServer(lockfile=str(folder / "samp"), addr="127.0.0.1", web_profile_dialog=dialog)
        running.start()
        thread = threading.Thread(target=dialog.answer, args=(over,))
        thread.start()
        client = samp.SAMPIntegratedClient(name="reader", addr="127.0.0.1")
        try:
            client.connect(hub=running)
            client.bind_receive_notification(
                "table.load.votable", lambda _key, _sender, _type, given, _extra: received.put(given)
            )
            yield received, dialog.asked
        finally:
            if client.is_connected:
                client.disconnect()
            running.stop()
            over.set()
            thread.join()
