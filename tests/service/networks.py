"""Networks as people have them, on the loopback: certificates, proxies, a resolver, odd servers."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import ipaddress
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faulty_service import FaultyService

TODAY = datetime.datetime.now(datetime.timezone.utc)
YEAR = datetime.timedelta(days=365)


#  certificates -----------------------------------------------------------------------------------


class Authority:
    """Signs certificates, as a company's own does; `path` is its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("Authority of the test")
        own = _builder(self.name, self.name, self.key, TODAY + YEAR)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = own.sign(self.key, hashes.SHA256())
        self.path = self._write("ca.pem", self.certificate)

    def issue(
        self, *hosts: str, until: datetime.datetime = TODAY + YEAR, self_signed: bool = False
    ) -> Path:
        """Return the file of a certificate for these hosts, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Service of the test")
        signer, signing = (name, key) if self_signed else (self.name, self.key)
        builder = _builder(name, signer, key, until)
        names = x509.SubjectAlternativeName(list(map(_host, hosts)))
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        certificate = builder.sign(signing, hashes.SHA256())
        return self._write(f"{len(list(self.folder.iterdir()))}.pem", certificate, key)

    def hash(self) -> str:
        """Return the name under which OpenSSL looks for it in a folder."""
        canonical = _name("authority of the test").public_bytes()[2:]  # lower case, no outer header
        digest = hashlib.sha1(canonical).digest()
        return f"{int.from_bytes(digest[:4], 'little'):08x}"

    def _write(self, name: str, certificate: x509.Certificate, key: Any = None) -> Path:
        text = certificate.public_bytes(serialization.Encoding.PEM)
        if key is not None:
            text += key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        path = self.folder / name
        path.write_bytes(text)
        return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    name: x509.Name, signer: x509.Name, key: Any, until: datetime.datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(signer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(TODAY - 2 * YEAR).not_valid_after(until)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False)


class SecureService(FaultyService):
    """A `FaultyService` that speaks TLS, under the certificate of a file."""

    def __init__(self, certificate: Path, *script: Any, **options: Any) -> None:
        super().__init__(*script, **options)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.refused = 0  # connections that came to nothing
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = self.url.replace("http://", "https://")

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            self.refused += 1
            raise


#  proxies ----------------------------------------------------------------------------------------


class Proxy(ThreadingHTTPServer):
    """A proxy that finds every host on this machine; or refuses everything with a status."""

    daemon_threads = True

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.status = status
        self.seen: list[str] = []  # what each request asked for
        self.passwords: list[str | None] = []
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _enters(self) -> bool:
        self.server.seen.append(f"{self.command} {self.path}")
        self.server.passwords.append(self.headers.get("proxy-authorization"))
        if self.server.status != 200:
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return self.server.status == 200

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self._enters():
            return
        host, _, path = self.path.removeprefix("http://").partition("/")
        there = http.client.HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=10)
        there.request(self.command, f"/{path}", body, {"content-type": "application/json"})
        reply = there.getresponse()
        text = reply.read()
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        there.close()

    do_GET = do_POST = _forward

    def do_CONNECT(self) -> None:
        if not self._enters():
            return
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join(5)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what comes until one of the two is closed."""
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


#  odd servers, and names -------------------------------------------------------------------------


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Answer every connection with these bytes, whatever it asks, and hang up; its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(reply)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def resolving(to: dict[str, str]) -> Callable[..., Any]:
    """Return a resolver that finds some hosts at an address of ours, and all others as ever."""
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host in to and not options.get("flags"):
            address = to[host]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
        return real(host, port, *args, **options)

    return resolve
