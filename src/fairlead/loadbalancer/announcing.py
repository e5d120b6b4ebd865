"""Tells a link who has an address: frames on a packet socket (packet(7))."""

import logging
import socket

from fairlead.loadbalancer.frames import announcements

log = logging.getLogger(__name__)


class Announcer:
    """On one interface, in this process's network when it is made. Raises OSError."""

    def __init__(self, interface: str, mac: bytes) -> None:
        self.mac = mac
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((interface, 0))

    def announce(self, address: str) -> None:
        """What is not sent is not worth the change that it is about: neighbours ask when they must."""
        for frame in announcements(address, self.mac):
            self.send(frame)

    def send(self, frame: bytes) -> None:
        try:
            self._socket.send(frame)
        except OSError as error:
            log.warning("cannot announce an address: %s", error)

    def close(self) -> None:
        self._socket.close()
