"""The name that a TLS client asks for, from its first bytes (RFC 8446, 4.1.2; RFC 6066, 3). Pure."""

HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0


class Incomplete(Exception):  # noqa: N818  # not a fault: more must be read
    """The hello goes on."""


def server_name(data: bytes) -> str:
    """Empty where there is none, or where it is no TLS. Raises Incomplete."""
    if not data or data[0] != HANDSHAKE:
        if data:
            return ""
        raise Incomplete
    hello = _handshake(data)
    if not hello or hello[0] != CLIENT_HELLO:
        return ""
    try:
        at = 4 + 2 + 32  # the handshake's head, the version, the random
        at += 1 + hello[at]  # session
        at += 2 + int.from_bytes(hello[at : at + 2], "big")  # ciphers
        at += 1 + hello[at]  # compression
        end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
        at += 2
        while at + 4 <= end:
            kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
            if kind == SERVER_NAME:
                return _name(hello[at + 4 : at + 4 + size])
            at += 4 + size
    except IndexError:
        return ""
    return ""


def _handshake(data: bytes) -> bytes:
    """The first message, from as many records as it has."""
    found, at = b"", 0
    while True:
        if len(data) < at + 5:
            raise Incomplete
        if data[at] != HANDSHAKE:
            return b""
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if len(data) < at + 5 + size:
            raise Incomplete
        found += data[at + 5 : at + 5 + size]
        at += 5 + size
        if len(found) >= 4 and len(found) >= 4 + int.from_bytes(found[1:4], "big"):
            return found


def _name(extension: bytes) -> str:
    """The first entry of the list, whose type 0 is a host's name."""
    if len(extension) < 5 or extension[2] != 0:
        return ""
    size = int.from_bytes(extension[3:5], "big")
    return extension[5 : 5 + size].decode("ascii", "replace")
