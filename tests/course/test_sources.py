"""The works that lessons and pages cite are those of docs/references.bib, with the same links."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from _tool import ROOT

BIB = ROOT / "docs" / "references.bib"
ENTRY = re.compile(
    r"@(?P<kind>\w+)\{(?P<key>[a-z]+\d*[a-z]*),\n(?P<fields>(?:  \w+ = \{.+\},\n)+)\}\n"
)
FIELD = re.compile(r"  (\w+) = \{(.+)\},\n")
DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"'<>()\[\]{}*`,;]*[\w/])")
ARXIV = re.compile(r"arxiv(?:\.org/(?:abs|pdf)/|[:\s]\s*)(\d{4}\.\d{4,5})(?!\d)", re.IGNORECASE)
EMPHASIS = re.compile(r"(?<!\*)\*([^*]+)\*(?!\*)")
NEEDED = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "publisher", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"title"},
    "techreport": {"author", "title", "institution", "year"},
}


def entries(text: str) -> list[dict[str, str]]:
    """Return the entries of a file whose fields have a line each, or fail at what is none."""
    rest = [line for line in ENTRY.sub("", text).splitlines() if line and not line.startswith("%")]
    if rest:
        raise ValueError(f"no entry: {rest[0]}")
    return [entry(found) for found in ENTRY.finditer(text)]


def entry(found: re.Match[str]) -> dict[str, str]:
    fields = FIELD.findall(found["fields"])
    named = dict(fields)
    open_braces = [value for _, value in fields if value.count("{") != value.count("}")]
    if len(named) < len(fields) or open_braces:
        raise ValueError(f"a field twice, or an open brace: {found['key']}")
    return {"kind": found["kind"], "key": found["key"], **named}


def plain(text: str) -> str:
    """Return the text on one line, small, without the braces that keep BibTeX's capitals."""
    return " ".join(re.sub(r"[{}]", "", text).split()).casefold()


def identifiers(text: str) -> set[str]:
    return {found.casefold() for pattern in (DOI, ARXIV) for found in pattern.findall(text)}


def of_entry(work: dict[str, str]) -> set[str]:
    return {work[name].casefold() for name in ("doi", "eprint") if name in work}


def prose(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def sources(lesson: str) -> list[str]:
    """Return the points of a lesson's list of sources."""
    section = lesson.partition("\n## Sources\n")[2]
    return re.split(r"\n(?=- )", section.strip())


WORKS = entries(BIB.read_text(encoding="utf-8"))
LESSONS = {path.name: prose(path) for path in sorted((ROOT / "notebooks").glob("??_*.ipynb"))}
DOCS = {
    path.relative_to(ROOT).as_posix(): prose(path) for path in sorted((ROOT / "docs").rglob("*.md"))
}
PAGES = {**LESSONS, **DOCS}
PAGES |= {name: prose(ROOT / name) for name in ("README.md", "paper.md")}
KNOWN = set().union(*(of_entry(work) for work in WORKS))
TITLES = [plain(work["title"]) for work in WORKS]


def names_a_work(point: str) -> bool:
    return bool(identifiers(point) & KNOWN) or any(title in plain(point) for title in TITLES)


def signature(work: dict[str, str]) -> str:
    """Return how a point names a work even without its title: an RFC's number, or an author."""
    return work.get("number", "") if work["key"].startswith("rfc") else work["author"].split(",")[0]


def cited(work: dict[str, str]) -> bool:
    signs = [work["title"], work.get("url", work["title"]), f"@{work['key']}"]  # the paper's way
    text = plain("\n".join(PAGES.values()))
    found = set().union(*map(identifiers, PAGES.values()))
    return bool(of_entry(work) & found) or any(plain(sign) in text for sign in signs)


# ---------------------------------------------------------------- the file


def test_keys_are_unique_and_sorted():
    keys = [work["key"] for work in WORKS]
    assert keys == sorted(set(keys))


def test_an_identifier_belongs_to_one_work():
    counts = Counter(each for work in WORKS for each in of_entry(work))
    assert [each for each, times in counts.items() if times > 1] == []


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work["key"])
def test_an_entry_says_what_its_kind_needs(work):
    assert NEEDED[work["kind"]] <= work.keys()
    # A project's page has no year, but an address.
    assert "year" in work or "url" in work
    assert re.fullmatch(r"1[5-9]\d\d|20\d\d", work.get("year", "2000"))
    assert re.fullmatch(DOI, work.get("doi", "10.1000/none"))
    assert re.fullmatch(r"\d{4}\.\d{4,5}", work.get("eprint", "0000.0000"))
    assert ("eprint" in work) == (work.get("archivePrefix") == "arXiv")
    assert work.get("url", "https://").startswith(("https://", "http://"))


@pytest.mark.parametrize(
    "text",
    [
        "@book{a1,\n  title = {A},\n",
        "@book{a1,\n  title = {A}\n}\n",
        "@book{a1,\n  title = {{A},\n}\n",
        "@book{a1,\n  title = {A},\n  title = {B},\n}\n",
    ],
    ids=["unclosed", "no comma", "brace", "field twice"],
)
def test_a_broken_entry_is_found(text):
    with pytest.raises(ValueError, match=r"a1|title"):
        entries(text)


# ---------------------------------------------------------------- lessons and pages


@pytest.mark.parametrize("name", PAGES)
def test_every_doi_and_arxiv_number_is_in_the_file(name):
    assert identifiers(PAGES[name]) - KNOWN == set()


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work["key"])
def test_every_entry_is_cited(work):
    assert cited(work)


@pytest.mark.parametrize("name", LESSONS)
def test_every_source_of_a_lesson_is_in_the_file(name):
    points = sources(LESSONS[name])
    assert points != [""]
    assert [point for point in points if not names_a_work(point)] == []


@pytest.mark.parametrize("name", LESSONS)
def test_every_title_in_a_lessons_sources_is_in_the_file(name):
    section = "\n".join(sources(LESSONS[name]))
    titles = [plain(title) for title in EMPHASIS.findall(section)]
    assert [title for title in titles if not any(title in known for known in TITLES)] == []


@pytest.mark.parametrize("name", LESSONS)
def test_a_link_leads_to_a_work_of_the_author_beside_it(name):
    pairs = [(point, work) for point in sources(LESSONS[name]) for work in WORKS]
    linked = [(point, work) for point, work in pairs if of_entry(work) & identifiers(point)]
    assert [work["key"] for point, work in linked if signature(work) not in point] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[doi:10.1145/1.2](https://doi.org/10.1145/1.2): a", {"10.1145/1.2"}),
        ("(https://doi.org/10.17487/RFC3161). And", {"10.17487/rfc3161"}),
        ("[arXiv:1802.04633](https://arxiv.org/abs/1802.04633).", {"1802.04633"}),
        ("2021, arXiv 2103.14749)", {"2103.14749"}),
        ("https://arxiv.org/pdf/1802.04633v2.pdf", {"1802.04633"}),
        ("10.15 of 20/30, 1234.56789", set()),
    ],
)
def test_identifiers_are_read_as_pages_write_them(text, found):
    assert identifiers(text) == found
