"""The cluster's index: what Services and EndpointSlices say, by what a question asks. Pure.

A change touches only the entries of its own Service, and says which questions' answers it may have changed, as tags:
the key of a Service, that of its endpoints, the name of a namespace, an address. A question costs a few dictionary
look-ups, whatever the cluster's size.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from fairlead.dns.entries import Key, ServiceEntry, SliceEntry, dashed

Tag = Key | tuple[str, str, str] | str | int
Slice = tuple[str, str]  # (namespace, name)
SERIAL: Tag = ""  # answers that show the zone's serial
_SIXES = 1 << 128  # numbers of IPv6 addresses begin here, so that ::1.2.3.4 is not 1.2.3.4


def number_of(packed: bytes) -> int:
    """An address as a number of its own among both families."""
    return int.from_bytes(packed, "big") + (_SIXES if len(packed) == 16 else 0)


def endpoints_tag(key: Key) -> Tag:
    """Of what a Service's endpoints decide about: most of its own names they do not, and they change most often."""
    return (*key, "endpoints")


class Zone:
    """Not thread-safe: one writer, one process."""

    def __init__(self) -> None:
        self.serial = 1
        self.services: dict[Key, ServiceEntry] = {}
        self.slices: dict[Key, dict[str, SliceEntry]] = {}
        self.namespaces: set[str] = set()
        self._pods: dict[int, set[tuple[str, str]]] = {}  # at an address, as (namespace, name)
        self._owner: dict[Slice, Key] = {}
        self._pod_addresses: dict[tuple[str, str], tuple[int, ...]] = {}
        # At each address the Services that it is of, or of whose endpoints it is; several are a tuple of them.
        self._clusters: dict[int, tuple[Key, ...] | Key] = {}
        self._endpoints: dict[int, tuple[Key, ...] | Key] = {}

    # What changes. Each method returns the tags of what it may have changed.

    def put_namespace(self, name: str, *, exists: bool) -> set[Tag]:
        self.serial += 1
        if exists:
            self.namespaces.add(name)
        else:
            self.namespaces.discard(name)
        return {name, SERIAL}

    def put_service(self, key: Key, entry: ServiceEntry | None) -> set[Tag]:
        self.serial += 1
        before = self.services.pop(key, None)
        tags: set[Tag] = {key, SERIAL}
        for packed in before.addresses if before else ():
            tags.add(_take(self._clusters, number_of(packed), key))
        if entry is not None:
            self.services[key] = entry
            for packed in entry.addresses:
                tags.add(_give(self._clusters, number_of(packed), key))
        if (before is None) != (entry is None) or (before and entry and _shows(before) != _shows(entry)):
            tags.update(number for slice_ in self.slices_of(key) for number in _numbers(slice_))
        return tags

    def put_slice(self, name: Slice, entry: SliceEntry | None) -> set[Tag]:
        """`entry` None: the slice holds nothing for DNS, or went away."""
        self.serial += 1
        tags: set[Tag] = {SERIAL}
        owner = self._owner.pop(name, None)
        if owner is not None:
            slices = self.slices[owner]
            before = slices.pop(name[1])
            if not slices:
                del self.slices[owner]
            tags.add(endpoints_tag(owner))
            gone = set(_numbers(before))
            if entry is not None and entry.service == owner:
                gone -= set(_numbers(entry))
            for other in slices.values():  # an endpoint may stand in two slices while it moves
                gone -= set(_numbers(other)) if gone else set()
            tags.update(_take(self._endpoints, number, owner) for number in gone)
        if entry is not None:
            self._owner[name] = entry.service
            self.slices.setdefault(entry.service, {})[name[1]] = entry
            tags.add(endpoints_tag(entry.service))
            tags.update(_give(self._endpoints, number, entry.service) for number in _numbers(entry))
        return tags

    def put_pod(self, pod: tuple[str, str], addresses: tuple[bytes, ...]) -> set[Tag]:
        """`pod`: (namespace, name). No addresses: it has none, or is gone."""
        before = self._pod_addresses.pop(pod, ())
        for number in before:
            at = self._pods[number]
            at.discard(pod)
            if not at:
                del self._pods[number]
        numbers = tuple(number_of(each) for each in addresses)
        if numbers:
            self._pod_addresses[pod] = numbers
            for number in numbers:
                self._pods.setdefault(number, set()).add(pod)
        return {*before, *numbers}

    # What is asked.

    def service_at(self, number: int) -> Key | None:
        """Whose ClusterIP it is."""
        found = self._clusters.get(number)
        return None if found is None else _several(found)[0]

    def services_of_endpoint(self, number: int) -> tuple[Key, ...]:
        found = self._endpoints.get(number)
        return () if found is None else _several(found)

    def namespaces_of_pods_at(self, number: int) -> set[str]:
        return {namespace for namespace, _ in self._pods.get(number, ())}

    def slices_of(self, key: Key) -> list[SliceEntry]:
        return list(self.slices.get(key, {}).values())

    def has_endpoints(self, key: Key) -> bool:
        return any(slice_.ready for slice_ in self.slices_of(key))


def endpoints_of(entry: ServiceEntry, slice_: SliceEntry, *, pod_names: bool) -> Iterator[tuple[str, bytes]]:
    """(name below the Service, address) of those endpoints of a slice that may be told."""
    names = slice_.hosts
    for at, packed in enumerate(slice_.packed(all_=entry.publish_not_ready)):
        name = names[at] if names else ""
        if not name and pod_names and slice_.pods and 0 < len(slice_.pods[at]) < 64:
            name = slice_.pods[at]
        yield name or dashed(packed), packed


def _shows(entry: ServiceEntry) -> tuple[bool, bool]:
    """What of a Service decides about the names of its endpoints."""
    return entry.publish_not_ready, entry.external_name is None


def _numbers(slice_: SliceEntry) -> list[int]:
    offset = _SIXES if slice_.size == 16 else 0
    return [int.from_bytes(packed, "big") + offset for packed in slice_.packed(all_=True)]


def _several(found: tuple[Key, ...] | Key) -> tuple[Key, ...]:
    return (found,) if isinstance(found[0], str) else found


def _give(index: dict[int, tuple[Key, ...] | Key], number: int, key: Key) -> int:
    known = index.get(number)
    if known is None:
        index[number] = key
    elif known != key and key not in known:
        index[number] = (*_several(known), key)
    return number


def _take(index: dict[int, tuple[Key, ...] | Key], number: int, key: Key) -> int:
    known = index.get(number)
    if known is not None:
        left = tuple(each for each in _several(known) if each != key)
        if not left:
            del index[number]
        else:
            index[number] = left[0] if len(left) == 1 else left
    return number


def address_of_reverse(name: str) -> bytes | None:
    """`10.0.96.10.in-addr.arpa` → 10.96.0.10, packed; None for anything else."""
    labels = name.split(".")
    try:
        if labels[-2:] == ["in-addr", "arpa"] and len(labels) == 6:
            return IPv4Address(".".join(reversed(labels[:4]))).packed
        if labels[-2:] == ["ip6", "arpa"] and len(labels) == 34 and all(len(each) == 1 for each in labels[:32]):
            return IPv6Address(int("".join(reversed(labels[:32])), 16)).packed
    except ValueError:
        return None
    return None
