"""Plans' records to nginx and to its snapshot: only what differs from what nginx holds."""

import asyncio
import logging

from fairlead.ingress.nginx import frames
from fairlead.ingress.nginx.control import NginxError
from fairlead.ingress.nginx.frames import Record
from fairlead.ingress.nginx.process import Nginx
from fairlead.ingress.nginx.snapshot import Snapshot

log = logging.getLogger(__name__)

RETRY = 0.5  # seconds


class Writer:
    """The one that writes. nginx starts from the snapshot, so what the snapshot holds nginx holds."""

    def __init__(self, nginx: Nginx) -> None:
        self._nginx = nginx
        self._snapshot = Snapshot(nginx.place.folder / "snapshot")
        self.failures = 0
        self._fresh = True

    def open(self) -> None:
        self._nginx.place.folder.mkdir(parents=True, exist_ok=True)
        self._snapshot.open()

    def close(self) -> None:
        self._snapshot.close()

    async def write(self, records: dict[str, bytes | None]) -> int:
        """Returns once nginx serves by them; how many there were. Tries until nginx takes them.

        The first plan is of everything: keys that it does not have are of a time before, and go.
        """
        if self._fresh:
            records = records | {key: None for key in self._snapshot.known if key not in records}
            self._fresh = False
        changed = [(key, value) for key, value in records.items() if self._differs(key, value)]
        for batch in frames.batches(changed):
            await self._send(batch)
        return len(changed)

    def _differs(self, key: str, value: bytes | None) -> bool:
        known = self._snapshot.known.get(key)
        return known is not None if value is None else known != hash(value)

    async def _send(self, batch: list[Record]) -> None:
        frame = frames.encode(batch)
        while True:
            await self._nginx.ready()
            starts = self._nginx.starts
            try:
                await self._nginx.control.apply(frame)
            except (OSError, NginxError) as error:
                self.failures += 1
                log.warning("nginx did not take %d records: %s", len(batch), error)
                await asyncio.sleep(RETRY)
                continue
            self._snapshot.append(batch)
            if starts == self._nginx.starts:
                return
            # nginx has started meanwhile, from a snapshot without this batch
