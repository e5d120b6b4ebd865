"""Write src/fairlead/api/schema/table.json from Kubernetes' published OpenAPI, .proto files and Go types.

    python -m tools.generate_schema --swagger-1.20 swagger.json --source NEWEST --source OLDER

OpenAPI of the release served comes from the PyPI package kubernetes-validate, that of the retired versions from
`api/openapi-spec/swagger.json` of Debian's source package `kubernetes` (1.20). A source is a directory that holds
`k8s.io/api` and `k8s.io/apimachinery`, such as `staging/src` of the same package; what a newer source knows wins.

The table: `kinds` {group version: {kind: type}}, `types` {type: {field: [protobuf number, type, flags?, more?]}}.
Flags: r required, p a pointer in Go (absent differs from zero), z written even when empty. More: key, strategy (patch),
list and keys (list type), map, go (the Go type where it does not follow from ours). A type's entry "" holds `inline`
([number, type]: messages whose fields are this type's own in JSON) and `map`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
from tools.schema_inputs import (
    GoField,
    Json,
    Message,
    go_structs,
    openapi_definitions,
    proto_messages,
    short,
    type_expression,
)

OUTPUT = Path(__file__).parent.parent / "src/fairlead/api/schema/table.json"
OPENAPI = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema/v1.32.0-local/_definitions.json"

# What is served of the current release, whole groups at a time, and of 1.20, kind by kind.
CURRENT = (
    "v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1",
    "discovery.k8s.io/v1", "coordination.k8s.io/v1", "events.k8s.io/v1", "authentication.k8s.io/v1",
    "authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1", "storage.k8s.io/v1",
    "admissionregistration.k8s.io/v1",
)  # fmt: skip
RETIRED = {
    "discovery.k8s.io/v1beta1": ("EndpointSlice", "EndpointSliceList"),
    "extensions/v1beta1": ("Ingress", "IngressList"),
    "networking.k8s.io/v1beta1": ("Ingress", "IngressList", "IngressClass", "IngressClassList"),
    "rbac.authorization.k8s.io/v1beta1": (
        "Role", "RoleList", "RoleBinding", "RoleBindingList",
        "ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList",
    ),
}  # fmt: skip
# What a retired version learned after 1.20, the last release that Debian has its documents of: {type: {field: type}}.
LATER = {
    "discovery.v1beta1.Endpoint": {"hints": "discovery.v1.EndpointHints"},
    "networking.v1beta1.IngressClassSpec": {"parameters": "networking.v1.IngressClassParametersReference"},
}
# Kinds of every group and version, and those that no OpenAPI document lists.
META = ("APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "Status", "WatchEvent")
PROTO_ONLY = {
    "meta": ("ListOptions", "GetOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "TableOptions"),
    "meta.k8s.io/v1": ("PartialObjectMetadata", "PartialObjectMetadataList"),
}
SCALAR_GO = {"string": "string", "bool": "bool", "int32": "int32", "int64": "int64", "double": "float64"}
SPECIAL_GO = {
    "bytes": "[]uint8", "intOrString": "intstr.IntOrString", "quantity": "resource.Quantity", "time": "v1.Time",
    "microTime": "v1.MicroTime", "duration": "v1.Duration", "fieldsV1": "v1.FieldsV1",
    "rawExtension": "runtime.RawExtension",
}  # fmt: skip
PROTO_SPECIAL = {
    "util.intstr.IntOrString": "intOrString", "api.resource.Quantity": "quantity", "meta.v1.Time": "time",
    "meta.v1.MicroTime": "microTime", "meta.v1.Duration": "duration", "meta.v1.FieldsV1": "fieldsV1",
    "runtime.RawExtension": "rawExtension",
}  # fmt: skip


class Inputs:
    """Everything read, with short names."""

    def __init__(self, retired: Path, sources: list[Path]) -> None:
        current, old = openapi_definitions(OPENAPI), openapi_definitions(retired)
        self.definitions = {short(name): schema for name, schema in (old | current).items()}
        self.messages: dict[str, Message] = {}
        self.structs: dict[str, dict[str, GoField]] = {}
        for source in reversed(sources):
            for path in sorted(source.glob("k8s.io/api*/**/generated.proto")):
                self.messages |= proto_messages(path)
            for path in sorted([*source.glob("k8s.io/api*/**/types.go"), *source.glob("k8s.io/api*/**/v1/*_types.go")]):
                for name, fields in go_structs(path).items():
                    self.structs.setdefault(name, {}).update(fields)
        self.kinds: dict[str, dict[str, str]] = {}
        for definitions, wanted in ((current, self._is_current), (old, self._is_retired)):
            for name, schema in definitions.items():
                for gvk in schema.get("x-kubernetes-group-version-kind", ()):
                    version = "/".join(filter(None, (gvk["group"], gvk["version"])))
                    if wanted(version, gvk["kind"]):
                        self.kinds.setdefault(version, {})[gvk["kind"]] = short(name)
        self.kinds["meta"] = {kind: f"meta.v1.{kind}" for kind in META}
        for version, kinds in PROTO_ONLY.items():
            self.kinds.setdefault(version, {}).update({kind: f"meta.v1.{kind}" for kind in kinds})

    @staticmethod
    def _is_current(version: str, kind: str) -> bool:
        return version in CURRENT and kind not in META

    @staticmethod
    def _is_retired(version: str, kind: str) -> bool:
        return kind in RETIRED.get(version, ())


class Table:
    """The types that are reachable from the kinds."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.types: dict[str, Json] = {}
        self.notes: list[str] = []
        for kinds in inputs.kinds.values():
            for name in kinds.values():
                self.add(name)

    def add(self, name: str) -> None:
        if name in self.types:
            return
        entry: Json = {}
        self.types[name] = entry
        message = self.inputs.messages.get(name, Message())
        schema = self.inputs.definitions.get(name)
        if schema is None:
            schema = {"properties": dict.fromkeys(message.fields)}
        properties: Json = {**schema.get("properties", {})}
        for field in LATER.get(name, ()):
            properties.setdefault(field, {})
        inlined = self._inlined(message, properties)
        about: Json = {}
        if inlined:
            about["inline"] = [[message.fields[f][0], message.fields[f][1]] for f in inlined]
        if map_type := schema.get("x-kubernetes-map-type"):
            about["map"] = map_type
        if about:
            entry[""] = about
        hidden = {f for f in inlined for f in self.inputs.messages[message.fields[f][1]].fields}
        for field, about_field in properties.items():
            entry[field] = self._field(name, field, about_field, field in schema.get("required", ()), message)
            if message.fields and entry[field][0] is None and field not in hidden | {"kind", "apiVersion"}:
                self.notes.append(f"{name}.{field}: no protobuf number")
        for field in inlined:
            self._add_inline(message.fields[field][1], name, properties)

    def _inlined(self, message: Message, properties: Json) -> list[str]:
        return [
            f
            for f, (_, kind) in message.fields.items()
            if f not in properties
            and (inner := self.inputs.messages.get(kind))
            and inner.fields
            and inner.fields.keys() & properties.keys()
        ]

    def _add_inline(self, name: str, outer: str, properties: Json) -> None:
        """A message that JSON does not show: its fields are described where they are inlined."""
        if name in self.types or name in self.inputs.definitions:
            return self.add(name)
        message = self.inputs.messages[name]
        entry = self.types[name] = {}
        for field in message.fields:
            if field in properties:
                entry[field] = self._field(name, field, properties[field], False, message)
        for outer_field in list(self.types[outer]):
            if outer_field in entry:
                go = entry[outer_field][2:]
                self.types[outer][outer_field] = [None, entry[outer_field][1], *go]
        return None

    def _field(self, owner: str, name: str, schema: Json | None, required: bool, message: Message) -> list[Any]:
        number, proto = message.fields.get(name) or self._spelled_otherwise(name, message)
        kind = LATER.get(owner, {}).get(name, "")
        if not kind:
            kind = self._from_proto(proto) if schema is None else type_expression(schema)
        inner = self.inputs.messages.get(proto)
        if inner is not None and inner.is_string_list:
            kind = "stringList"
        element = kind.lstrip("[]{}")
        if "." in element:
            self.add(element)
        go = self.inputs.structs.get(owner, {}).get(name)
        flags = (
            ("r" if required else "") + ("p" if go and go.pointer else "") + ("z" if go and not go.omit_empty else "")
        )
        more = self._more(schema or {})
        if go and go.type != self._go_default(kind):
            more["go"] = go.type
        row: list[Any] = [number, kind]
        if flags or more:
            row.append(flags)
        if more:
            row.append(more)
        return row

    @staticmethod
    def _spelled_otherwise(name: str, message: Message) -> tuple[int | None, str]:
        """The .proto generator lowers the first letter of a Go name: `uid` is `uID` there."""
        return next((found for f, found in message.fields.items() if f.lower() == name.lower()), (None, ""))

    @staticmethod
    def _more(schema: Json) -> Json:
        names = {
            "key": "x-kubernetes-patch-merge-key",
            "strategy": "x-kubernetes-patch-strategy",
            "list": "x-kubernetes-list-type",
            "keys": "x-kubernetes-list-map-keys",
            "map": "x-kubernetes-map-type",
        }
        return {ours: schema[theirs] for ours, theirs in names.items() if theirs in schema}

    @staticmethod
    def _from_proto(proto: str) -> str:
        prefix = proto[:2] if proto[:2] in ("[]", "{}") else ""
        name = proto.removeprefix(prefix)
        return prefix + PROTO_SPECIAL.get(name, name)

    @staticmethod
    def _go_default(kind: str) -> str:
        """The Go type that the reader of the table assumes."""
        if kind.startswith("[]"):
            return "[]" + Table._go_default(kind[2:])
        if kind.startswith("{}"):
            return "map[string]" + Table._go_default(kind[2:])
        if kind in SCALAR_GO or kind in SPECIAL_GO:
            return SCALAR_GO.get(kind) or SPECIAL_GO[kind]
        return ".".join(kind.split(".")[-2:])


def render(kinds: dict[str, dict[str, str]], types: dict[str, Json]) -> str:
    """JSON with a line a type, so that a new release shows as a readable difference."""

    def compact(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))

    kind_lines = ",\n".join(f"{json.dumps(v)}:{compact(dict(sorted(k.items())))}" for v, k in sorted(kinds.items()))
    type_lines = ",\n".join(f"{json.dumps(name)}:{compact(types[name])}" for name in sorted(types))
    return f'{{"kinds":{{\n{kind_lines}}},\n"types":{{\n{type_lines}}}}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swagger-1.20", dest="retired", type=Path, required=True)
    parser.add_argument("--source", dest="sources", type=Path, action="append", required=True)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    inputs = Inputs(arguments.retired, arguments.sources)
    table = Table(inputs)
    arguments.output.write_text(render(inputs.kinds, table.types))
    for note in table.notes:
        print(note, file=sys.stderr)
    print(f"{len(table.types)} types, {sum(map(len, inputs.kinds.values()))} kinds", file=sys.stderr)


if __name__ == "__main__":
    main()
