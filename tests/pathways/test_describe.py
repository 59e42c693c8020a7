"""The page a clinician checks: everything the file says, in words."""

import pytest

from service.pathways.describe import describe
from service.pathways.library import load_library
from tests.pathways.conftest import HERE, MAPPINGS, SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler


@pytest.fixture(scope="module")
def page():
    library = load_library(MAPPINGS, FakeCompiler(), today=TODAY)
    return describe(library.pathways[SAMPLE], library)


def test_the_page_reads_as_agreed(page, request):
    """To accept new wording: pytest tests/pathways --update-problems, then read the page as a clinician would."""
    golden = HERE / "sample-follow-up.md"
    if request.config.getoption("--update-problems", default=False):
        golden.write_text(page)

    assert page == golden.read_text()


@pytest.mark.parametrize(
    "said", ["Follow-up coordinator", "4 working hours", "A guideline on follow-up after discharge"]
)
def test_who_by_when_and_from_which_source_are_on_the_page(page, said):
    assert said in page


def test_titles_cannot_break_the_picture(mappings, pathway_file):
    title = "'Out[reach]\" --> <b>x</b> | `#`'"
    pathway_file.write_text(pathway_file.read_text().replace("title: Reaching out", f"title: {title}"))
    library = load_library(mappings, FakeCompiler(), today=TODAY)
    picture = describe(library.pathways[SAMPLE], library).split("```")[1]

    assert "s1[\"Out[reach]#quot; --#gt; #lt;b#gt;x#lt;/b#gt; / '#35;'\"]" in picture
