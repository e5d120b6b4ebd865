"""The load balancer's pools as a new cluster has them: a piece of the nodes' LAN."""

import json
from typing import Any

from fairlead.cluster.layout import AddressPlan
from fairlead.loadbalancer.configuration import API_VERSION, CONFIG_KEY, CONFIG_MAP, DEVICE, KIND

Json = dict[str, Any]


def pools(plan: AddressPlan) -> Json:
    namespace, _, name = CONFIG_MAP.partition("/")
    addresses = "\n".join(f"  - {json.dumps(each)}" for each in plan.load_balancers)
    text = f"""\
apiVersion: {API_VERSION}
kind: {KIND}
defaultClass: {DEVICE}
pools:
- name: lan
  addresses:
{addresses}
"""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "data": {CONFIG_KEY: text},
    }
