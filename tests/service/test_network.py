"""The way to a service: proxies, certificates, addresses. Every failure names its true cause."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
import traceback

import numpy as np
import pytest
from faulty_service import FaultyService, brightest, some_images, status, text
from networks import TODAY, YEAR, Authority, Proxy, SecureService, answering, resolving
from served import Brightest

from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

IMAGES = some_images(2)
ELSEWHERE = ("models.example", "192.0.2.77", "fd00::77", "fe80::77")  # none is this machine
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
PASSWORD = "jane:open-sesame"


@pytest.fixture(autouse=True)
def environment(monkeypatch, naps):
    """No variable is set, and hosts that are elsewhere are found here."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", resolving(dict.fromkeys(ELSEWHERE, "127.0.0.1")))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority):
    """A good certificate."""
    return authority.issue("127.0.0.1", "models.example")


def at(service, host):
    """The address of a service, by another name of its host."""
    if ":" in host:
        host = f"[{host}]"
    return service.url.replace("127.0.0.1", host)


def answers(url, **options):
    with RemoteModel(url, **options) as suspect:
        np.testing.assert_array_equal(suspect(IMAGES), brightest(IMAGES))
    return True


def said(url, says, kind=ConnectionError, varies=None, **options):
    """Ask, record what the error says, and return all of it, with the tracebacks."""
    with RemoteModel(url, **options) as suspect, says(kind, varies=varies) as caught:
        suspect(IMAGES)
    return "".join(traceback.format_exception(caught.value))


#  proxies: who is asked through one --------------------------------------------------------------


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", ()),
        ("*", ELSEWHERE),
        ("localhost,*", ELSEWHERE),
        ("models.example", ("models.example",)),
        ("MODELS.Example.", ("models.example",)),
        ("Example", ("models.example",)),
        (".example", ("models.example",)),
        ("*.example", ("models.example",)),
        ("dels.example", ()),
        ("other.example, models.example", ("models.example",)),
        ("other.example models.example", ("models.example",)),
        ("models.example:{port}", ("models.example",)),
        ("models.example:9", ()),
        ("192.0.2.77", ("192.0.2.77",)),
        ("192.0.2.77:{port}", ("192.0.2.77",)),
        ("192.0.2.0/24", ("192.0.2.77",)),
        ("192.0.2.5/24", ("192.0.2.77",)),
        ("192.0.3.0/24", ()),
        ("localhost,::1,[::1]", ()),
        ("fe80::/10", ("fe80::77",)),
        ("fd00::/8,fe80::/10", ("fd00::77", "fe80::77")),
        ("fd00::77", ("fd00::77",)),
        ("fd00:0::77", ("fd00::77",)),
        ("[fd00::77]", ("fd00::77",)),
        ("[fd00::77]:{port}", ("fd00::77",)),
        ("[::1],:1,//,fd00::/999,", ()),
    ],
)
def test_no_proxy_means_names_domains_addresses_networks_and_ports(no_proxy, direct, monkeypatch):
    with FaultyService() as service, Proxy() as proxy:
        port = service.server_address[1]
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", no_proxy.format(port=port))
        found = []
        for host in ELSEWHERE:
            proxy.seen.clear()
            assert answers(at(service, host))
            if not proxy.seen:
                found.append(host)
    assert tuple(found) == direct


OWN = ("localhost", "LOCALHOST", "models.localhost", "127.0.0.1", "127.0.0.9", "127.1", "0.0.0.0")
OWN_6 = ("::1", "::")


@pytest.mark.parametrize("host", [*OWN, *OWN_6, "lab-7", "LAB-7.uni.example"])
def test_this_machine_needs_no_proxy_to_reach_itself(host, monkeypatch):
    """By whatever name: uvicorn and MLServer print 0.0.0.0."""
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "gethostname", lambda: "Lab-7.uni.example")
    to = dict.fromkeys([host, host.lower()], "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", resolving(to))
    with FaultyService() as service:
        assert answers(at(service, host))
    RemoteModel(f"http://[{host}]/v2/models/m" if ":" in host else at(service, host), token="t")


def test_names_are_a_proxys_business_alone(monkeypatch):
    """Behind many a proxy no other host's name is known, and asking for one takes long."""

    def resolve(host, *args, **options):
        assert host == "127.0.0.1" or options["flags"] == socket.AI_NUMERICHOST
        return real(host, *args, **options)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with FaultyService() as service, Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        assert answers(at(service, "models.example"))


def test_a_proxy_is_taken_by_the_scheme_then_by_all(issued, authority, monkeypatch):
    with FaultyService() as plain, SecureService(issued) as secure, Proxy() as proxy:
        urls = at(plain, "models.example"), at(secure, "models.example")
        port = secure.server_address[1]
        for name, seen in [
            ("HTTP_PROXY", [f"GET {urls[0]}", f"POST {urls[0]}/infer"]),
            ("HTTPS_PROXY", [f"CONNECT models.example:{port}"]),
            (
                "all_proxy",
                [f"GET {urls[0]}", f"POST {urls[0]}/infer", f"CONNECT models.example:{port}"],
            ),
        ]:
            proxy.seen.clear()
            monkeypatch.setenv(name, f"{PASSWORD}@{proxy.address}")  # without http://, as some have
            for url in urls:
                assert answers(url, verify=authority.path)
            assert proxy.seen == seen
            assert set(proxy.passwords) == {"Basic amFuZTpvcGVuLXNlc2FtZQ=="}
            monkeypatch.delenv(name)


def test_one_proxy_that_cannot_be_used_is_no_matter_to_another(monkeypatch):
    """GNOME sets all three of them."""
    with FaultyService() as service, Proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9/")
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}/")
        assert answers(at(service, "models.example"))
        assert len(proxy.seen) == 2


#  proxies that do not do -------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["socks", "socks5", "socks5h"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy"])
def test_socks_without_its_package(says, url, variable, monkeypatch, naps):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(variable, f"{url}://{PASSWORD}@127.0.0.1:9")
    assert "sesame" not in said("http://models.example/v2/models/m", says)
    assert naps == []


@pytest.mark.parametrize(
    "url",
    [
        "socks4://h:9",
        "ftp://h",
        f"http://{PASSWORD}@h:port",
        "http://jane:open-sesame@@h:1:2",
        "http://[::1",
    ],
)
def test_a_variable_that_names_no_proxy(says, url, monkeypatch, naps):
    monkeypatch.setenv("HTTP_PROXY", url)
    assert "sesame" not in said("http://models.example/v2/models/m", says)
    assert naps == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("code", [403, 407, 502, 503])
def test_a_proxy_that_refuses_is_named_and_its_password_is_not(says, scheme, code, monkeypatch):
    with Proxy(code) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{PASSWORD}@{proxy.address}")
        kind = (ConnectionError, PermissionError)
        told = said(f"{scheme}://models.example/v2/models/m", says, kind)
    assert "sesame" not in told
    assert len(proxy.seen) == {403: 1, 407: 1, 502: 5, 503: 5 if scheme == "https" else 35}[code]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(says, scheme, monkeypatch, naps):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for there in (f"127.0.0.1:{port}", "proxy.invalid:3128"):
        monkeypatch.setenv("ALL_PROXY", f"http://{PASSWORD}@{there}")
        told = said(f"{scheme}://models.example/v2/models/m", says, varies=r"\([^()]*\)\. If")
        assert "sesame" not in told
    assert len(naps) == 8


def test_a_proxy_behind_tls_is_trusted_as_the_service_is(says, issued, authority, monkeypatch):
    """And if it is not, its certificate is named, not the service's."""
    with FaultyService() as service, SecureService(issued) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.split("/v2")[0])
        said(at(service, "models.example"), says, varies=r"example:\d+")
        assert answers(at(service, "models.example"), verify=authority.path)
    assert proxy.paths == [at(service, "models.example"), f"{at(service, 'models.example')}/infer"]


#  certificates -----------------------------------------------------------------------------------


def test_a_company_of_its_own_authority(issued, authority, monkeypatch):
    with SecureService(issued) as service:
        assert answers(service.url, verify=authority.path)
        assert answers(service.url, verify=str(authority.path))
        assert answers(
            service.url, verify=issued
        )  # the service's own certificate, as curl takes it
        assert answers(service.url, verify=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        assert answers(service.url)
        assert service.refused == 0


def test_a_folder_of_certificates(issued, authority, monkeypatch, tmp_path):
    shutil.copy(authority.path, tmp_path / f"{authority.hash()}.0")
    with SecureService(issued) as service:
        monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["/nowhere", str(tmp_path)]))
        assert answers(service.url)


@pytest.mark.parametrize("wrong", ["unknown", "self-signed", "expired", "name"])
@pytest.mark.parametrize("through", [False, True])
def test_a_certificate_that_is_not_trusted_is_named_at_once(
    says, wrong, through, authority, monkeypatch, naps
):
    options = {
        "unknown": {},
        "self-signed": {"self_signed": True},
        "expired": {"until": TODAY - YEAR},
        "name": {},
    }[wrong]
    hosts = ("other.example",) if wrong == "name" else ("models.example",)
    verify = True if wrong == "unknown" else authority.path
    with SecureService(authority.issue(*hosts, **options)) as service, Proxy() as proxy:
        if through:
            monkeypatch.setenv("ALL_PROXY", f"http://{proxy.address}")
        said(at(service, "models.example"), says, varies=r":\d+", verify=verify)
    assert (naps, service.refused, service.paths) == ([], 1, [])
    assert len(proxy.seen) == through


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_variable_that_names_no_certificates(
    says, variable, content, monkeypatch, tmp_path, naps
):
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    said("https://models.example/v2/models/m", says)
    assert naps == []
    with FaultyService() as service:
        assert answers(service.url)  # nobody needs them


@pytest.mark.parametrize(
    "verify", ["nowhere.pem", "text.pem", "key.pem", "empty.pem", ".", "", "False", 1, None, b"x"]
)
def test_verify_is_checked_when_it_is_given(says, verify, issued, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "empty.pem").write_text("")
    key = issued.read_text().partition("-----BEGIN PRIVATE")
    (tmp_path / "key.pem").write_text("".join(key[1:]))
    with says(ValueError):
        RemoteModel("https://models.example/v2/models/m", verify=verify)


#  nobody there, or somebody else -----------------------------------------------------------------


def test_nobody_listens(says, naps):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said(f"http://127.0.0.1:{port}/v2/models/m", says)
    assert len(naps) == 4


def test_a_name_that_nobody_knows(says, naps):
    said("http://no-such-host.invalid/v2/models/m", says, varies=r"\([^()]*\)")
    assert len(naps) == 4


@pytest.mark.parametrize("host", ["models.example", "[fe80::77]"])
def test_no_route(says, host, monkeypatch, naps):
    to = dict.fromkeys(ELSEWHERE, "255.255.255.255")
    monkeypatch.setattr(socket, "getaddrinfo", resolving(to))
    said(f"http://{host}/v2/models/m", says, varies=r"\([^()]*\)")
    assert len(naps) == 4


def test_a_host_that_does_not_answer(says, monkeypatch):
    """A firewall drops what comes: here a queue that is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = []
        for _ in range(4):
            line = socket.socket()
            line.setblocking(False)
            line.connect_ex(full.getsockname())
            waiting.append(line)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v2/models/m"
        said(url, says, timeout=0.3, retries=0)
        for line in waiting:
            line.close()


def test_tls_to_a_plain_port(says, naps):
    with FaultyService() as service:
        said(service.url.replace("http:", "https:"), says, varies=r"\([^()]*\)", verify=False)
    assert naps == []


def test_plain_http_to_a_port_of_tls(says, issued):
    with SecureService(issued) as service:
        said(service.url.replace("https:", "http:"), says, varies="came: [^.]*")


HTTP2 = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)  # its first words: SETTINGS
ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
OTHERS = {
    "http2": ("http", HTTP2),
    "tls": ("http", ALERT),
    "tls of another version": ("https", ALERT),
    "https there": (
        "http",
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    ),
    "nginx": (
        "http",
        b"HTTP/1.0 400 Bad Request\r\n\r\n<html>\n<head>"
        b"<title>400 The plain HTTP request was sent to HTTPS port</title></head>",
    ),
    "bad gzip": ("http", b"HTTP/1.0 200 OK\r\ncontent-encoding: gzip\r\n\r\nabc"),
    "control characters": ("http", b"HTTP/1.0 400 Bad\r\n\r\n\x1b[31mred\x07\n"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_speaks_something_else_is_called_so(says, name):
    scheme, reply = OTHERS[name]
    with answering(reply) as there:
        said(f"{scheme}://{there}/v2/models/m", says, (ConnectionError, ValueError))


REPLIES = {
    "login": status(302, Location="https://login.example/start?state=open-sesame#open-sesame"),
    "slash": status(307, Location="/v2/models/toy/"),
    "no place": status(304),
    "page": text(b"<!doctype html><html><HEAD><TITLE lang=en>Sign in\n to the hotel</TITLE>"),
    "page without a name": text(b"<html>hello</html>"),
    "FastAPI": lambda handler: handler.send_json({"detail": "no such model"}, 404),
    "cloud": lambda handler: handler.send_json({"error": {"message": "no such model"}}, 404),
    "without a word": lambda handler: handler.send_json([], 404),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_refusal_is_told_in_the_services_own_words(says, name):
    with FaultyService(cards=(REPLIES[name],)) as service:
        assert "sesame" not in said(service.url, says, ValueError)


def test_a_question_that_is_too_large_is_not_asked_again(says, naps):
    with FaultyService(*[status(413)] * 9) as service:
        said(service.url, says, (ConnectionError, ValueError))
        assert naps == []


def test_a_password_in_the_address_is_not_shown(says):
    with FaultyService(cards=(status(401),)) as service:
        url = service.url.replace("//", f"//{PASSWORD}@")
        told = said(url, says, PermissionError)
        assert service.tokens == ["Basic amFuZTpvcGVuLXNlc2FtZQ=="]
    assert "sesame" not in told


#  a machine of IPv6 alone ------------------------------------------------------------------------


class OnlyIPv6(socket.socket):
    """A socket on a machine whose one address is ::1; really it is 127.0.0.1, which all have."""

    here = "::1"

    def __init__(self, family=socket.AF_INET, *rest, **options):
        super().__init__(socket.AF_INET, *rest, **options)
        self.asked = family

    def bind(self, address):
        if (self.asked, address[0]) != (socket.AF_INET6, self.here):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        super().bind(("127.0.0.1", address[1]))

    def getsockname(self):
        name = super().getsockname()
        return (self.here, name[1], 0, 0) if hasattr(self, "asked") else name


@pytest.mark.parametrize("options", [{}, {"host": "127.0.0.1"}, {"host": "localhost"}])
def test_a_service_on_a_machine_of_ipv6_alone(options, monkeypatch):
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "getaddrinfo", resolving({"::1": "127.0.0.1"}))
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", OnlyIPv6)
        service = serve(Brightest(), name="six", **options)
    with service:
        assert service.url.startswith("http://[::1]:")
        with RemoteModel(service.url, token="t") as suspect:  # and in the clear it is not either
            np.testing.assert_array_equal(suspect(IMAGES), brightest(IMAGES))


def test_a_machine_without_any_address(says, monkeypatch):
    monkeypatch.setattr(OnlyIPv6, "here", "")
    monkeypatch.setattr(socket, "socket", OnlyIPv6)
    with says(OSError):
        serve(Brightest(), name="six")
    with says(OSError):
        serve(Brightest(), name="six", host="192.0.2.1")
