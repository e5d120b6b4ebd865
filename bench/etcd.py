"""etcd as the peer of the API: durable puts over TLS through its JSON gateway, with the same client."""

import base64
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.cluster.pki import Pair

PORT = 12379
PUT = """
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
   number = number + 1
   return wrk.format(nil, nil, nil, string.format('{"key":"%s%08x","value":"VALUE"}', "L2JlbmNo", number))
end
"""


@contextmanager
def etcd(folder: Path, pair: Pair) -> Iterator[str]:
    """A one-member etcd of this machine, its data in `folder`; the URL where it serves."""
    url = f"https://127.0.0.1:{PORT}"
    with (folder / "etcd.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "etcd", "--data-dir", str(folder / "etcd"), "--listen-client-urls", url, "--advertise-client-urls", url,
                "--cert-file", pair.certificate, "--key-file", pair.key,
                "--listen-peer-urls", f"http://127.0.0.1:{PORT + 1}",
                "--initial-advertise-peer-urls", f"http://127.0.0.1:{PORT + 1}",
                "--initial-cluster", f"default=http://127.0.0.1:{PORT + 1}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait(PORT)
        yield url
    finally:
        process.kill()
        process.wait()


def put_script(value: bytes) -> str:
    """Lua for wrk: each request puts `value` under a key of its own."""
    return PUT.replace("VALUE", base64.b64encode(value).decode())


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(1)  # it listens a moment before it has elected itself
                return
        time.sleep(0.05)
    raise TimeoutError("etcd does not listen")
