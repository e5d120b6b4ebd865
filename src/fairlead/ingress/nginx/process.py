"""nginx as our child: started from the snapshot, started again when it ends, told to reload, stopped gently."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from pathlib import Path

from fairlead.host import process
from fairlead.ingress.nginx.conf import render
from fairlead.ingress.nginx.control import Control
from fairlead.ingress.nginx.settings import Place, Static
from fairlead.ingress.plan.defaults import Defaults

log = logging.getLogger(__name__)

LOOK = 0.005  # seconds between two looks whether it answers
AGAIN, LONGEST = 0.1, 10.0  # seconds before nginx is started again, which double while it does not stay
SETTLED = 10.0
TRY_SECONDS = 30.0


class Nginx:
    """`run` keeps it running until it is cancelled, and then stops it."""

    def __init__(
        self, place: Place, static: Static, defaults: Defaults, default_certificate: bytes, grace: float
    ) -> None:
        self.place = place
        self.control = Control(place.socket)
        self.starts = 0
        self._static = static
        self._defaults = defaults
        self._default_certificate = default_certificate
        self._grace = grace
        self._pid: int | None = None
        self._ended: asyncio.Future[int] | None = None
        self._up = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._pid

    async def ready(self) -> None:
        """Returns once nginx answers."""
        await self._up.wait()

    async def run(self) -> None:
        self._prepare()
        wait = AGAIN
        try:
            while True:
                began = time.monotonic()
                await self._once()
                wait = AGAIN if time.monotonic() - began > SETTLED else min(wait * 2, LONGEST)
                await asyncio.sleep(wait)
        finally:
            await self._stop()
            shutil.rmtree(self.place.work, ignore_errors=True)

    async def reload(self, static: Static, defaults: Defaults) -> str:
        """Where the administrator has changed what only a reload changes; connections go on, websockets until the
        shutdown timeout. Answers what nginx does not like about it, empty where all is well."""
        fresh = render(self.place, static, defaults)
        if fresh == render(self.place, self._static, self._defaults):
            self._static, self._defaults = static, defaults
            return ""
        file = self.place.folder / "nginx.conf.try"
        file.write_text(fresh)
        tried = await process.run(["nginx", "-q", "-t", "-c", str(file)], seconds=TRY_SECONDS)
        if tried.code != 0:
            return tried.output.decode(errors="replace").strip()
        self._static, self._defaults = static, defaults
        self._write()
        if self._pid is not None:
            os.kill(self._pid, signal.SIGHUP)
        return ""

    async def _once(self) -> None:
        self.place.socket.unlink(missing_ok=True)
        self._write()
        argv = ["nginx", "-c", str(self.place.folder / "nginx.conf")]
        with Path(os.devnull).open("rb") as nothing:
            self._pid = process.spawn(argv, stdin=nothing.fileno(), stdout=1, stderr=2)
        self.starts += 1
        answering = asyncio.create_task(self._answers())
        try:
            self._ended = asyncio.ensure_future(process.wait(self._pid))
            code = await asyncio.shield(self._ended)
            log.error("nginx ended with code %d, starting it again", code)
            self._pid = None
        finally:
            answering.cancel()
            self._up.clear()
            self.control.close()

    async def _answers(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await self.control.generation()
                self._up.set()
                return
            await asyncio.sleep(LOOK)

    async def _stop(self) -> None:
        """SIGQUIT lets requests end; SIGTERM does not wait for those that do not."""
        if self._pid is None or self._ended is None:
            return
        for number, seconds in ((signal.SIGQUIT, self._grace), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if self._ended.done():
                return
            os.kill(self._pid, number)
            await asyncio.wait((self._ended,), timeout=seconds)

    def _prepare(self) -> None:
        folder = self.place.folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        self.place.work.chmod(0o711)
        (folder / "control").mkdir(mode=0o700, exist_ok=True)
        (folder / "control").chmod(0o700)
        pem = folder / "control" / "default.pem"
        pem.unlink(missing_ok=True)
        descriptor = os.open(pem, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._default_certificate)

    def _write(self) -> None:
        fresh = self.place.folder / "nginx.conf.new"
        fresh.write_text(render(self.place, self._static, self._defaults))
        fresh.replace(self.place.folder / "nginx.conf")
