"""The numbers of lessons agree everywhere: in lessons, pages, docstrings, comments, studies."""

import json
import re
from pathlib import Path

import pytest
from _tool import ROOT

from wmlearn.course._lessons import read_lessons

LESSONS = read_lessons()
SLUGS = {lesson.file[3:].removesuffix(".ipynb"): lesson.id for lesson in LESSONS.values()}
NUMBER = r"(?:0\d|1\d)"
# "lessons 09 to 11", "lessons 03 and 04"; a number alone after "lesson"; the line may end before it
MENTION = re.compile(
    rf"[Ll]essons[\s#>]+{NUMBER}(?:(?:,\s+|\s+(?:and|to|or)\s+){NUMBER})*|[Ll]esson[\s#>]+{NUMBER}"
)
LINK = re.compile(r"\[([^][]*)\]\((?:notebooks/|\.\./notebooks/)?(\w\w_\w+\.ipynb)\)")
# What is said within a clause of a number, and which lesson it is about. Those of several are left
# out; so is what no row knows.
TOPICS = {
    "unrelated_data": r"\*unrelated\*",
    "the_detection_stage": r"`clean=`|SequentialTest",
    "how_sure_are_you": r"counted in|what it means exactly",
    "keep_looking": r"(?:gambler|bettor) of|Ville|greatest wealth|questions_needed",
    "thieves_who_alter": (
        r"fine-pruning|thieves? of lesson|wash out|somebody trains on|learnt longer|"
        r"last alone|rougher thief|a third of 30"
    ),
    "thieves_who_copy": (
        r"walks the town|without the file|countermeasures\.csv|through the API|imitation by|"
        r"weights are never seen|outlive a thief who asks|lower half of another"
    ),
    "thieves_who_hide": (
        r"RejectUnusual|makes many seals|blur\b|beacon is|planted in|slipped into|nonsense|"
        r"does not look like the task|pictures first, labels afterwards|removes all three"
    ),
    "inside_the_weights": r"trained into the weights|read a message|the weights speak",
    "the_tribunal": r"tribunal|fresh case|practice case|case new",
    "design_your_own_trigger": r"trigger of one's own|class Mine|[Rr]ed team's rubric|the game of",
}


def text_of(path: Path) -> str:
    """Return what a file says; of a notebook its sources and outputs."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    parts = ["".join(cell["source"]) for cell in cells]
    return "\n\n".join([*parts, *(str(cell.get("outputs", "")) for cell in cells)])


@pytest.fixture(scope="module")
def texts(project_files) -> dict[str, str]:
    """Return all that may speak of lessons, by file: code, pages, lessons."""
    kinds = {".py", ".pyi", ".md", ".toml", ".ipynb", ".csv", ".json"}
    ours = [path for path in project_files if path.suffix in kinds]
    named = {path.relative_to(ROOT).as_posix(): path for path in ours}
    skipped = ("tests/house/data_before", "tests/course/test_numbers.py", "wmlearn/_models")
    return {name: text_of(path) for name, path in named.items() if not name.startswith(skipped)}


def unknown_numbers(text: str) -> list[str]:
    """Return the mentions of lessons that are not there."""
    found = MENTION.findall(text)
    return [each for each in found if set(re.findall(r"\d\d", each)) - LESSONS.keys()]


def wrong_links(text: str) -> list[str]:
    """Return the links whose words name another number or title than the file they lead to."""
    return [f"[{words}]({file})" for words, file in LINK.findall(text) if not fits(words, file)]


def fits(words: str, file: str) -> bool:
    lesson = LESSONS.get(file[:2])
    if lesson is None or lesson.file != file:
        return False
    numbers = re.findall(rf"\b({NUMBER}|A\d)\b", words)
    return words == lesson.name if " · " in words else set(numbers) <= {lesson.id}


def wrong_topics(text: str) -> list[str]:
    """Return the mentions of one lesson beside the topic of another."""
    found = []
    for mention in MENTION.finditer(text):
        numbers = re.findall(r"\d\d", mention[0])
        before = text[max(0, mention.start() - 80) : mention.start()].rpartition("\n\n")[2]
        after = text[mention.end() :][:35].partition("\n\n")[0]
        clause = " ".join(f"{before}{mention[0]}{after}".split())
        about = {SLUGS[slug] for slug, words in TOPICS.items() if re.search(words, clause)}
        if len(numbers) == 1 and len(about) == 1 and {*numbers} != about:
            found.append(f"{clause!r}, which is about lesson {about}")
    return found


@pytest.mark.parametrize("rule", [unknown_numbers, wrong_links, wrong_topics])
def test_numbers_are_right_everywhere(rule, texts):
    wrong = [f"{name}: {each}" for name, text in texts.items() for each in rule(text)]
    assert wrong == []


def test_most_mentions_beside_a_topic_are_checked(texts):
    """A table that knows no clause would find nothing wrong."""
    away = dict.fromkeys(SLUGS, "99")
    mentions = sum(len(MENTION.findall(text)) for text in texts.values())
    assert mentions > 150
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "SLUGS", away)
        assert sum(len(wrong_topics(text)) for text in texts.values()) > 40


def test_a_file_is_named_after_its_lesson_everywhere(texts):
    """Whoever writes a notebook's name, in code or prose, writes one that is there."""
    files = {lesson.file for lesson in LESSONS.values()}
    slugs = "|".join(map(re.escape, SLUGS))
    for name, text in texts.items():
        for found in re.findall(rf"\b(?:\d\d|A\d)_(?:{slugs})\b", text):
            assert f"{found}.ipynb" in files, (name, found)


def test_the_headers_lead_along_the_core_path_and_every_side_door_leads_back():
    heads = {
        lesson.file: text_of(ROOT / "notebooks" / lesson.file).partition("\n\n#")[0]
        for lesson in LESSONS.values()
    }
    core = [lesson.file for lesson in LESSONS.values() if lesson.core]
    found = [re.search(r"next: \[.*?\]\((\S+)\) →", heads[file]) for file in core]
    assert [each and each[1] for each in found] == [*core[1:], None]
    assert all("](start.ipynb)" in head for head in heads.values())
    last = ""
    for lesson in LESSONS.values():
        ways = {file for _, file in LINK.findall(heads[lesson.file].rpartition("\n\n")[0])}
        if lesson.core:
            last = lesson.file
        else:
            assert last in ways
            assert lesson.file in heads[last].partition("side door")[2]


def test_no_lesson_on_the_core_path_needs_a_side_door():
    doors = {lesson.id for lesson in LESSONS.values() if not lesson.core}
    assert not [each.id for each in LESSONS.values() if each.core and doors & {*each.prerequisites}]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (unknown_numbers, "as in lesson 19"),
        (unknown_numbers, "(lessons 03, 04 and\n19)"),
        (unknown_numbers, "    # more in lesson\n    # 19"),
        (wrong_links, "[07 · How sure are you](07_how_sure_are_you.ipynb)"),
        (wrong_links, "[lesson 09](07_how_sure_are_you.ipynb)"),
        (wrong_links, "[there](07_how_sure.ipynb)"),
        (wrong_topics, "a case for the tribunal (lesson 02)"),
        (wrong_topics, "whoever walks the town alone\n(lesson 02)"),
    ],
)
def test_the_rules_bite(rule, text):
    assert len(rule(text)) == 1


def test_what_is_right_passes_the_rules():
    title = LESSONS["07"].name
    text = f"lessons 00 to 03, [{title}](notebooks/07_how_sure_are_you.ipynb), in lesson 06, 12 of"
    assert [rule(text) for rule in (unknown_numbers, wrong_links, wrong_topics)] == [[], [], []]
