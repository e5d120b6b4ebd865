"""EndpointSlices."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, UNSET, Column

Json = dict[str, Any]

MOST = 3


def _ports(obj: Json, _: float) -> str:
    return _few([str(port["port"]) if port.get("port") else "*" for port in obj.get("ports") or ()])


def _addresses(obj: Json, _: float) -> str:
    return _few([address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses", ())])


def _few(values: list[str]) -> str:
    if not values:
        return UNSET
    more = f" + {len(values) - MOST} more..." if len(values) > MOST else ""
    return ",".join(values[:MOST]) + more


COLUMNS = (
    NAME,
    Column("AddressType", lambda obj, _: obj.get("addressType", "")),
    Column("Ports", _ports),
    Column("Endpoints", _addresses),
    AGE,
)
