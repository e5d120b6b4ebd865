"""YAML as Kubernetes reads it and writes it (sigs.k8s.io/yaml on go-yaml 2). Pure.

YAML 1.1 with that library's own choice of plain scalars: `yes`, `on` and `y` are true, 010 is eight, 1e3 a number, 1:30
and 2020-01-01 are text. A key given twice is an error, and every key becomes text, as JSON needs it.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml as pyyaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

try:
    from yaml import CSafeDumper as _Dumper
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML built without libyaml: the same, slower
    from yaml import SafeDumper as _Dumper  # type: ignore[assignment]
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$")
_RESOLVERS = (
    (_TAG + "bool", re.compile("(?:" + "|".join(sorted(_TRUE | _FALSE)) + ")$"), "yYnNtTfFoO"),
    (_TAG + "null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    (_TAG + "int", _INTEGER, "-+0123456789"),
    (_TAG + "float", _FLOAT, "-+.0123456789"),
    (_TAG + "merge", re.compile(r"<<$"), "<"),
)


DEEPEST = 200  # levels of a document


class YamlError(ValueError):
    """Text that is no YAML, a key given twice, or a value that JSON cannot carry."""


class Loader(_Loader):
    """libyaml's parser with Kubernetes' scalars."""


class Dumper(_Dumper):
    """libyaml's emitter with Kubernetes' quoting."""


def parse(text: str | bytes) -> Any:
    """One document as JSON values. An empty document is None."""
    documents = parse_all(text)
    if len(documents) > 1:
        raise YamlError("expected one document, got several")
    return documents[0] if documents else None


def parse_all(text: str | bytes) -> list[Any]:
    """Every document of a stream; empty ones are left out."""
    try:
        _check_nesting(text)
        documents = pyyaml.load_all(text, Loader)
        return [document for document in documents if document is not None]
    except (pyyaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(_message(error)) from error


def _check_nesting(text: str | bytes) -> None:
    """libyaml builds nodes by recursion in C: what is nested too deeply would end the process, not raise."""
    depth = 0
    for event in pyyaml.parse(text, Loader):
        if isinstance(event, pyyaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise YamlError(f"nested deeper than {DEEPEST} levels")
        elif isinstance(event, pyyaml.CollectionEndEvent):
            depth -= 1


def render(value: Any) -> str:
    """Block style, keys sorted, text of several lines as a literal block."""
    text: str = pyyaml.dump(value, Dumper=Dumper, default_flow_style=False, allow_unicode=True, width=1 << 20)
    return text


def _message(error: Exception) -> str:
    """`yaml: line 3: found a tab …`: the line counts from one, as kubectl prints it."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"yaml: line {mark.line + 1}: {problem}" if mark is not None else f"yaml: {problem}"


def _resolve(text: str) -> bool | int | float | str | None:
    """What a plain scalar means (go-yaml 2, resolve.go)."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _NULL:
        return None
    if _INTEGER.match(text):
        digits = text.replace("_", "")
        sign = -1 if digits.startswith("-") else 1
        digits = digits.lstrip("+-")
        if digits.startswith("0") and digits.isdigit() and digits != "0":
            return sign * int(digits, 8)
        return sign * int(digits, 0)
    return float(text.replace("_", "")) if _FLOAT.match(text) else text


def _construct_scalar(_loader: Any, node: ScalarNode) -> bool | int | float | str | None:
    return _resolve(node.value)


def _construct_text(loader: Any, node: ScalarNode) -> str:
    text: str = loader.construct_yaml_binary(node).decode()
    return text


def _construct_mapping(loader: Any, node: Node) -> Iterator[dict[str, Any]]:
    if not isinstance(node, MappingNode):
        raise ConstructorError(None, None, f"expected a mapping, got {node.tag}", node.start_mark)
    own = {id(key) for key, _ in node.value}  # what a merge brings in may be overridden, what is written here may not
    loader.flatten_mapping(node)
    result: dict[str, Any] = {}
    yield result
    written: set[str] = set()
    for key_node, value_node in node.value:
        key = _key(loader.construct_object(key_node, deep=True), key_node)
        if id(key_node) in own:
            if key in written:
                raise ConstructorError(None, None, f'key "{key}" already set in map', key_node.start_mark)
            written.add(key)
        result[key] = loader.construct_object(value_node, deep=True)


def _key(value: Any, node: Node) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    raise ConstructorError(None, None, f"Unsupported map key of type: {type(value).__name__}", node.start_mark)


def _represent_text(dumper: Any, text: str) -> ScalarNode:
    plain = isinstance(_resolve(text), str)
    style = "|" if "\n" in text else None if plain and not re.match(r"[0-9]+:[0-9:]+", text) else '"'
    node: ScalarNode = dumper.represent_scalar(_TAG + "str", text, style=style)
    return node


for _class in (Loader, Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in _RESOLVERS:
        _class.add_implicit_resolver(_tag, _pattern, list(_first))
for _name in ("bool", "null", "int", "float"):
    Loader.add_constructor(_TAG + _name, _construct_scalar)
Loader.add_constructor(_TAG + "binary", _construct_text)
Loader.add_constructor(_TAG + "map", _construct_mapping)
Dumper.add_representer(str, _represent_text)
