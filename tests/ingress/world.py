"""The controller at work: the real API server in memory, real nginx, addresses of this namespace's loopback."""

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from fairlead.api.resources import BY_KIND
from fairlead.api.status import ApiError
from fairlead.client.rest import Client as ApiClient
from fairlead.ingress.options import Options
from fairlead.ingress.part import work
from tests.ingress.upstreams import Client
from tests.unit.api_server import api_server

T = TypeVar("T")
Json = dict[str, Any]
ADDRESS = "192.0.2.1"  # nginx's
PODS = [f"10.244.7.{number}" for number in range(1, 10)]
CLIENTS = ["198.51.100.1", "198.51.100.2"]
PATIENCE = 10.0


class World:
    """Calls are synchronous; the API server and the controller run in a thread of their own."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.client = Client(ADDRESS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._api: ApiClient
        self._controller: asyncio.Task[None] | None = None

    def call(self, coroutine: Coroutine[Any, Any, T], seconds: float = PATIENCE) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    @contextmanager
    def running(self) -> Iterator["World"]:
        self._thread.start()
        context = api_server(self.folder)
        self._api = self.call(context.__aenter__())
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}})
        self.start()
        try:
            yield self
        finally:
            self.stop()
            self.call(context.__aexit__(None, None, None))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    def start(self) -> None:
        async def begin() -> None:
            self._controller = asyncio.ensure_future(work(self.options, self._api))

        self.call(begin())
        self.until(lambda: self.client.get("http://nobody.test/").status == 404)

    def stop(self) -> None:
        async def end() -> None:
            assert self._controller is not None
            self._controller.cancel()
            await asyncio.gather(self._controller, return_exceptions=True)

        self.call(end(), 30)

    def apply(self, obj: Json) -> Json:
        """Creates, or replaces."""
        return self.call(self._apply(obj))

    async def _apply(self, obj: Json) -> Json:
        resource = BY_KIND[obj["apiVersion"], obj["kind"]]
        metadata = obj["metadata"]
        namespace = metadata.get("namespace")
        try:
            return await self._api.create(resource.qualified, obj, namespace)
        except ApiError as error:
            if not error.is_already_exists:
                raise
        known = await self._api.get(resource.qualified, metadata["name"], namespace, type=dict[str, Any])
        fresh = {**obj, "metadata": {**metadata, "resourceVersion": known["metadata"]["resourceVersion"]}}
        return await self._api.update(resource.qualified, fresh)

    def get(self, qualified: str, name: str, namespace: str = "dev") -> Json:
        return self.call(self._api.get(qualified, name, namespace, type=dict[str, Any]))

    def delete(self, qualified: str, name: str, namespace: str = "dev") -> None:
        self.call(self._api.delete(qualified, name, namespace))

    def events(self, name: str, namespace: str = "dev") -> list[tuple[str, str, str]]:
        """(type, reason, message) of the events about an object."""
        listed = self.call(self._api.list("events", type=dict[str, Any], namespace=namespace))
        return [
            (each["type"], each["reason"], each["message"])
            for each in listed.items
            if each["involvedObject"]["name"] == name
        ]

    def settled(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until its assertions hold: a change takes its milliseconds."""
        end = time.monotonic() + seconds
        while True:
            try:
                what()
            except (AssertionError, LookupError, OSError, ValueError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return

    def until(self, what: Callable[[], T], seconds: float = PATIENCE) -> T:
        """The first true answer; a connection that is refused is none."""
        end = time.monotonic() + seconds
        while True:
            found: T | None = None
            try:
                found = what()
            except (OSError, ApiError, ValueError, LookupError):  # refused, or an answer of nginx, not a pod
                pass
            if found:
                return found
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.005)


@contextmanager
def world(folder: Path, **options: Any) -> Iterator[World]:
    (folder / "api").mkdir()
    for address in (ADDRESS, *PODS, *CLIENTS):
        subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True)
    given = replace(
        Options(
            configmap="dev/nginx-configuration",
            publish_service="dev/entry",
            pod_name="p",
            pod_namespace="dev",
            listen=(ADDRESS,),
            run_dir=folder / "run",
            workers=2,
            shutdown_seconds=0.1,
        ),
        **options,
    )
    folder.chmod(0o755)
    for parent in folder.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o711)
    with World(folder / "api", given).running() as made:
        yield made
