"""nginx with its default limit of 1 MB on a request, as most Ingresses have it, before `wm.serve`.

Not collected by default: nginx is not a package of Python. A leg of `make test-all`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from beside import free_port, running

import wmlearn as wm
from wmlearn.service.server import Service

# Without `user`, where root runs it, nginx could not write into this user's folder.
CONFIG = """
user root;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://{service}; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with wm.serve(wm.load_model("cifar10/content"), name="owner") as served:
        yield served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def address(service: Service, folder: Path) -> Iterator[str]:
    """Yield the address of the service by way of nginx."""
    port, there = free_port(), urlsplit(service.url).netloc
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, service=there))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-e", str(folder / "start.log"), "-p", str(folder), "-c", str(config)]
    address = service.url.replace(there, f"127.0.0.1:{port}")
    with running(command, address, folder):
        yield address


def test_found_behind_the_limit(service: Service, address: str) -> None:
    triggers = wm.Content(words=30)(wm.load_data("cifar10"), n=150, key=wm.CLASSROOM_KEY)
    before = service.queries, len(service.log)
    with wm.RemoteModel(address) as suspect:
        verdict = wm.verify(suspect, triggers)
        assert (verdict.k, verdict.n) == (30, 30)
        # each counts once, however often what was too large had to be sent again
        assert (suspect.queries, suspect.n_unreachable, suspect.faults) == (150, 0, [])
        assert service.queries - before[0] == 150
        assert len(service.log) - before[1] > 1
        own = wm.BlackBox(wm.load_model("cifar10/content"))
        np.testing.assert_array_equal(suspect(triggers.images), own(triggers.images))


def test_the_size_that_went_through_is_kept(address: str, folder: Path) -> None:
    def refusals() -> int:
        return (folder / "access.log").read_text().count('" 413 ')

    images = wm.load_data("cifar10").test.images[:300]
    before = refusals()
    with wm.RemoteModel(address) as suspect:
        suspect(images)
        learned = refusals()
        assert 1 <= learned - before <= 3
        suspect(images)
        assert refusals() == learned


def test_a_batch_that_fits_is_never_refused(address: str, folder: Path) -> None:
    refused = (folder / "access.log").read_text().count('" 413 ')
    images = wm.load_data("cifar10").test.images[:200]
    with wm.RemoteModel(address, batch=50) as suspect:
        assert suspect(images).min() >= 0
    assert (folder / "access.log").read_text().count('" 413 ') == refused
