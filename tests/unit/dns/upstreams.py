"""Name servers to forward to: what they say is scripted, what they were asked is kept."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"


def a_record(query: dns.message.Message, *addresses: str, ttl: int = 60) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    reply.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", "A", *addresses))
    return reply


def nothing(query: dns.message.Message, rcode: dns.rcode.Rcode = dns.rcode.NXDOMAIN) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.set_rcode(rcode)
    soa = "ns.example. me.example. 1 2 3 4 30"
    reply.authority.append(dns.rrset.from_text("example.", 30, "IN", "SOA", soa))
    return reply


class Upstream(asyncio.DatagramProtocol):
    """`answer` None: silence. `asked` has (transport, name, type)."""

    def __init__(self) -> None:
        self.answer: Callable[[dns.message.Message, str], dns.message.Message | None] = lambda query, _: a_record(
            query, "192.0.2.1"
        )
        self.asked: list[tuple[str, str, str]] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._reply(data, "udp")
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def names(self) -> list[str]:
        """Asked for, health checks and loop probes left out."""
        return [name for _, name, qtype in self.asked if qtype not in ("NS", "HINFO")]

    def _reply(self, data: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append((transport, question.name.to_text(), dns.rdatatype.to_text(question.rdtype)))
        reply = self.answer(query, transport)
        return reply.to_wire() if reply is not None else None

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                tls = writer.get_extra_info("ssl_object") is not None
                reply = self._reply(data, "tls" if tls else "tcp")
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()


@contextlib.asynccontextmanager
async def upstream(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """On UDP and TCP of one port; with `tls` on that alone."""
    loop = asyncio.get_running_loop()
    found = Upstream()
    server = await asyncio.start_server(found.stream, ADDRESS, 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    transport = None
    if tls is None:
        transport, _ = await loop.create_datagram_endpoint(lambda: found, local_addr=(ADDRESS, found.port))
    try:
        yield found
    finally:
        server.close()
        if transport is not None:
            transport.close()


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """The authority's file, and a server's context for a name and the loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(ADDRESS))]
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(signed.public_bytes(pem))
    form = pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return folder / "tls.crt", context
