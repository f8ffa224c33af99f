"""The page in a browser without a window: training, changes, the backward pass, keyboard, sizes of screens."""

import re
import threading

import pytest

pytest.importorskip("uvicorn", reason="the playground needs pysmorch[web]")
pytest.importorskip("websockets", reason="the playground needs pysmorch[web]")
pytest.importorskip("playwright", reason="Playwright is not installed")

from playwright.sync_api import expect, sync_playwright

from pysmorch.playground.server import server
from pysmorch.web import listen
from tests.helpers import CHROMIUM
from tests.playground.test_points import CSV

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

expect.set_options(timeout=60_000)  # for a machine that does much else
MORE_THAN_97 = re.compile(r"^(97\.[1-9]|9[89]\.\d|100\.0) %$")
UNNAMED = """() => [...document.querySelectorAll("button, select, input, canvas[role], svg[role], [tabindex='0']")].filter(
    (one) => one.checkVisibility() && !(one.getAttribute("aria-label") || one.innerText?.trim() || one.labels?.length)
).map((one) => one.outerHTML)"""


@pytest.fixture(scope="module")
def address():
    with listen(0) as listening:
        serving = server()
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        serving.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address):
    """The page, with its first network drawn; in the end its console must be free of errors, and all must have come from here."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(60_000)
    wrong = []
    opened.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    opened.goto(address)
    shows_units(opened, 2, 8, 8, 2)
    yield opened
    opened.close()
    assert wrong == []


def shows_units(page, *units):
    """Wait for a network with so many units in its rows."""
    expect(page.locator("#layers > li")).to_have_count(len(units))
    for i, count in enumerate(units):
        expect(page.locator("#layers > li").nth(i).locator(".unit[title]")).to_have_count(count)


def train(page):
    page.get_by_label("Pace").select_option("fastest")
    page.get_by_role("button", name="Train", exact=True).click()


def epoch_after(page, epoch):
    """Wait until training has gone on, and return the epoch."""
    expect(page.locator("#epochs")).not_to_have_text(str(epoch))
    return page.locator("#epochs").inner_text()


def test_the_spiral_is_trained_to_more_than_97_per_cent(page):
    train(page)
    expect(page.locator("#metric-train")).to_have_text(MORE_THAN_97)
    expect(page.locator("#metric-test")).to_have_text(MORE_THAN_97)
    expect(page.get_by_role("status")).to_have_text("Training.")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Paused at epoch \d+; test (9|100).* %\.$"))
    expect(page.locator("#curves path.of-train[d*='L']")).to_have_count(1)
    expect(page.locator("#gradients tbody tr")).to_have_count(3)


def test_the_network_changes_while_it_trains(page):
    train(page)
    page.get_by_role("button", name="Add a layer").click()
    shows_units(page, 2, 8, 8, 8, 2)
    page.get_by_role("button", name="Layer 2: a unit more").click()
    page.get_by_role("button", name="Layer 3: a unit less").click()
    page.get_by_label("Layer 1: activation").select_option("relu")
    shows_units(page, 2, 8, 9, 7, 2)
    epoch = epoch_after(page, "0")
    page.get_by_label("Data set").select_option("blobs")
    shows_units(page, 2, 8, 9, 7, 3)
    page.get_by_role("button", name="Remove layer 2").click()
    shows_units(page, 2, 8, 7, 3)
    page.get_by_label("Data set").select_option("hills")
    shows_units(page, 2, 8, 7, 1)
    page.get_by_label("Learning rate").select_option("0.001")
    page.get_by_label("Optimizer").select_option("rmsprop")
    page.get_by_label("Dropout").select_option("0.2")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    epoch_after(page, epoch)
    for _ in range(2):
        page.get_by_role("button", name="Remove layer 1").click()
    shows_units(page, 2, 1)
    epoch_after(page, "0")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator("#epochs")).to_have_text("0")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_backward_pass_is_stepped_through_with_the_keyboard(page):
    page.get_by_role("button", name="Run a pass").press("Enter")
    card = page.locator("#card")
    expect(card.locator("h3")).to_have_text("Forward: Data1")
    seen = [card.locator("h3").inner_text()]
    following = page.get_by_role("button", name="Next step")
    while following.is_enabled():
        following.press("Enter")
        seen.append(card.locator("h3").inner_text())
        expect(page.locator("#diagram .mark")).to_have_count(1)
    names = [word.split(": ")[1] for word in seen]
    assert names == [*names[:10], *names[9::-1]]
    assert names[:4] == ["Data1", "Linear1", "Bias1", "Tanh1"]
    assert names[9] == "CrossEntropy"
    page.get_by_role("button", name="Previous step").press("Space")
    expect(card.locator("h3")).to_have_text("Backward: Linear1")
    captions = card.locator("caption").all_inner_texts()
    assert [caption.split(" (")[0] for caption in captions] == ["dwnstrm", "G", "pass_back"]
    assert card.locator("table").nth(1).locator("tr").count() == 2


def test_a_unit_is_shown_in_full_when_it_is_pressed(page):
    unit = page.get_by_role("list", name="Layer 1: units").get_by_role("button").nth(2)
    unit.press("Enter")
    expect(unit).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#shown-unit")).to_contain_text("Shown: unit 3, bias 0")
    unit.press("Enter")
    expect(unit).to_have_attribute("aria-pressed", "false")


def test_a_file_of_ones_own_is_taken_and_what_is_no_table_is_said(page):
    def choose(name, content):
        page.get_by_label("CSV file").set_input_files([{"name": name, "mimeType": "text/csv", "buffer": content}])

    choose("mine.csv", CSV)
    expect(page.get_by_label("Data set")).to_have_value("upload")
    expect(page.get_by_label("Target")).to_have_value("kind")
    expect(page.locator("#x-name")).to_have_text("size")
    page.get_by_label("First feature").select_option("weight")
    expect(page.locator("#y-name")).to_have_text("size")  # the two have changed places
    page.get_by_label("Second feature").select_option("count")
    expect(page.locator("#y-name")).to_have_text("count")
    page.get_by_role("button", name="One epoch").click()
    expect(page.locator("#epochs")).to_have_text("1")
    alert = page.get_by_role("alert")
    choose("photo.png", b"\x89PNG\r\n\x1a\n")
    expect(alert).to_have_text(re.compile("^photo.png is no CSV file"))
    choose("huge.csv", b"1," * 1_100_000)
    expect(alert).to_have_text("huge.csv has 2.2 MB, and at most 2 MB are taken; keep fewer rows or columns")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(alert).to_be_hidden()


def test_the_program_is_shown(page):
    page.get_by_role("button", name="Show the program").click()
    expect(page.locator("#program")).to_contain_text("x = dense(x, 8, Tanh)")
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Seed").press("Tab")
    expect(page.locator("#program")).to_be_hidden()
    page.get_by_role("button", name="Show the program").click()
    expect(page.locator("#program")).to_contain_text("with weights_from(5)")


def test_every_control_has_a_name_and_keeps_the_focus(page):
    page.get_by_role("button", name="Run a pass").click()
    expect(page.locator("#card h3")).to_be_visible()
    assert page.evaluate(UNNAMED) == []
    more = page.get_by_role("button", name="Layer 1: a unit more")
    more.focus()
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(more).to_be_focused()
    shows_units(page, 2, 11, 8, 2)
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    expect(more).to_be_disabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_from_360_to_1920_pixels(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button", name="Run a pass").click()
    page.get_by_role("button", name="Show the program").click()
    expect(page.locator("#program")).to_be_visible()
    for width in (360, 480, 768, 1024, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            """() => [...document.querySelectorAll("main > section, #bar, #bar *, .unit, .layer-head *, .fields *, .head *")]
            .filter((one) => one.checkVisibility() && (one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1))
            .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert outside == [], width


def test_the_page_says_so_when_the_playground_has_ended(browser):
    with listen(0) as listening:
        serving = server()
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        shows_units(page, 2, 8, 8, 2)
        serving.should_exit = True
        thread.join()
    expect(page.get_by_role("alert")).to_contain_text("The connection has ended: start")
    page.close()
