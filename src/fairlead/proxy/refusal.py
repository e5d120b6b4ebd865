"""A configuration that is refused, told where people look: by an event of the node. What the kernel has stays there."""

import asyncio
import logging
import re

from fairlead.api.status import ApiError
from fairlead.client.config import ConfigError, load, mounted
from fairlead.client.events import Recorder
from fairlead.client.rest import Client

log = logging.getLogger(__name__)

MOST_SECONDS = 5.0
_KUBECONFIG = re.compile(r"^\s*kubeconfig:\s*[\"']?([^\s\"']+)", re.MULTILINE)


async def tell(node_name: str | None, kubeconfig: str | None, config: str | None, error: ConfigError) -> None:
    """`config`: the file that is refused, which may still say how the API is reached. Where it is not, it is logged."""
    if not node_name:
        return
    try:
        async with asyncio.timeout(MOST_SECONDS):
            client = Client(load(kubeconfig or _named_in(config)), user_agent="kube-proxy/fairlead")
            try:
                involved = {"kind": "Node", "name": node_name, "uid": node_name}
                await Recorder(client, "kube-proxy", node_name).record(
                    involved, "Warning", "InvalidConfiguration", str(error)
                )
            finally:
                await client.close()
    except (ApiError, ConfigError, OSError, EOFError, TimeoutError) as failure:
        log.warning("cannot tell the API server of it: %s", failure)


def _named_in(config: str | None) -> str | None:
    """Also in what is no YAML."""
    try:
        found = _KUBECONFIG.search(mounted(config).read_text()) if config else None
    except (OSError, UnicodeDecodeError):
        return None
    return str(mounted(found[1])) if found else None
