"""Reports in a browser without a window: no message, no request, sizes of screens, sorting, and what axe-core finds."""

import numpy as np
import pytest
from sklearn import datasets

import pysmorch as ps
from pysmorch.reporting import report_on
from tests.reporting.examples import QUICK, classifier, regressor, rows

pytest.importorskip("jinja2", reason="a report needs pysmorch[report]")
pytest.importorskip("playwright", reason="Playwright is not installed")

from playwright.sync_api import sync_playwright

from tests.helpers import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def of_digits():
    X, y = datasets.load_digits(return_X_y=True)
    X = X.astype(np.uint8)
    return ps.Classifier(**QUICK, pixels=True).fit(X[::2], y[::2]).report(X[1::2], y[1::2])


def of_two():
    X, y, _ = rows()
    return report_on({"small": classifier(), "large": ps.Classifier(**(QUICK | {"hidden": [16]})).fit(X, y)}, X, y)


MADE = {
    "classes": lambda: classifier().report(*rows()[:2]),
    "numbers": lambda: regressor(conformal_fraction=0.3).report(rows()[0], rows()[2]),
    "no labels": lambda: classifier().report(rows()[0]),
    "digits": of_digits,
    "two models": of_two,
}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    for name, make in MADE.items():
        make().save(folder / f"{name}.html")
    return {name: (folder / f"{name}.html").as_uri() for name in MADE}


def opened(browser, address, width, scheme="light", **options):
    """A page, with a list of what goes wrong in it."""
    page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options).new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url == address or request.url.startswith("data:") else wrong.append(request.url)
        ),
    )
    page.goto(address)
    return page, wrong


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_fits_and_is_silent(browser, addresses, name, width, scheme):
    page, wrong = opened(browser, addresses[name], width, scheme)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    beyond = page.evaluate("""() => [...document.querySelectorAll("figure svg text")].filter((text) => {
        const [box, frame] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    }).map((text) => text.textContent)""")
    assert beyond == []
    assert wrong == []
    page.context.close()


def test_the_head_of_a_table_sorts_it(browser, addresses):
    page, wrong = opened(browser, addresses["digits"], 1280)
    table = page.locator("table", has=page.get_by_text("Figures of each class", exact=True))
    table.get_by_role("button", name="recall").click()
    found = [float(text) for text in table.locator("tbody tr td:nth-child(5)").all_inner_texts()]
    assert found == sorted(found)
    table.get_by_role("button", name="recall").click()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    found = [float(text) for text in table.locator("tbody tr td:nth-child(5)").all_inner_texts()]
    assert found == sorted(found, reverse=True)
    assert wrong == []


def test_a_point_says_what_it_is(browser, addresses):
    page, _ = opened(browser, addresses["numbers"], 1280)
    page.locator("circle.point").first.hover(force=True)
    assert page.locator("#tip").is_visible()
    assert "predicted" in page.locator("#tip").inner_text()


def test_a_report_is_read_without_its_script(browser, addresses):
    page, _ = opened(browser, addresses["classes"], 1280, java_script_enabled=False)
    page.locator("summary").first.click()
    assert page.locator("details[open] table").is_visible()


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(browser, addresses, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    page, _ = opened(browser, addresses[name], 1280, scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    faults = [
        (fault["impact"], fault["id"], fault["nodes"][0]["html"])
        for fault in axe.Axe().run(page).response["violations"]
    ]
    assert faults == []
