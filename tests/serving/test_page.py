"""The page in a browser without a window: forms, live predictions, reasons, tokens, keyboard, sizes of screens."""

import re
import threading

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="Playwright is not installed")

from playwright.sync_api import expect, sync_playwright

from pysmorch.serving import application
from pysmorch.serving.workers import server_of
from pysmorch.web import LOOPBACK, listen
from tests.helpers import CHROMIUM
from tests.serving.conftest import ROW, frame_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

expect.set_options(timeout=60_000)  # for a machine that does much else
UNNAMED = """() => [...document.querySelectorAll("button, select, input, textarea, canvas[role], [tabindex='0']")].filter(
    (one) => one.checkVisibility() && !(one.getAttribute("aria-label") || one.innerText?.trim() || one.labels?.length)
).map((one) => one.outerHTML)"""
OUTSIDE = """() => [...document.querySelectorAll("main > section, #bar, #bar *, form *, #result *")].filter((one) =>
    one.checkVisibility() && (one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1))
    .map((one) => one.outerHTML.slice(0, 80))"""
TOKEN = "0123456789abcdefABCDEF"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Return what serves a model and opens its page; in the end its console must be free of errors, and all must have come from here."""
    ends, wrong = [], []

    def make(model, expected_errors=(), path="", **options):
        listening = listen(0)
        serving = server_of(application(model, **options), 64)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)

        def note(message):
            if message.type in ("error", "warning") and not any(status in message.text for status in expected_errors):
                wrong.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith((address, "blob:")) else wrong.append(request.url)
        )
        page.goto(address + path)

        def end():
            page.close()
            serving.should_exit = True
            thread.join()
            listening.close()

        ends.append(end)
        return page

    yield make
    for end in ends:
        end()
    assert wrong == []


def number(value):
    """A number as the page shows it."""
    return f"{value:.5g}".replace("-", "−")


def fill(page, row):
    page.get_by_label("size", exact=True).fill(str(row["size"]))
    page.get_by_label("rooms", exact=True).fill(str(row["rooms"]))
    page.get_by_label("kind", exact=True).select_option(row["kind"])
    page.get_by_label("garden", exact=True).select_option(label="yes" if row["garden"] else "no")
    page.get_by_label("built", exact=True).fill(row["built"])
    page.get_by_label("heating", exact=True).select_option(label=row["heating"] or "– missing –")


def test_what_is_entered_is_predicted_at_once(open_page, regressor):
    page = open_page(regressor)
    for row in (ROW, ROW | {"size": 150, "kind": "villa", "garden": False, "heating": None}):
        fill(page, row)
        lower, upper = regressor.predict_interval(frame_of(row))[0]
        expect(page.locator("#value")).to_have_text(number(regressor.predict(frame_of(row))[0]))
        expect(page.locator("#interval")).to_have_text(f"With 90.0 %: {number(lower)} to {number(upper)}")
        expect(page.get_by_role("status")).to_contain_text(number(lower))
        expect(page.locator("#contributions tbody tr")).to_have_count(len(ROW))
    largest = regressor.explain(frame_of(row)).row(0)[0][0]
    expect(page.locator("#contributions tbody th").first).to_have_text(largest)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_classes_have_probabilities_and_reasons_of_any_of_them(open_page, classifier):
    page = open_page(classifier, title="houses")
    expect(page.locator("h1")).to_have_text("PySmorch houses")
    fill(page, ROW)
    p = classifier.predict_proba(frame_of(ROW))[0]
    expect(page.locator("#value")).to_have_text(classifier.classes_[p.argmax()])
    expect(page.locator("#classes li .number").first).to_have_text(f"{100 * p.max():.1f} %")
    for name in classifier.classes_:
        page.get_by_label("for", exact=True).select_option(name)
        expect(page.locator("#reasons-note")).to_contain_text(f"log-odds of the class {name} is")
    page.get_by_role("button", name="Usual values").click()
    expect(page.get_by_label("rooms", exact=True)).to_have_value("4")


def test_a_value_that_was_never_seen_is_taken_and_said_beside_its_field(open_page, regressor):
    page = open_page(regressor)
    fill(page, ROW)
    page.get_by_label("kind", exact=True).select_option("another value …")
    other = page.get_by_label("kind: another value")
    expect(other).to_be_focused()
    other.fill("castle")
    expect(page.locator("#value")).to_have_text(number(regressor.predict(frame_of(ROW | {"kind": "castle"}))[0]))
    expect(page.get_by_text('"castle" is none of the values that the model knows')).to_be_visible()
    page.get_by_label("size", exact=True).fill("900")
    expect(page.get_by_text(re.compile("^900 is outside the range of the training"))).to_be_visible()
    page.get_by_label("size", exact=True).fill("")
    expect(page.get_by_text("is missing, which it was in no row of the training")).to_be_visible()


def test_what_is_wrong_is_said_at_its_field_and_mended_there(open_page, regressor):
    page = open_page(regressor, expected_errors=["422"])
    built = page.get_by_label("built", exact=True)
    built.fill("1990-03-05")
    expect(built).to_have_attribute("aria-invalid", "true")
    expect(
        page.get_by_text("column 'built' held times in training written day.month.year, but row 0 has '1990-03-05'")
    ).to_be_visible()
    expect(page.locator("#value")).to_have_text("–")
    built.fill("05.03.1990")
    expect(built).to_have_attribute("aria-invalid", "false")
    expect(page.locator("#value")).not_to_have_text("–")


def test_an_image_is_dropped_and_its_pixels_are_shown(open_page, image_model, tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 10, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    page = open_page(image_model)
    expect(page.get_by_role("status")).to_have_text("Choose an image; its prediction is shown here.")
    page.get_by_label("Choose an image, or drop one here").set_input_files(tmp_path / "a.png")
    expect(page.locator("#value")).to_have_text(str(image_model.predict(pixels[None])[0]))
    expect(page.locator("#heat")).to_be_visible()
    expect(page.get_by_alt_text("The chosen image")).to_be_visible()
    (tmp_path / "notes.txt").write_text("no image")
    page.get_by_label("Choose an image, or drop one here").set_input_files(tmp_path / "notes.txt")
    expect(page.get_by_role("alert")).to_have_text("notes.txt is no image.")


def test_rows_of_numbers_have_a_field_for_each(open_page, array_model):
    page = open_page(array_model)
    for i, text in enumerate(("0.5", "-1", "2")):
        page.get_by_label(str(i), exact=True).fill(text)
    p = array_model.predict_proba(np.array([[0.5, -1, 2]]))[0]
    expect(page.locator("#classes li .number").first).to_have_text(f"{100 * p.max():.1f} %")


def test_the_token_is_asked_for_and_stays_in_the_tab(open_page, regressor):
    page = open_page(regressor, ["401"], token=TOKEN, hosts=LOOPBACK)
    page.get_by_role("textbox", name="Token").fill("wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_have_text("The token is not that of this service.")
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.get_by_role("textbox", name="Token").press("Enter")
    expect(page.get_by_label("size", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_label("size", exact=True)).to_be_visible()
    page.get_by_text("The same as a request").click()
    expect(page.locator("#command")).to_contain_text('Bearer $TOKEN"')


def test_the_printed_address_brings_the_token_and_hides_it(open_page, regressor):
    page = open_page(regressor, path=f"#token={TOKEN}", token=TOKEN)
    expect(page.get_by_label("size", exact=True)).to_be_visible()
    assert TOKEN not in page.url
    assert TOKEN not in page.content()


def test_the_form_is_filled_with_the_keyboard_and_every_control_has_a_name(open_page, regressor):
    page = open_page(regressor)
    expect(page.locator("#value")).not_to_have_text("–")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the prediction")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Usual values")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("size", exact=True)).to_be_focused()
    page.keyboard.type("75")
    row = ROW | {"size": 75}
    fill(page, row)
    expect(page.locator("#value")).to_have_text(number(regressor.predict(frame_of(row))[0]))
    assert page.evaluate(UNNAMED) == []
    described = page.locator("#form [aria-describedby]").evaluate_all(
        "all => all.flatMap((one) => one.getAttribute('aria-describedby').split(' ')).filter((id) => !document.getElementById(id))"
    )
    assert described == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_from_360_to_1920_pixels(open_page, classifier, scheme):
    page = open_page(classifier)
    page.emulate_media(color_scheme=scheme)
    page.get_by_text("The same as a request").click()
    expect(page.locator("#contributions tbody tr")).to_have_count(len(ROW))
    for width in (360, 480, 768, 1024, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == [], width


def test_the_page_says_so_when_the_service_has_ended(open_page, regressor):
    page = open_page(regressor, ["Failed to load", "ERR_"])
    expect(page.locator("#value")).not_to_have_text("–")
    page.route("**/predict*", lambda route: route.abort())
    page.get_by_label("rooms", exact=True).fill("5")
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer: start it again")
