"""The documents, all made from the resource table."""

from functools import cache
from typing import Any

import msgspec

from fairlead.api.resources import ALL_VERBS, RESOURCES, Resource
from fairlead.http.server import Request, Response

Json = dict[str, Any]

AGGREGATED = "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io"
AGGREGATED_BETA = "application/json;as=APIGroupDiscoveryList;v=v2beta1;g=apidiscovery.k8s.io"

# What a subresource speaks where it is not the resource's own kind, and its verbs.
_SUBRESOURCES: dict[str, tuple[tuple[str, str, str] | None, tuple[str, ...]]] = {
    "status": (None, ("get", "patch", "update")),
    "scale": (("autoscaling", "v1", "Scale"), ("get", "patch", "update")),
    "binding": (("", "v1", "Binding"), ("create",)),
    "eviction": (("policy", "v1", "Eviction"), ("create",)),
    "finalize": (None, ("update",)),
    "token": (("authentication.k8s.io", "v1", "TokenRequest"), ("create",)),
    "log": (None, ("get",)),
    "exec": (("", "v1", "PodExecOptions"), ("create", "get")),
    "attach": (("", "v1", "PodAttachOptions"), ("create", "get")),
    "portforward": (("", "v1", "PodPortForwardOptions"), ("create", "get")),
    "proxy": (("", "v1", "ProxyOptions"), ("create", "delete", "get", "patch", "update")),
}


def answer(request: Request) -> Response | None:
    """`/api`, `/apis`, `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`; None for anything else."""
    accept = request.headers.get("accept", "")
    match request.path.strip("/").split("/"):
        case ["api" | "apis" as root]:
            for media, version in ((AGGREGATED, "v2"), (AGGREGATED_BETA, "v2beta1")):
                if media in accept:
                    return Response(200, _aggregated(root, version), media)
            return Response(200, _root(root, request.headers.get("host", "")))
        case ["api", "v1"]:
            return Response(200, _resources("", "v1"))
        case ["apis", group] if group in _groups():
            return Response(200, msgspec.json.encode(_group(group) | {"kind": "APIGroup", "apiVersion": "v1"}))
        case ["apis", group, version] if version in _groups().get(group, ()):
            return Response(200, _resources(group, version))
    return None


def is_beneath_a_version(path: str) -> bool:
    """`/apis/apps/v1/anything`: a group and version that is served."""
    match path.split("/")[1:]:
        case ["api", "v1", *_]:
            return True
        case ["apis", group, version, *_]:
            return version in _groups().get(group, ())
    return False


def _spoken(row: Resource, subresource: str) -> tuple[tuple[str, str, str] | None, tuple[str, ...]]:
    spoken, verbs = _SUBRESOURCES[subresource]
    if spoken is not None and spoken[2] == "ProxyOptions":
        spoken = ("", "v1", f"{row.kind}ProxyOptions")
    return spoken, verbs


@cache
def _groups() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for resource in RESOURCES:
        if resource.group:
            versions = groups.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
    return groups


def _rows(group: str, version: str) -> list[Resource]:
    return [resource for resource in RESOURCES if (resource.group, resource.version) == (group, version)]


def _group(group: str) -> Json:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in _groups()[group]]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _root(root: str, host: str) -> bytes:
    if root == "api":
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
        return msgspec.json.encode({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})
    groups = [_group(group) for group in _groups()]
    return msgspec.json.encode({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


@cache
def _resources(group: str, version: str) -> bytes:
    found: list[Json] = []
    for row in _rows(group, version):
        entry: Json = {
            "name": row.plural,
            "singularName": row.singular,
            "namespaced": row.namespaced,
            "kind": row.kind,
            "verbs": _verbs(row),
        }
        if row.short_names:
            entry["shortNames"] = list(row.short_names)
        if row.categories:
            entry["categories"] = list(row.categories)
        found.append(entry)
        for name in row.subresources:
            spoken, verbs = _spoken(row, name)
            entry = {
                "name": f"{row.plural}/{name}",
                "singularName": "",
                "namespaced": row.namespaced,
                "kind": spoken[2] if spoken else row.kind,
                "verbs": list(verbs),
            }
            if spoken and spoken[0]:
                entry |= {"group": spoken[0], "version": spoken[1]}
            found.append(entry)
    group_version = f"{group}/{version}" if group else version
    return msgspec.json.encode(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found}
    )


@cache
def _aggregated(root: str, version: str) -> bytes:
    groups = {"": ["v1"]} if root == "api" else _groups()
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None},
            "versions": [
                {"version": each, "resources": [_discovered(row) for row in _rows(group, each)], "freshness": "Current"}
                for each in versions
            ],
        }
        for group, versions in groups.items()
    ]
    return msgspec.json.encode(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }
    )


def _discovered(row: Resource) -> Json:
    scope = "Namespaced" if row.namespaced else "Cluster"
    found: Json = {
        "resource": row.plural,
        "responseKind": {"group": row.group, "version": row.version, "kind": row.kind},
        "scope": scope,
        "singularResource": row.singular,
        "verbs": _verbs(row),
    }
    if row.short_names:
        found["shortNames"] = list(row.short_names)
    if row.categories:
        found["categories"] = list(row.categories)
    if row.subresources:
        subresources = []
        for name in row.subresources:
            spoken, verbs = _spoken(row, name)
            group, version, kind = spoken or (row.group, row.version, row.kind)
            subresources.append(
                {
                    "subresource": name,
                    "responseKind": {"group": group, "version": version, "kind": kind},
                    "verbs": list(verbs),
                }
            )
        found["subresources"] = subresources
    return found


def _verbs(row: Resource) -> list[str]:
    return [verb for verb in ALL_VERBS if verb in row.verbs]
