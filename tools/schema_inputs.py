"""Readers of the generator's inputs: published OpenAPI definitions, .proto files and Go struct declarations.

Only facts are taken (names, types, numbers, tags); comments and descriptions are skipped.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# OpenAPI definitions that are one value, not a message.
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microTime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Duration": "duration",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "fieldsV1",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "rawExtension",
}
PREFIXES = ("io.k8s.apimachinery.pkg.apis.", "io.k8s.api.")


def short(name: str) -> str:
    """`io.k8s.api.core.v1.Pod` → `core.v1.Pod`, `…apimachinery.pkg.apis.meta.v1.Status` → `meta.v1.Status`."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def openapi_definitions(path: Path) -> dict[str, Json]:
    """The definitions of a swagger.json, or of kubernetes-validate's `_definitions.json`, by full name."""
    document = json.loads(path.read_text())
    found: dict[str, Json] = document.get("definitions") or document["$defs"]
    return found


def type_expression(schema: Json) -> str:
    """`string`, `core.v1.Pod`, with `[]` before it for a list and `{}` for a map of strings to it."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[1]
        return SPECIAL.get(name) or short(name)
    kinds = schema.get("type")
    kind = next((k for k in kinds if k != "null"), None) if isinstance(kinds, list) else kinds
    match kind, schema.get("format"):
        case "array", _:
            return "[]" + type_expression(schema["items"])
        case "object", _ if "additionalProperties" in schema:
            return "{}" + type_expression(schema["additionalProperties"]).replace("[]string", "stringList")
        case "string", "byte":
            return "bytes"
        case "string", _:
            return "string"
        case "boolean", _:
            return "bool"
        case "integer", width:
            return width or "int64"
        case "number", _:
            return "double"
    return "json"


@dataclass
class Message:
    """A .proto message: (number, type expression as written there) by field name."""

    fields: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def is_string_list(self) -> bool:
        return set(self.fields) == {"items"} and self.fields["items"][1] == "[]string"


_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(?:(optional|repeated|required) (\S+)|map<string, (\S+)>) (\w+) = (\d+)", re.MULTILINE)


def proto_messages(path: Path) -> dict[str, Message]:
    """The messages of one generated.proto by short name (`core.v1.Pod`)."""
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    package = _proto_name(re.search(r"^package (\S+);", text, re.MULTILINE)[1])  # type: ignore[index]
    messages = {}
    for name, body in _MESSAGE.findall(text):
        message = Message()
        for how, plain, mapped, field_name, number in _FIELD.findall(body):
            kind = _proto_name(plain or mapped, package)
            prefix = "{}" if mapped else "[]" if how == "repeated" else ""
            message.fields[field_name] = (int(number), prefix + kind)
        messages[f"{package}.{name}"] = message
    return messages


def _proto_name(name: str, package: str = "") -> str:
    if name in ("string", "bool", "int32", "int64", "double", "bytes", "uint32", "uint64"):
        return name
    name = name.removeprefix(".")
    for prefix in ("k8s.io.apimachinery.pkg.apis.", "k8s.io.api."):
        name = name.removeprefix(prefix)
    return name if "." in name or not package else f"{package}.{name}"


@dataclass(frozen=True)
class GoField:
    """A field of a Go struct: its type as `reflect` prints it, without the pointer."""

    type: str
    pointer: bool
    omit_empty: bool


_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}", re.MULTILINE | re.DOTALL)
_TAGGED = re.compile(r"^\t(?:\w+\s+)?(\S+)\s+`[^`]*json:\"(\w+)([^\"]*)\"", re.MULTILINE)
_GO_BUILTIN = {"string", "bool", "int32", "int64", "float64", "int", "byte", "uint8", "uint32", "uint64"}


def go_structs(path: Path) -> dict[str, dict[str, GoField]]:
    """The structs of one types.go by short name, their fields by JSON name."""
    version, group = path.parent.name, path.parent.parent.name
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    structs = {}
    for name, body in _STRUCT.findall(text):
        fields = {}
        for written, json_name, options in _TAGGED.findall(body):
            rendered = _go_type(written.removeprefix("*"), version)
            fields[json_name] = GoField(rendered, written.startswith("*"), "omitempty" in options)
        structs[f"{group}.{version}.{name}"] = fields
    return structs


def _go_type(written: str, package: str) -> str:
    written = written.removeprefix("*")
    if written.startswith("[]"):
        return "[]" + _go_type(written[2:], package)
    if match := re.fullmatch(r"map\[([\w.]+)\](.+)", written):
        return f"map[{_go_type(match[1], package)}]{_go_type(match[2], package)}"
    if written in _GO_BUILTIN:
        return "uint8" if written == "byte" else written
    if "." in written:
        imported, name = written.split(".")
        return f"{imported.removeprefix('meta').removeprefix('core')}.{name}"
    return f"{package}.{written}"
