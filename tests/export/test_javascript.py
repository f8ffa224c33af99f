"""The JavaScript of docs/export.md, run by Node and by a browser with ONNX Runtime Web."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import pysmorch as ps
from tests.helpers import CHROMIUM

PACKAGES = Path(os.environ.get("PYSMORCH_TEST_NODE", ".")) / "node_modules"
"""Where npm has installed ONNX Runtime Web."""

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node"),
    pytest.mark.skipif(
        not (PACKAGES / "onnxruntime-web").is_dir(),
        reason="there is no onnxruntime-web: npm install it in a folder, which PYSMORCH_TEST_NODE names",
    ),
]
PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()


def of_page(language, number=0):
    """The text of a block in docs/export.md."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[number]


def printed_by_node(program, folder):
    """What a program prints, as JSON."""
    (folder / "program.mjs").write_text(program)
    done = subprocess.run(["node", "program.mjs"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder with the model and what the page shows, and images with what the model says of them."""
    X, y = load_digits(return_X_y=True)
    model = ps.Classifier(preset="fast", epochs=10, random_state=0).fit(X[:1000], y[:1000])
    folder = tmp_path_factory.mktemp("digits")
    model.export(folder / "digits.onnx")
    (folder / "node_modules").symlink_to(PACKAGES.resolve(), target_is_directory=True)
    (folder / "digits.mjs").write_text(of_page("js"))
    (folder / "page.html").write_text(of_page("html"))
    return folder, X[1000:], model


def test_node_gives_the_same_digits(digits):
    folder, images, model = digits
    (folder / "images.json").write_text(json.dumps(images.tolist()))
    found = printed_by_node(
        'import { readFileSync } from "node:fs";\nimport { predict } from "./digits.mjs";\n'
        'console.log(JSON.stringify(await predict(JSON.parse(readFileSync("images.json")))));\n',
        folder,
    )
    assert [digit for digit, _ in found] == model.predict(images).tolist()
    np.testing.assert_allclose([sure for _, sure in found], model.predict_proba(images).max(axis=1), rtol=1e-5)


def test_rows_of_a_table_with_texts_and_missing_cells(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, 200).astype(float),
            "income": np.where(rng.random(200) < 0.1, np.nan, rng.normal(3000, 900, 200)),
            "town": rng.choice(np.array(["Rome", "Oslo", None], dtype=object), 200),
        }
    )
    y = np.where((frame.age > 50) ^ (frame.town == "Rome"), "yes", "no")
    model = ps.Classifier(preset="fast", epochs=20, random_state=0).fit(frame, y)
    model.export(tmp_path / "model.onnx")
    (tmp_path / "node_modules").symlink_to(PACKAGES.resolve(), target_is_directory=True)
    found = printed_by_node(
        'import * as ort from "onnxruntime-web";\n'
        'const session = await ort.InferenceSession.create("model.onnx");\n'
        + of_page("js", 1)
        + "console.log(JSON.stringify(label.data));\n",
        tmp_path,
    )
    rows = pd.DataFrame({"age": [30, 71], "income": [np.nan, 2000], "town": ["Rome", None]})
    assert found == model.predict(rows).tolist()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_page_in_a_browser_gives_the_same_digit(digits):
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    folder, images, model = digits

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with playwright.sync_playwright() as running:
                browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                page, wrong = browser.new_page(), []
                page.on("pageerror", lambda error: wrong.append(str(error)))
                page.goto(f"http://127.0.0.1:{server.server_port}/page.html")
                page.wait_for_function('document.getElementById("digit").textContent', timeout=60_000)
                shown = page.locator("#digit").inner_text()
                predict = 'async (images) => (await import("./digits.mjs")).predict(images)'
                found = page.evaluate(predict, images.tolist())
                browser.close()
        finally:
            server.shutdown()
    assert wrong == []
    assert shown == str(model.predict(np.full((1, 64), 4.0))[0])
    assert [digit for digit, _ in found] == model.predict(images).tolist()
