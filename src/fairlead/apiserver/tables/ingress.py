"""Ingresses."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, NONE, Column

Json = dict[str, Any]

MOST = 3


def _hosts(ingress: Json, _: float) -> str:
    """Counts as Kubernetes does: what is more than three *rules*, whether or not they have a host."""
    rules = ingress.get("spec", {}).get("rules") or ()
    hosts: list[str] = []
    more = False
    for rule in rules:
        more = more or len(hosts) == MOST
        if not more and rule.get("host"):
            hosts.append(rule["host"])
    if not hosts:
        return "*"
    return ",".join(hosts) + (f" + {len(rules) - MOST} more..." if more else "")


def _address(ingress: Json, _: float) -> str:
    given = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return ",".join(sorted({found for each in given if (found := each.get("ip") or each.get("hostname"))}))


def _ports(ingress: Json, _: float) -> str:
    return "80, 443" if ingress.get("spec", {}).get("tls") else "80"


COLUMNS = (
    NAME,
    Column("Class", lambda obj, _: obj.get("spec", {}).get("ingressClassName") or NONE),
    Column("Hosts", _hosts),
    Column("Address", _address),
    Column("Ports", _ports),
    AGE,
)
COLUMNS_WITHOUT_CLASS = tuple(column for column in COLUMNS if column.name != "Class")
