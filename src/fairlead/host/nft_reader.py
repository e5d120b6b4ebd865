"""What the kernel holds of tables of nf_tables, as it would be sent to it (nfnetlink, linux/netfilter/nf_tables.h)."""

import socket
from collections.abc import Iterable

from fairlead.host.nfnetlink import Encoded, NfnetlinkError, without_data
from fairlead.host.nft_wire import NftSocket, attribute, attributes, listed, text

GET_TABLE, GET_CHAIN, GET_RULE, GET_SET, GET_ELEMENT = 1, 4, 7, 10, 13
AT_ONCE = 50  # elements asked for in one message
TABLE, NAME = 1, 2
CHAIN_NAME = 3
RULE_CHAIN, RULE_EXPRESSIONS = 2, 4
SET_TYPES = (3, 4, 5, 6, 7)  # flags, type and length of keys and of data: not how the kernel keeps it
LIST_ELEMENTS = 3


class NftReader:
    """The tables of one family, in this process's network when it is made. `family`: AF_INET or AF_INET6.
    Everything raises NfnetlinkError."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self._socket = NftSocket(family)

    def close(self) -> None:
        self._socket.close()

    def tables(self) -> set[str]:
        """Their names. `nft list tables` would read every element of every set first."""
        return {_string(attributes(each)[TABLE]) for each in self._socket.dump(GET_TABLE, b"")}

    def chains(self, table: str) -> set[str]:
        """Their names; none where the table is not there."""
        found = map(attributes, self._socket.dump(GET_CHAIN, text(TABLE, table)))
        return {_string(each[CHAIN_NAME]) for each in found if _string(each.get(TABLE, b"")) == table}

    def sets(self, table: str) -> dict[str, bytes]:
        """name → what it is; sets and maps alike."""
        found = {}
        for named in map(attributes, self._socket.dump(GET_SET, text(TABLE, table))):
            if _string(named.get(TABLE, b"")) == table:
                described = [bytes((kind,)) + named.get(kind, b"") for kind in SET_TYPES]
                found[_string(named[NAME])] = b"".join(described)
        return found

    def rules(self, table: str, chain: str = "") -> list[tuple[str, bytes]]:
        """(chain, expressions) in their order; of one chain, if it is given, whatever there is in others."""
        named = text(TABLE, table) + (text(RULE_CHAIN, chain) if chain else b"")
        found = map(attributes, self._socket.dump(GET_RULE, named))
        return [
            (_string(each[RULE_CHAIN]), each.get(RULE_EXPRESSIONS, b""))
            for each in found
            if _string(each.get(TABLE, b"")) == table
        ]

    def generation(self) -> int:
        """Another one after every transaction, whoever makes it, in any table."""
        return self._socket.generation()

    def elements(self, table: str, set_name: str) -> list[bytes]:
        """Of a set or map, each as nfnetlink.element encodes it."""
        return _elements(self._socket.dump(GET_ELEMENT, text(TABLE, table) + text(NAME, set_name)))

    def has(self, table: str, elements: Iterable[Encoded]) -> bool:
        """Whether all of these are there, each as nfnetlink.element encodes it."""
        by_set: dict[str, list[bytes]] = {}
        for name, encoded in elements:
            by_set.setdefault(name, []).append(encoded)
        return all(
            self._has(text(TABLE, table) + text(NAME, name), encoded[start : start + AT_ONCE])
            for name, encoded in by_set.items()
            for start in range(0, len(encoded), AT_ONCE)
        )

    def _has(self, named: bytes, elements: list[bytes]) -> bool:
        asked = attribute(LIST_ELEMENTS, b"".join(map(without_data, elements)))
        try:
            found = _elements(self._socket.get(GET_ELEMENT, named + asked))
        except NfnetlinkError:  # one is not there
            return False
        return set(found).issuperset(elements)


def _elements(answers: Iterable[bytes]) -> list[bytes]:
    return [each for answer in answers for each in listed(attributes(answer).get(LIST_ELEMENTS, b""))]


def _string(data: bytes) -> str:
    return data.split(b"\0")[0].decode(errors="replace")
