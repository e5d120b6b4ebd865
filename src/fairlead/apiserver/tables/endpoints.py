"""Endpoints."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, NONE, Column

Json = dict[str, Any]

MOST = 3


def _endpoints(obj: Json, _: float) -> str:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        ports = subset.get("ports") or ()
        for address in subset.get("addresses") or ():
            if ports:
                found += [f"{_host(address['ip'])}:{port['port']}" for port in ports]
            else:
                found.append(address["ip"])
    if not found:
        return NONE
    more = f" + {len(found) - MOST} more..." if len(found) > MOST else ""
    return ",".join(found[:MOST]) + more


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


COLUMNS = (NAME, Column("Endpoints", _endpoints), AGE)
