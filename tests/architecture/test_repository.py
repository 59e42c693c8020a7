"""What the repository as a whole may say, and how its tests are sorted."""

import re

from tests.architecture.source import python_files, text_files

# Put together from pieces, so that this file may be read by its own rule.
FOREIGN_WORDS = [
    "sha" + "red/",  # a folder of one machine
    "/wo" + "rk/", "/tmp/" + "lab", "/ro" + "ot/",
    "py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org",  # whoever installs has an index of their own
    "clau" + "de", "anthro" + "pic", "chat" + "gpt", "open" + "ai", "co" + "pilot", "sub" + "agent", "language mo" + "del",
    "this ses" + "sion", "previous ses" + "sion", "next ses" + "sion", "BRIEF" + ".md",
]  # fmt: skip


def foreign_words_in(text: str) -> list[str]:
    pattern = "|".join(rf"(?<![A-Za-z0-9]){re.escape(word)}" for word in FOREIGN_WORDS)
    return re.findall(pattern, text, re.IGNORECASE)


def test_the_project_speaks_of_itself_alone() -> None:
    """A reader elsewhere has neither the machine nor the conversation in which a line was written.

    To fix: say the fact itself, without where or by whom it was found; write paths from the repository root.
    """
    found = {path: words for path, text in text_files() if (words := foreign_words_in(text))}

    assert found == {}


def test_a_foreign_word_is_noticed() -> None:
    assert foreign_words_in("see SHA" + "RED/notes and https://py" + "pi.org/simple") == [
        "SHA" + "RED/",
        "py" + "pi.org",
    ]
    assert foreign_words_in("a database session, unshared/alone") == []


def test_every_live_test_is_marked_live() -> None:
    """`make test` leaves out what is marked `live`; an unmarked file there would fail on every machine without a server.

    To fix: `pytestmark = pytest.mark.live` at the top of the file.
    """
    tests = [s for s in python_files("tests/live") if s.path.rsplit("/", 1)[-1].startswith("test_")]

    assert [s.path for s in tests if not re.search(r"^pytestmark = .*mark\.live", s.text, re.MULTILINE)] == []
