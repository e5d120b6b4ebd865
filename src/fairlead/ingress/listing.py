"""The Ingresses of a cluster, with what they refer to, for `fairlead ingress check`."""

import logging

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap, Secret
from fairlead.api.types.networking import Ingress
from fairlead.client.config import load
from fairlead.client.informer import key_of
from fairlead.client.rest import Client
from fairlead.ingress.check import Known

log = logging.getLogger(__name__)


async def known_of(kubeconfig: str | None) -> Known:
    """Without the right to list Secrets, none of them is found. Raises ApiError and OSError."""
    client = Client(load(kubeconfig), user_agent="fairlead-ingress-check")
    known = Known()
    try:
        listed = await client.list("ingresses.networking.k8s.io", type=Ingress)
        known.ingresses = {key_of(each): each for each in listed.items}
        try:
            secrets = await client.list("secrets", type=Secret)
            known.secrets = {key_of(each): each for each in secrets.items}
            config_maps = await client.list("configmaps", type=ConfigMap)
            known.config_maps = {key_of(each): each for each in config_maps.items}
        except ApiError as error:
            log.warning("what Ingresses refer to is not looked at: %s", error)
    finally:
        await client.close()
    return known
