"""`$(NAME)` in commands, arguments and values (Kubernetes' `third_party/forked/golang/expansion`). Pure."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$$` stands for `$`; a reference to what is not defined stays as it is written."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replace, text) if "$" in text else text


def missing(text: str, variables: Mapping[str, str]) -> list[str]:
    """What it refers to and is not defined."""
    return [match[1] for match in _REFERENCE.finditer(text) if match[1] is not None and match[1] not in variables]
