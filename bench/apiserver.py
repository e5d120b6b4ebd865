"""An API server in a process of its own, as `fairlead up` runs it, for benchmarks."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path
from typing import Any

import uvloop

from fairlead.apiserver.part import Options, serve
from fairlead.client.config import Config
from fairlead.client.rest import Client, wait_until_ready
from fairlead.cluster.pki import Pair, Pki, Subject

PORT = 16443
ACCOUNT = "bench"


@dataclass(frozen=True, slots=True)
class Running:
    """`token` is of a ServiceAccount that may do everything, by RBAC; `config` is of a cluster administrator."""

    folder: Path
    url: str
    config: Config
    token: str
    pair: Pair


@contextmanager
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = Pki(folder / "pki")
        pki.make_service_account_key()
        server = pki.pair("server", Subject("kube-apiserver", (), ("127.0.0.1",)))
        kubelet = pki.pair("kubelet", Subject("kubelet-client", ("system:masters",)))
        admin = pki.pair("admin", Subject("admin", ("system:masters",)))
        options = Options(
            listen=("127.0.0.1",),
            port=PORT,
            advertise="127.0.0.1",
            store=f"sqlite:{folder / 'state.db'}",
            certificate=server.certificate,
            key=server.key,
            client_ca=pki.ca,
            service_account_key=str(folder / "pki/sa.key"),
            kubelet_ca=pki.ca,
            kubelet_certificate=kubelet.certificate,
            kubelet_key=kubelet.key,
        )
        process = Process(target=_serve, args=(options,))
        process.start()
        url = f"https://127.0.0.1:{PORT}"
        config = Config(url, pki.ca, admin.certificate, admin.key)
        try:
            token = asyncio.run(_account(config))
            yield Running(folder, url, config, token, server)
        finally:
            process.kill()
            process.join()


def _serve(options: Options) -> None:
    uvloop.run(serve(options))


async def _account(config: Config) -> str:
    """A token of a ServiceAccount bound to cluster-admin: every request of it is looked up in RBAC."""
    client = Client(config)
    await wait_until_ready(client, 10)
    await client.create("serviceaccounts", {"metadata": {"name": ACCOUNT}}, "default")
    binding = {
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}],
    }
    await client.create("clusterrolebindings.rbac.authorization.k8s.io", binding)
    request: dict[str, Any] = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    answer = await client.create("serviceaccounts", request, "default", name=ACCOUNT, subresource="token")
    await client.close()
    token: str = answer["status"]["token"]
    return token
