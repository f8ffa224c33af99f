"""The static edition of the course: complete, without scripts and outside addresses, and readable on a phone."""

import re
import shutil
import sys
from html.parser import HTMLParser

import pytest

from pysmorch.teach.course import source
from pysmorch.teach.course.edition import html
from pysmorch.teach.course.performance import Performance

for package in ("latex2mathml", "markdown_it", "mdit_py_plugins", "pygments"):
    pytest.importorskip(package)

LESSONS = source.lessons()
VOID = {"meta", "link", "img", "br", "hr", "mspace"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "course"
    html(folder)
    return folder


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The pages with solutions, without running the lessons once more."""
    folder = tmp_path_factory.mktemp("pages") / "solved"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Performance, "run", lambda self, lesson: [[] for _ in lesson.teacher()])
        html(folder, solutions=True)
    return folder


class Elements(HTMLParser):
    """Collects elements and text, and refuses tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.addresses, self.text = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_every_lesson_is_a_page_and_the_index_links_them(pages):
    names = [f"{lesson.name}.html" for lesson in LESSONS]
    assert sorted(path.name for path in pages.iterdir()) == sorted(["index.html", "style.css", *names])
    index = Elements((pages / "index.html").read_text())
    assert index.addresses == ["style.css", *names]
    for lesson in LESSONS:
        page = (pages / f"{lesson.name}.html").read_text()
        elements = Elements(page)
        assert '<html lang="en">' in page
        assert f"<title>{lesson.title}</title>" in page
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
        assert "script" not in elements.names
        for address in elements.addresses:
            assert address.startswith("data:image/svg+xml;base64,") or (pages / address).exists(), address


def test_all_mathematics_is_rendered(pages):
    for lesson in LESSONS:
        elements = Elements((pages / f"{lesson.name}.html").read_text())
        texts = [cell.text for cell in lesson.student() if cell.kind == "markdown"]
        formulas = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", "\n\n".join(texts), flags=re.DOTALL)
        assert elements.names.count("math") == len(formulas)
        assert "merror" not in elements.names
        assert "$$" not in elements.text
        assert not re.search(r"\\(frac|begin|sum|delta)", elements.text)


def test_pages_have_blanks_and_hints_and_no_solutions_and_those_for_teachers_have_them(pages, solved):
    relu, solved_relu = ((folder / "03_relu.html").read_text() for folder in (pages, solved))
    assert relu.count("<details>") == 3
    assert 'class="code blank"' in relu
    assert "dead unit. (Layers" not in relu
    assert "np.maximum(self.in_array" not in Elements(relu).text
    assert "np.maximum(self.in_array" in Elements(solved_relu).text
    assert "dead unit. (Layers" in solved_relu
    assert 'class="code blank"' not in solved_relu
    assert "answers(" not in relu + solved_relu


def test_demonstrations_show_what_they_print_and_draw(pages):
    relu = (pages / "03_relu.html").read_text()
    assert "loss without ReLU" in Elements(relu).text
    assert relu.count('<div class="picture"><img src="data:image/svg+xml;base64,') == 2, "a curve and a Smorch"
    assert "You are given:  A lamp" in relu
    assert "waits for" not in relu


def test_a_folder_that_holds_something_and_a_missing_package_are_refused(tmp_path, run, monkeypatch):
    (tmp_path / "notes.txt").write_text("notes")
    code, _, err = run("course", "html", str(tmp_path))
    assert code == 2
    assert err == f"pysmorch: error: {tmp_path} is not empty; name a new or empty folder for the pages\n"
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    code, _, err = run("course", "html", str(tmp_path / "new"))
    assert code == 2
    assert "install it with pip install 'pysmorch[html]'" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("width", [360, 1200])
def test_pages_fit_a_phone_and_a_screen_in_chromium(pages, width):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not there")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        said = []
        page.on("console", lambda message: said.append(message.text))
        for path in sorted(pages.glob("*.html")):
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path.name
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)"), path.name
            assert page.evaluate(
                "[...document.querySelectorAll('math')].every(math => math.getBoundingClientRect().height > 5)"
            ), path.name
        assert said == []
        page.goto((pages / "03_relu.html").as_uri())
        page.locator("summary").first.click()
        assert page.locator("details").first.evaluate("details => details.open")
        page.get_by_role("link", name="all lessons").first.click()
        assert page.locator("li").count() == len(LESSONS)
        browser.close()
