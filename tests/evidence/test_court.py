"""What others vouch for: signatures, time stamps and public draws, each checked offline."""

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import wmlearn as wm
from wmlearn._extras import MissingExtra
from wmlearn.evidence import court
from wmlearn.evidence.commitment import seal

KEY = bytes(range(32))
CASE = "Alice against Mallory, 3 O 14/26"

# Published by the network itself.
ROUND = 1000
SIGNATURE = (
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125"
    "e342b73a8dd2bacbe47e4b6b63ed5e39"
)
OUTCOME = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
DRAWN = court.DrandRound(ROUND, OUTCOME, court.round_time(ROUND))


@pytest.fixture(scope="module")
def header():
    sealed = {"root": "ab" * 32, "questions": 30, "beacon": court.beacon_name(ROUND)}
    return sealed | {"signer": court.public_key(KEY)}


# ---------------------------------------------------------------- loading


def test_nothing_of_it_is_loaded_with_the_evidence(run_python):
    libraries = ("cryptography", "rfc3161_client", "py_ecc", "wmlearn.evidence.court")
    loaded = f"print([name for name in {libraries} if name in sys.modules])"
    assert run_python(f"import sys, wmlearn.evidence; {loaded}") == "[]"
    alone = run_python(f"import sys, wmlearn.evidence.court; {loaded}")
    assert alone == "['wmlearn.evidence.court']"


@pytest.mark.parametrize(
    ("library", "use"),
    [
        ("cryptography", lambda: court.public_key(KEY)),
        ("rfc3161_client", lambda: court.check_timestamp(b"", "00" * 32, b"")),
        ("py_ecc.bls", lambda: court.drand_round(ROUND, SIGNATURE)),
    ],
    ids=["signature", "time stamp", "drand"],
)
def test_a_missing_library_is_told_with_the_way_to_install_it(library, use, monkeypatch, says):
    for name in [name for name in sys.modules if name.startswith(library)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with says(MissingExtra):
        use()


# ---------------------------------------------------------------- signatures


def test_what_was_signed_for_a_judge_is_accepted(header):
    signature = court.sign(court.statement(header, [7, 2], b"nonce", CASE), KEY)
    court.check_signature(header, [2, 7], b"nonce", CASE, signature)


@pytest.mark.parametrize(
    "changed",
    [
        {"indices": [2, 8]},
        {"nonce": b"another judge's"},
        {"case": "Mallory against Alice"},
        {"signature": "00" * 64},
        {"signature": "no hexadecimal"},
        {"header": {"root": "cd" * 32}},
        {"header": {"signer": court.public_key(KEY[::-1])}},
        {"header": {"signer": "01"}},
    ],
    ids=["question", "judge", "case", "signature", "words", "seal", "owner", "no key"],
)
def test_it_cannot_be_carried_to_another(changed, header, says):
    """Another question, judge, case, seal or owner; the header's own change is another seal."""
    given = {"header": header, "indices": [2, 7], "nonce": b"nonce", "case": CASE}
    given["signature"] = court.sign(court.statement(*given.values()), KEY)
    changed = changed | {"header": header | changed.get("header", {})}
    with says(ValueError):
        court.check_signature(**(given | changed))


def test_a_header_without_a_signer_cannot_be_checked(says):
    with says(ValueError):
        court.check_signature({"root": ""}, [1], b"", CASE, "00" * 64)


def test_a_key_is_32_bytes_or_pem(says):
    own = ed25519.Ed25519PrivateKey.from_private_bytes(KEY)
    pem = as_pem(own)
    assert court.public_key(pem) == court.public_key(KEY)
    assert court.sign(b"text", pem) == court.sign(b"text", KEY)
    locked = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    for wrong in (KEY[:31], b"", locked, as_pem(ec.generate_private_key(ec.SECP256R1()))):
        with says(ValueError):
            court.sign(b"text", wrong)


def as_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


# ---------------------------------------------------------------- time stamps


SEAL = seal({"root": "ab" * 32})
CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority(NamedTuple):
    """A root, and the certificate it gave to a service that stamps."""

    root: bytes
    reply: bytes


def certificate(name, key, issuer, issuer_key, *extensions, days=(-2, 2)):
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(
        issuer_name=as_name(issuer),
        subject_name=as_name(name),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=days[0]),
        not_valid_after=now + timedelta(days=days[1]),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def as_name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def stamped(folder, sealed, *, days=(-2, 2)):
    """Make an authority in a folder, and return what it replies to the request for a seal."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = x509.BasicConstraints(ca=True, path_length=None)
    root = certificate(folder.name, root_key, folder.name, root_key, ca, days=(-9, 9))
    use = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING])
    (folder / "tsa.pem").write_bytes(
        certificate("Clock", key, folder.name, root_key, use, days=days)
    )
    (folder / "key.pem").write_bytes(as_pem(key))
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "serial").write_text("01\n")
    (folder / "request").write_bytes(court.timestamp_request(sealed))
    options = ["-config", "tsa.cnf", "-signer", "tsa.pem", "-inkey", "key.pem"]
    options += ["-queryfile", "request", "-out", "reply"]
    command = ["openssl", "ts", "-reply", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return Authority(root, (folder / "reply").read_bytes())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return stamped(tmp_path_factory.mktemp("authority"), SEAL)


def test_the_request_holds_the_seal_and_nothing_else():
    command = ["openssl", "ts", "-query", "-digest", SEAL, "-sha256", "-cert", "-no_nonce"]
    done = subprocess.run(command, check=True, capture_output=True)
    assert court.timestamp_request(SEAL) == done.stdout


def test_a_time_stamp_says_when_the_seal_was_seen(authority):
    when = court.check_timestamp(authority.reply, SEAL, authority.root)
    assert when.utcoffset() == timedelta(0)
    assert abs(datetime.now(timezone.utc) - when) < timedelta(minutes=5)


def test_a_stamp_of_another_seal_or_authority_is_refused(authority, tmp_path, says):
    other = stamped(tmp_path, SEAL)
    for token, sealed, roots in [
        (authority.reply, "00" * 32, authority.root),
        (authority.reply, SEAL, other.root),
        (authority.reply, SEAL, b""),
        (b"", SEAL, authority.root),
    ]:
        with says(ValueError, varies=r"\(.*\)"):
            court.check_timestamp(token, sealed, roots)
    both = authority.root + other.root
    assert court.check_timestamp(other.reply, SEAL, both)


def test_a_certificate_must_have_been_valid_then(tmp_path, says):
    expired = stamped(tmp_path, SEAL, days=(-4, -1))
    with says(ValueError, varies=r"\(.*\)") as refused:
        court.check_timestamp(expired.reply, SEAL, expired.root)
    assert "expired" in str(refused.value)


def test_a_damaged_stamp_is_refused_or_says_the_same(authority):
    """Some bytes are not signed, and none of those changes the time."""
    when = court.check_timestamp(authority.reply, SEAL, authority.root)
    refused = 0
    size = len(authority.reply)
    for place in range(size):
        damaged = bytearray(authority.reply)
        damaged[place] ^= 1 << place % 8
        for token in (bytes(damaged), authority.reply[:place]):
            try:
                assert court.check_timestamp(token, SEAL, authority.root) == when
            except ValueError:
                refused += 1
    assert refused > 1.8 * size


# ---------------------------------------------------------------- drand


def test_a_round_of_drand_is_checked_by_its_signature():
    limit = sys.getrecursionlimit()
    assert court.drand_round(ROUND, SIGNATURE) == DRAWN
    assert DRAWN.time == datetime(2023, 8, 23, 15, 59, 24, tzinfo=timezone.utc)
    assert sys.getrecursionlimit() == limit


def beyond_the_group():
    """Return a point of the curve outside the group: x = 4, the first there is."""
    return f"{(1 << 383) + 4:096x}"


@pytest.mark.parametrize(
    ("number", "signature"),
    [
        (1001, SIGNATURE),
        (ROUND, SIGNATURE[:-1] + "8"),
        (ROUND, f"{int(SIGNATURE, 16) ^ 1 << 381:096x}"),
        (ROUND, beyond_the_group()),
        (ROUND, f"c0{0:094x}"),
        (ROUND, SIGNATURE[:-2]),
        (ROUND, "00" + SIGNATURE),
        (ROUND, ""),
        (0, SIGNATURE),
        (10**11, SIGNATURE),
    ],
    ids=[
        "another round",
        "another bit",
        "the other root",
        "outside the group",
        "infinity",
        "short",
        "long",
        "nothing",
        "round 0",
        "the far future",
    ],
)
def test_what_drand_never_signed_is_refused(number, signature, says):
    with says(ValueError):
        court.drand_round(number, signature)


def test_words_are_no_signature(says):
    with says(ValueError, varies=r"\(.*\)"):  # Python's own words, in brackets
        court.drand_round(ROUND, "no hexadecimal")


def test_a_round_is_drawn_every_three_seconds():
    assert court.round_time(1) == datetime.fromtimestamp(1692803367, timezone.utc)
    assert court.round_time(21) - court.round_time(1) == timedelta(minutes=1)


# ---------------------------------------------------------------- before the draw


def test_a_seal_published_before_the_round_it_names_has_a_beacon(header):
    before = DRAWN.time - timedelta(seconds=1)
    beacon = court.drand_beacon(header, DRAWN, before, seals=20)
    assert beacon == wm.evidence.Beacon(OUTCOME, 20, 2**256)


@pytest.mark.parametrize("seconds", [0, 1, 86400])
def test_a_seal_published_later_has_none(seconds, header, says):
    with says(ValueError):
        court.drand_beacon(header, DRAWN, DRAWN.time + timedelta(seconds=seconds), seals=1)


@pytest.mark.parametrize("named", ["", "drand quicknet round 1001", "three dice on 3 May"])
def test_nor_has_one_that_names_another_draw(named, header, says):
    """Who chose the round afterwards would have as many tries as there are rounds."""
    before = DRAWN.time - timedelta(days=1)
    with says(ValueError):
        court.drand_beacon(header | {"beacon": named}, DRAWN, before, seals=1)


def test_the_judge_counts_the_seals_and_names_the_zone(header, says):
    before = DRAWN.time - timedelta(days=1)
    with says(ValueError):
        court.drand_beacon(header, DRAWN, before, seals=0)
    with pytest.raises(TypeError):
        court.drand_beacon(header, DRAWN, before.replace(tzinfo=None), seals=1)


def has_beacon(header, published):
    try:
        court.drand_beacon(header, DRAWN, published, seals=1)
    except ValueError:
        return False
    return True


def test_of_4096_seals_made_after_the_round_none_has_a_beacon(header):
    """A stand-in for receipts: each seal is stamped as soon as it is made, one each 54 ms."""
    for number in range(2**12):
        ground = header | {"root": f"{number:064x}"}
        made = timedelta(milliseconds=54 * number)
        assert not has_beacon(ground, DRAWN.time + made)
        assert has_beacon(ground, DRAWN.time - made - timedelta(milliseconds=1))


# ---------------------------------------------------------------- receipts


def test_receipts_are_stored_and_listed(tmp_path):
    assert court.receipts(tmp_path) == []
    one = court.store_receipt(tmp_path, b"one", "seal.ots")
    two = court.store_receipt(tmp_path, b"two", "authority.tsr")
    assert court.receipts(tmp_path) == [two, one]
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
    assert court.store_receipt(tmp_path, b"one", "seal.ots") == one


def test_no_receipt_takes_the_place_of_another(tmp_path, says):
    path = court.store_receipt(tmp_path, b"one", "seal.ots")
    with says(FileExistsError):
        court.store_receipt(tmp_path, b"two", "seal.ots")
    assert path.read_bytes() == b"one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "../seal.ots", "a/b", "a\\b", "seal.ots\n"])
def test_a_receipt_has_the_name_of_a_file(name, tmp_path, says):
    with says(ValueError):
        court.store_receipt(tmp_path, b"one", name)
    assert not list(tmp_path.iterdir())
