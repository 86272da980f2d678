"""What the package writes, wherever it does: whole or not at all, for others to read or for nobody,
also where a disk is full, a share refuses to change access rights, or the process is killed.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import wmlearn as wm
from wmlearn import experiments, zoo
from wmlearn._files import readable, whole
from wmlearn.course import _cases, tribunal
from wmlearn.course.copies import copy_lessons
from wmlearn.evidence import court

posix = pytest.mark.skipif(os.name != "posix", reason="access rights as POSIX has them")

# ---------------------------------------------------------------- everything that writes


@pytest.fixture(scope="module")
def triggers():
    return wm.Content(words=4)(wm.load_data("mnist"), n=12, alpha=0.01)


@pytest.fixture(scope="module")
def tiny():
    full = wm.load_data("mnist")
    parts = [part.take(slice(60)) for part in (full.train, full.loot, full.test)]
    return wm.Splits("tiny", *parts, full.classes)


def evidence(folder, triggers, *_):
    wm.evidence.save_evidence(triggers, folder)
    wm.evidence.log_use(folder, "asked", [0], whom="a service")
    public = ["evidence.json", "images.safetensors"]
    return [folder / name for name in public], [folder / "key.hex", folder / "log.jsonl"]


def opening(folder, triggers, *_):
    return [wm.evidence.open_questions(triggers, [1]).save(folder / "opened.safetensors")], []


def receipt(folder, *_):
    return [court.store_receipt(folder, b"stamped", "seal.ots")], []


def model(folder, *_):
    zoo.save_model(wm.load_model("mnist/clean"), folder / "mine.safetensors")
    return [folder / "mine.safetensors"], []


def card(folder, *_):
    case = wm.course.open_case()
    return [case.card(dict.fromkeys(case.services, "abstain")).save(folder / "card.json")], []


def case(folder, triggers, _, monkeypatch):
    suspects = dict.fromkeys([*tribunal.TAKEN, "x", "y"], wm.load_model("mnist/null-00"))
    monkeypatch.setattr(_cases, "_suspects", lambda key, seed: (triggers, suspects))
    _cases.new_case(folder / "case.safetensors", folder / "truth.json", seed=0)
    return [folder / "case.safetensors"], [folder / "truth.json"]


def swept(folder, triggers, tiny, monkeypatch):
    row = {"task_accuracy": 0.5, "said": [0] * 12, "images": 0, "queries": 0, "seconds": 0.0}
    monkeypatch.setattr(
        experiments, "_steal", lambda place, *rest: (place, dict.fromkeys(rest[2], row))
    )
    wm.sweep({"words": triggers}, {}, tiny, seeds=[0], cache=folder)
    return [*folder.glob("*.json")], []


def lessons(folder, *_):
    source = Path(wm.__file__).parents[1] / "notebooks"
    one = folder.with_name("one lesson")
    one.mkdir(exist_ok=True)
    name = "00_the_copied_map.ipynb"
    (one / name).write_bytes((source / name).read_bytes())
    copied = copy_lessons(one, folder)
    if copied.failed:
        raise OSError(copied.failed)
    return [folder / name, folder / ".lessons.json"], []


WRITERS = [evidence, opening, receipt, model, card, case, swept, lessons]


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
@pytest.mark.parametrize("write", WRITERS)
def test_the_umask_says_who_reads_and_secrets_are_their_owners(
    tmp_path, monkeypatch, triggers, tiny, write, mask
):
    with umask(mask):
        public, secret = write(tmp_path, triggers, tiny, monkeypatch)
    assert public
    assert {stat.S_IMODE(path.stat().st_mode) for path in public} == {0o666 & ~mask}
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} <= {0o600}
    assert not [*tmp_path.rglob("*.part")]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
@pytest.mark.parametrize("write", WRITERS)
def test_a_share_that_refuses_chmod_is_survived(tmp_path, monkeypatch, triggers, tiny, write, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    for name in ("chmod", "fchmod", "lchmod"):
        if hasattr(os, name):
            monkeypatch.setattr(os, name, refuse)
    public, secret = write(tmp_path, triggers, tiny, monkeypatch)
    assert all(path.stat().st_size for path in [*public, *secret])


@posix
def test_a_share_without_access_rights_is_told(says, tmp_path, monkeypatch, triggers):
    """A stick, say: whatever mode is asked for, everybody may read what is there."""
    really = os.open

    def forgetful(path, flags, mode=0o777, **rest):
        return really(path, flags, 0o666, **rest)

    monkeypatch.setattr(os, "open", forgetful)
    with umask(0o022), says(UserWarning) as warned:
        wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    assert Path(warned[0].filename) == Path(__file__)
    assert wm.evidence.open_evidence(tmp_path / "evidence").seal == triggers.seal


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("write", [each for each in WRITERS if each is not swept])
def test_a_disk_that_fails_leaves_what_was_there_and_nothing_half_written(
    tmp_path, monkeypatch, triggers, tiny, write, code
):
    def fails(_):
        raise OSError(code, os.strerror(code))

    folder = tmp_path / "new"
    folder.mkdir()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(OSError):  # noqa: PT011
            write(folder, triggers, tiny, broken)
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in left if path.suffix != ".lock"] == []
    write(folder, triggers, tiny, monkeypatch)  # and the next try does not trip over the last


def test_a_sweep_does_not_end_for_a_full_disk(says, tmp_path, monkeypatch, triggers, tiny):
    def fails(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with says(UserWarning, varies=r"\w{64}|\d+(?=/\S*json)") as warned:
        files, _ = swept(tmp_path, triggers, tiny, monkeypatch)
    assert Path(warned[0].filename) == Path(__file__)
    assert files == []


# ---------------------------------------------------------------- one file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    return path


def put(path, content=b"new", **how):
    with whole(path, **how) as file:
        file.write(content)


@pytest.mark.parametrize("kind", [OSError, ValueError, KeyboardInterrupt])
def test_whatever_ends_the_writing_the_old_file_stays(path, kind):
    def cut_off():
        with whole(path) as file:
            file.write(b"half")
            raise kind

    with pytest.raises(kind):
        cut_off()
    assert [each.read_bytes() for each in path.parent.iterdir()] == [b"old"]


@posix
@pytest.mark.parametrize("at", ["file.write(b'half'); file.flush()", "os.fsync = kill"])
def test_whoever_is_killed_leaves_the_old_file(path, at):
    code = f"""
import os, sys
from wmlearn._files import whole
kill = lambda *_: os.kill(os.getpid(), 9)
with whole(sys.argv[1]) as file:
    {at}
    file.write(b"more")
    if os.fsync is not kill: kill()
"""
    environment = os.environ | {"PYTHONPATH": str(Path(wm.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=environment)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    put(path)
    assert path.read_bytes() == b"new"


def test_two_at_once_leave_one_whole_file(path):
    contents = [bytes([letter]) * 300_000 for letter in b"abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: put(path, content), contents))
    assert path.read_bytes() in contents
    assert [*path.parent.iterdir()] == [path]


def test_of_two_who_write_a_new_file_at_once_one_is_refused(tmp_path):
    def first(content):
        try:
            put(tmp_path / "new", content, new=True)
        except FileExistsError:
            return None
        return content

    with ThreadPoolExecutor(8) as pool:
        done = list(filter(None, pool.map(first, [bytes([n]) * 1000 for n in range(1, 9)])))
    assert len(done) == 1
    assert (tmp_path / "new").read_bytes() == done[0]


def test_a_new_file_takes_no_others_place(says, path):
    with says(FileExistsError):
        put(path, new=True)
    assert path.read_bytes() == b"old"


@posix
def test_what_a_link_points_to_is_written_and_the_link_stays(path):
    link = path.with_name("link")
    link.symlink_to(path)
    put(link)
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@posix
def test_what_its_owner_has_closed_stays_closed(path):
    path.chmod(0o640)
    with umask(0o022):
        put(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
@pytest.mark.parametrize("kind", ["folder", "pipe", "write-protected"])
def test_what_is_no_file_to_be_written_is_left(says, path, monkeypatch, kind):
    place = path.with_name("place")
    if kind == "folder":
        place.mkdir()
    if kind == "pipe":
        os.mkfifo(place)
    if kind == "write-protected":
        place = path
        monkeypatch.setattr(os, "access", lambda *_: False)  # the root of these tests may write
    with says(OSError):
        put(place)
    assert path.read_bytes() == b"old"


def test_an_error_names_the_file_and_not_what_stands_in_for_it(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        put(tmp_path / "nowhere" / "file.txt")
    assert caught.value.filename == str(tmp_path / "nowhere" / "file.txt")


# ---------------------------------------------------------------- what cannot be read is called so


DOORS = {
    "evidence": (wm.evidence.open_evidence, "evidence"),
    "log": (wm.evidence.read_log, "evidence"),
    "opening": (wm.evidence.read_opening, "opened.safetensors"),
    "case": (wm.course.open_case, "case.safetensors"),
    "card": (wm.course.score_card, "card.json"),
    "model": (zoo.read_model, "mine.safetensors"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_no_door_calls_it_missing_where_it_cannot_be_read(says, tmp_path, monkeypatch, door, code):
    """Not "missing, damaged or another's": the root of these tests may read everything."""
    read, name = DOORS[door]
    files = [tmp_path / name]
    if name == "evidence":
        files = [tmp_path / name / each for each in ("evidence.json", "log.jsonl")]
        files[0].parent.mkdir()
    for file in files:
        file.write_bytes(b"good for all we know")

    def refused(self, *_, **__):
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr("builtins.open", refused)
    with says(OSError) as caught:
        read(tmp_path / name)
    assert not isinstance(caught.value, FileNotFoundError)


def test_damage_is_told_with_the_kind_of_error(says):
    for error in (ZeroDivisionError("a key perhaps"), OSError("no such device\n(19)")):
        with says(OSError), readable("It should be whole", "Restore it."):
            raise error


def test_nothing_is_written_past_the_one_place(root):
    """What opens a file to write by itself would be half-written, or closed to others."""
    allowed = {"_files.py": 2, "evidence/log.py": 1}  # a log is only ever added to
    package = Path(wm.__file__).parent
    words = ("save_file(", "write_text(", "write_bytes(", ".touch(", '"wb"', '"xb"', '"ab", opener')
    found = {}
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        count = sum(map(text.count, words))
        if count:
            found[file.relative_to(package).as_posix()] = count
    assert found == allowed


# ---------------------------------------------------------------- shares and sticks


def test_a_new_file_is_whole_from_its_first_moment_also_without_links(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(errno.EPERM, "no links here")

    put(tmp_path / "linked", new=True)
    assert (tmp_path / "linked").stat().st_nlink == 1
    monkeypatch.setattr(os, "link", refuses)
    put(tmp_path / "moved", new=True)
    assert {each.read_bytes() for each in tmp_path.iterdir()} == {b"new"}


@pytest.mark.parametrize(
    "error", [NotImplementedError("no flock"), OSError(errno.ENOLCK, "No locks available")]
)
def test_a_share_without_locks_is_named(says, tmp_path, monkeypatch, triggers, error):
    def refuses(*_, **__):
        raise error

    folder = wm.evidence.save_evidence(triggers, tmp_path / "mein Beleg ß")
    monkeypatch.setattr("filelock.FileLock.acquire", refuses)
    with says(OSError):
        wm.evidence.save_evidence(triggers, folder)
    with says(OSError):
        wm.evidence.log_use(folder, "asked", [0], whom="a service")


def test_a_folder_that_may_not_be_written_is_still_called_so(tmp_path, monkeypatch, triggers):
    def refuses(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "log.lock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuses)
    with pytest.raises(PermissionError):
        wm.evidence.save_evidence(triggers, tmp_path)
