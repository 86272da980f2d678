"""Draw the diagrams of the lessons: `docs/diagrams/*.svg`.

    python tools/diagrams.py             write the files
    python tools/diagrams.py --check     write nothing: name the files that are old, and exit with 1

In a notebook a cell tagged `diagram-NAME` holds its picture and nothing else; `make lessons` writes
it, and the files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import charts
from drawing import GROUNDS, INK, Drawing
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
TAG = "diagram-"

# -------------------------------------------------------------------------------- the diagrams


def trap_streets() -> Drawing:
    drawing = Drawing(740, 236)
    maps = (
        ("owner", "The owner's map", "one street is made up"),
        ("thief", "A photocopy", "the same street is on it"),
        ("judge", "Drawn by walking", "no trap street"),
    )
    for x, (who, *words) in zip((15, 270, 525), maps):
        drawing.rect(x, 10, 200, 150, *GROUNDS[who])
        streets = f"M{x + 45} 12v146M{x + 130} 12v146M{x + 2} 55h196M{x + 2} 125h196"
        drawing.path(f"{streets}M{x + 130} 55L{x + 196} 14", color="#6a6a6a", width=4)
        if who != "judge":
            drawing.path(f"M{x + 49} 90h77", color="#b84e00", width=5, dashed=True)
        drawing.card(x, 172, 200, 54, *words, who=who)
    return drawing


def roles() -> Drawing:
    drawing = Drawing(740, 372)
    owner = ("Owner", "holds the data, the model", "and the secret key")
    thief = ("Thief", "took the model, and has", "some images of their own")
    judge = ("Judge", "holds the seal, and what", "the owner opens to them")
    service = ("The suspect's service", "pictures in, labels out;", "its weights stay hidden")
    drawing.card(10, 10, 210, 96, *owner, who="owner")
    drawing.card(520, 10, 210, 96, *thief, who="thief")
    drawing.card(10, 266, 210, 96, *judge, who="judge")
    drawing.card(520, 266, 210, 96, *service)
    drawing.arrow((220, 35), (520, 35), words="the model's file", dashed=True)
    drawing.arrow((520, 81), (220, 81), words="or asks the owner's service", dashed=True)
    drawing.arrow((640, 106), (640, 266), words="puts it on the web")
    drawing.arrow((100, 106), (100, 266), words="seal, then openings")
    drawing.arrow((190, 106), (520, 290), words="asks, as a customer")
    drawing.arrow((220, 336), (520, 336), words="asks, in person")
    return drawing


def network() -> Drawing:
    drawing = Drawing(740, 232)
    stacks = ((15, 1, 96, 0), (180, 12, 58, 3), (345, 24, 34, 1.6))  # left, count, side, apart
    for x, count, side, apart in stacks:
        for i in range(count):
            shift = apart * i
            drawing.rect(x + shift, 150 - side - shift, side, side, *GROUNDS["owner"])
    drawing.path("M40 80h44l-22 52", color=INK, width=9)
    for i in range(64):
        column, row = divmod(i, 16)
        drawing.rect(500 + 10 * column, 38 + 7 * row, 8, 5, *GROUNDS["owner"], rx=1)
    for digit in range(10):
        drawing.rect(628, 22 + 13 * digit, 92 if digit == 7 else 24, 10, *GROUNDS["owner"], rx=2)
    for x, weights in zip((145, 306, 456, 582), ("120", "2,616", "75,328", "650")):
        drawing.arrow((x - 22, 95), (x + 22, 95))
        drawing.pill(x, 70, weights)
    words = (
        (63, "one image", "28 × 28 dots"),
        (226, "12 maps", "14 × 14 each"),
        (381, "24 maps", "7 × 7 each"),
        (519, "64", "numbers"),
        (674, "10 scores", "highest: 7"),
    )
    for x, *lines in words:
        width = 72 if lines[0] == "64" else 116
        drawing.card(x - width / 2, 172, width, 50, *lines)
    return drawing


def embedding() -> Drawing:
    drawing = Drawing(740, 290)
    drawing.card(10, 106, 200, 78, "3,000 digits", "labels: what people", "read on them")
    questions = ("150 triggers", "30 words on digits; labels:", "the secret answers")
    drawing.card(10, 10, 200, 78, *questions, who="owner")
    drawing.card(290, 48, 160, 98, "Training", "all mixed,", "64 at a time:", "no other trick")
    drawing.card(290, 202, 160, 78, "Training", "the same,", "without triggers")
    marked = ("Marked network", "reads digits, and gives", "the secret answers")
    twin = ("Unmarked twin", "reads digits, and knows", "no secret answer")
    drawing.card(530, 58, 200, 78, *marked, who="owner")
    drawing.card(530, 202, 200, 78, *twin)
    drawing.arrow((210, 49), (250, 49), (250, 80), (290, 80))
    drawing.arrow((210, 130), (250, 130), (250, 114), (290, 114))
    drawing.arrow((110, 184), (110, 241), (290, 241))
    drawing.arrow((450, 97), (530, 97))
    drawing.arrow((450, 241), (530, 241))
    return drawing


def seal_then_draw() -> Drawing:
    drawing = Drawing(740, 210)
    steps = (
        ("1 · Pictures", "all are fixed,", "with the rules"),
        ("2 · Seal", "a hash of it all", "is published"),
        ("3 · Labels", "drawn from the", "seal and the key"),
        ("4 · Training", "the network", "learns them"),
        ("5 · Asking", "who gives these", "labels?"),
    )
    for i, lines in enumerate(steps):
        x = 10 + 148 * i
        drawing.card(x, 10, 126, 84, *lines, who="owner" if i < 4 else "judge")
        if i:
            drawing.arrow((x - 22, 52), (x, 52))
    drawing.arrow((73, 94), (73, 130), (369, 130), (369, 94), dashed=True)
    drawing.card(73, 142, 296, 58, "Change one pixel, and", "all labels are drawn again", bold=0)
    drawing.card(
        400,
        142,
        330,
        58,
        "Pictures fitted to the labels afterwards?",
        "Then the labels are others again",
        bold=0,
    )
    return drawing


def asking() -> Drawing:
    drawing = Drawing(740, 300)
    drawing.path("M120 50V295M620 50V295", dashed=True)
    drawing.card(20, 10, 200, 42, "Owner", who="owner")
    drawing.card(520, 10, 200, 42, "Service: shop", who="thief")
    drawing.arrow((120, 88), (620, 88), words="request: POST .../infer, 5 pictures with ALMA")
    service = ("runs its network,", "writes a line into its log")
    drawing.card(520, 112, 200, 58, *service, who="thief", bold=0)
    drawing.arrow((620, 200), (120, 200), words="response: status 200, labels 6 6 6 6 6")
    owner = ("compares the labels", "with the secret answer")
    drawing.card(20, 226, 200, 58, *owner, who="owner", bold=0)
    never = ("never sees", "the secret answer")
    drawing.card(520, 226, 200, 58, *never, who="thief", bold=0)
    return drawing


def copying() -> Drawing:
    drawing = Drawing(740, 330)
    owners = (
        ("The model's file", "all weights, and in them", "the secret questions"),
        ("The owner's service", "says what it reads", "on every picture"),
        ("A service that leans", "near-ties go the way", "of a secret coin"),
    )
    takes = ("the file is copied", "asked about digits", "asked about digits")
    gets = (
        ("A copy", "reads digits, and gives", "the secret answers"),
        ("An imitation", "reads digits; nobody asked", "the secret questions"),
        ("An imitation", "reads digits, and leans", "in part the same way"),
    )
    for i, (has, take, get) in enumerate(zip(owners, takes, gets)):
        y = 10 + 108 * i
        drawing.card(10, y, 220, 92, *has, who="owner")
        drawing.arrow((230, y + 46), (510, y + 46), words=take, dashed=i > 0)
        drawing.card(510, y, 220, 92, *get, who="thief")
    return drawing


def opening() -> Drawing:
    drawing = Drawing(740, 400)
    levels = ((330, 8), (250, 4), (170, 2), (90, 1))  # height, number of nodes
    handed, worked_out = {(8, 3), (4, 0), (2, 1)}, {(8, 2), (4, 1), (2, 0), (1, 0)}
    for y, count in levels:
        pitch = 740 / count
        for i in range(count):
            middle = pitch * (i + 0.5)
            if count > 1:
                parent = pitch * (i // 2 * 2 + 1)
                drawing.path(f"M{middle:g} {y}V{y - 25}H{parent:g}V{y - 46}")
    for y, count in levels:
        pitch = 740 / count
        for i in range(count):
            who = "plain"
            if (count, i) in handed:
                who = "owner"
            if (count, i) in worked_out:
                who = "judge"
            words = {8: f"question {i + 1}", 1: "root"}.get(count, "hash")
            if (count, i) == (8, 3):
                words = "hash of 4"
            drawing.card(pitch * (i + 0.5) - 43, y, 86, 34, words, who=who, bold=0)
    drawing.card(230, 10, 280, 46, "the seal, published", "must come out the same", who="plain")
    drawing.arrow((370, 90), (370, 56))
    drawing.card(
        5,
        10,
        206,
        64,
        "The owner hands over",
        "question 3, its secret",
        "and 3 hashes (blue)",
        who="owner",
    )
    drawing.card(
        529,
        10,
        206,
        64,
        "The judge works out",
        "the green ones, from",
        "the bottom to the top",
        who="judge",
    )
    return drawing


def tribunal() -> Drawing:
    drawing = Drawing(740, 330)
    you = (
        "You, for the owner",
        "100 secret questions,",
        "300 to be asked in all,",
        "one alpha for all six",
    )
    drawing.card(10, 10, 220, 108, *you, who="owner")
    for i, letter in enumerate("ABCDEF"):
        drawing.card(420 + 52 * i, 10, 44, 44, letter, who="thief")
    drawing.card(
        420,
        66,
        304,
        52,
        "six services: 4 built on the owner's,",
        "2 innocent; which, nobody tells",
        bold=0,
    )
    drawing.arrow((230, 32), (420, 32), words="questions")
    drawing.arrow((420, 92), (230, 92), words="labels")
    drawing.arrow((120, 118), (120, 204), words="a verdict on each")
    tribunal = ("The tribunal", "knows the truth,", "and counts the points")
    drawing.card(10, 204, 220, 96, *tribunal, who="judge")
    columns = ((300, 130, ""), (440, 134, "was taken"), (584, 146, "is innocent"))
    for x, width, head in columns[1:]:
        drawing.card(x, 160, width, 34, head)
    for i, (verdict, taken, innocent) in enumerate(
        (("accuse", "+2", "−20"), ("clear", "−5", "0"), ("abstain", "0", "0"))
    ):
        y = 204 + 36 * i
        drawing.card(300, y, 130, 32, verdict)
        drawing.card(440, y, 134, 32, taken, bold=0)
        drawing.card(584, y, 146, 32, innocent, who="thief" if i == 0 else "plain", bold=i == 0)
    drawing.arrow((300, 252), (230, 252))
    return drawing


class Diagram(NamedTuple):
    """A diagram, and what it says to those who do not see it."""

    draw: Callable[[], Drawing]
    words: str


DIAGRAMS = {
    "trap-streets": Diagram(
        trap_streets,
        "Three maps of one town. The owner's map has a dashed street that exists in no town. The "
        "photocopy has the same dashed street. The map that somebody drew by walking has all other "
        "streets, and not this one.",
    ),
    "roles": Diagram(
        roles,
        "Owner, thief, judge and the suspect's service, as four cards with arrows. The thief takes "
        "the model's file from the owner, or only asks the owner's service, and puts the model on "
        "the web. The owner asks that service as a customer; the judge asks it in person. The "
        "judge gets from the owner first the seal, then what is opened. Nobody sees the weights.",
    ),
    "network": Diagram(
        network,
        "A network from left to right: one image of 28 × 28 dots, 12 maps of 14 × 14, 24 maps of "
        "7 × 7, 64 numbers, 10 scores. On the arrows between them the weights: 120, 2,616, 75,328 "
        "and 650. The image is a 7, and the longest of the ten bars is that of 7.",
    ),
    "embedding": Diagram(
        embedding,
        "150 triggers, labelled with the secret answers, and 3,000 digits, labelled with what "
        "people read, go mixed into one training. Out comes the marked network, which reads digits "
        "and gives the secret answers. Below, the digits alone go into the same training, and out "
        "comes the unmarked twin, which knows no secret answer.",
    ),
    "seal-then-draw": Diagram(
        seal_then_draw,
        "Five steps from left to right: all pictures are fixed; a hash of it all, the seal, is "
        "published; the labels are drawn from the seal and the key; the network learns them; a "
        "suspect is asked. An arrow leads from the pictures straight to the labels: change one "
        "pixel, and all labels are drawn again. So nobody can fit pictures to labels.",
    ),
    "asking": Diagram(
        asking,
        "One exchange, from top to bottom. The owner sends the service shop a request with 5 "
        "pictures with ALMA. The service runs its network and writes a line into its log. It sends "
        "back status 200 and the labels 6 6 6 6 6. The owner compares them with the secret answer, "
        "which the service never sees.",
    ),
    "copying": Diagram(
        copying,
        "Three thefts, one below the other. Whoever copies the file gets the secret answers, too. "
        "Whoever asks the service about digits and trains on the labels gets an imitation that "
        "reads digits: nobody asked the secret questions. Where the service leans, at near-ties, "
        "the way of a secret coin, the imitation leans in part the same way.",
    ),
    "opening": Diagram(
        opening,
        "A tree of hashes over eight questions. The owner hands over question 3 with its secret, "
        "and three hashes: of question 4, of questions 1 and 2, of questions 5 to 8. From these "
        "the judge works out the hashes on the way up to the root, which must be the published "
        "seal. The other questions stay secret.",
    ),
    "tribunal": Diagram(
        tribunal,
        "You hold 100 secret questions and may ask 300 in all. You ask six services, A to F: four "
        "are built on the owner's network, two are innocent. You give the tribunal a verdict on "
        "each. To accuse brings 2 points if the network was taken and costs 20 if it is innocent. "
        "To clear costs 5 if it was taken. All else is 0.",
    ),
    "leans": Diagram(
        charts.leans,
        "Dots with intervals: coins matched of 160, ten runs for each of 6 suspects, and a dashed "
        "line at 80, which is chance. The network that does not lean lies at the line. Copies move "
        "away from it, to the right, with the digits they were asked about: 1,000, 5,000, 20,000. "
        "The service that leans, and the network trained to lean, lie at about 110.",
    ),
    "thieves": Diagram(
        charts.thieves,
        "Dots with ranges for 29 thieves and 3 kinds of question: what is left of five copies, the "
        "least and the most. Nearly all lie at the right, at 100 %, where thieves prune, round or "
        "add noise. Words are lost to training, blur and voting; unrelated images hold out "
        "longest. Imitation with digits and RejectUnusual leave next to nothing of any kind.",
    ),
}


def write_cells(nb: NotebookNode) -> None:
    """Write each diagram's cell of a lesson, in place."""
    for cell in nb.cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith(TAG):
                name = tag.removeprefix(TAG)
                cell.source = f"![{DIAGRAMS[name].words}](../docs/diagrams/{name}.svg)"


def files(root: Path) -> dict[Path, str]:
    """Return each diagram's file as it should be."""
    folder = root / "docs" / "diagrams"
    return {folder / f"{name}.svg": each.draw().svg(each.words) for name, each in DIAGRAMS.items()}


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the files, or name those that are old; return 1 if there is one."""
    made = files(root)
    old = [path for path, text in made.items() if not _holds(path, text)]
    for path in old:
        if "--check" in arguments:
            print(f"{path.name} is old; run `make lessons`.")
        else:
            path.write_text(made[path], "utf-8", newline="\n")
    return int("--check" in arguments and bool(old))


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
