"""Values of annotations, typed. What is not understood is a problem by its name, and counts as not given."""

import ipaddress
import re
from collections.abc import Iterable, Mapping

from fairlead.ingress.plan.model import Problem
from fairlead.ingress.plan.targets import Target

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # Go's strconv.ParseBool, which ingress-nginx reads with
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
SIZE = re.compile(r"^(\d{1,15})([kKmMgG]?)$")
DURATION = re.compile(r"^(\d{1,9})(ms|s|m|h|d)?$")
FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
TOKEN = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")  # RFC 9110, 5.6.2
LONGEST = 4096


class Reader:
    """`allow_other_namespaces`: Secrets and such may be another namespace's (the administrator's decision)."""

    def __init__(
        self, given: Mapping[str, str], prefix: str, namespace: str, *, allow_other_namespaces: bool = False
    ) -> None:
        self.namespace = namespace
        self.prefix = prefix
        self.problems: list[Problem] = []
        self.secrets: list[str] = []
        self.targets: list[Target] = []
        self.config_maps: list[str] = []
        self.denied = ""
        self._given = given
        self._allow_other_namespaces = allow_other_namespaces

    def given(self, name: str) -> bool:
        return name in self._given

    def refuse(self, name: str, why: str) -> None:
        self.problems.append(Problem("InvalidAnnotation", f"{self.prefix}/{name}: {why}"))

    def deny(self, name: str, why: str) -> None:
        """What was to restrict access cannot be read: then nobody has access (503), as in ingress-nginx."""
        self.refuse(name, why)
        self.denied = self.denied or name

    def text(self, name: str, pattern: re.Pattern[str] | None = None, *, what: str = "") -> str | None:
        value = self._given.get(name)
        if value is None:
            return None
        value = value.strip()
        if len(value) > LONGEST or CONTROL.search(value):
            self.refuse(name, f"it is longer than {LONGEST} characters, or has control characters")
            return None
        if pattern is not None and not pattern.match(value):
            self.refuse(name, f"{value!r} is not {what}")
            return None
        return value

    def boolean(self, name: str) -> bool | None:
        value = self.text(name)
        if value is None:
            return None
        if value not in TRUE | FALSE:
            self.refuse(name, f"{value!r} is neither true nor false")
            return None
        return value in TRUE

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?\d{1,12}", value) or not low <= int(value) <= high:
            self.refuse(name, f"{value!r} is no whole number from {low} to {high}")
            return None
        return int(value)

    def choice(self, name: str, choices: Iterable[str], *, lower: bool = False) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        value = value.lower() if lower else value
        if value not in choices:
            self.refuse(name, f"{value!r} is none of {', '.join(sorted(choices))}")
            return None
        return value

    def size(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        found = size_of(value)
        if found is None:
            self.refuse(name, f"{value!r} is no size like 8k or 10m")
        return found

    def seconds(self, name: str) -> float | None:
        """A number of seconds, or with a unit."""
        value = self.text(name)
        if value is None:
            return None
        found = seconds_of(value)
        if found is None:
            self.refuse(name, f"{value!r} is no time like 60 or 60s")
        return found

    def words(self, name: str) -> tuple[str, ...]:
        value = self.text(name)
        return () if value is None else tuple(each for each in (part.strip() for part in value.split(",")) if each)

    def networks(self, name: str) -> tuple[str, ...] | None:
        """None where one of them is none: a list that restricts must not be shortened."""
        found = []
        for each in self.words(name):
            try:
                found.append(str(ipaddress.ip_network(each, strict=False)))
            except ValueError:
                self.deny(name, f"{each!r} is neither an address nor a range of addresses")
                return None
        return tuple(found)

    def reference(self, name: str) -> str | None:
        """An object of the Ingress's namespace, as "namespace/name"; denies where it may not be had."""
        value = self.text(name)
        if value is None:
            return None
        namespace, slash, own = value.rpartition("/")
        if not NAME.match(own) or (slash and not NAME.match(namespace)):
            self.deny(name, f"{value!r} is no name of an object")
            return None
        if slash and namespace != self.namespace and not self._allow_other_namespaces:
            self.deny(name, "objects of other namespaces are not read")
            return None
        return f"{namespace or self.namespace}/{own}"


def size_of(text: str) -> int | None:
    match = SIZE.match(text)
    return int(match[1]) * FACTORS[match[2].lower()] if match else None


def seconds_of(text: str) -> float | None:
    match = DURATION.match(text)
    return int(match[1]) * SECONDS[match[2] or "s"] if match else None
