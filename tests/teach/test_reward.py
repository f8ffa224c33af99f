"""A reward is always shown, and never an error, whatever the picture and the network are like."""

import base64
import email.message
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from pysmorch.teach import good_job, reward
from pysmorch.teach.mascot import COATS, JOKES, smorch

PNG = b"\x89PNG\r\n\x1a\n and so on"
ADDRESS = "https://example.org/penguin.png"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse every connection; a test that wants an answer sets one."""

    def refuse(*_arguments, **_options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def shown(monkeypatch):
    """Pretend to be in a notebook, and return the list of what is displayed there."""
    displayed = []
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    display = SimpleNamespace(display=lambda bundle, raw: displayed.append(bundle))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return displayed


class Answer:
    """What a server sends."""

    def __init__(self, data, content_type="image/png"):
        self.data = data
        self.headers = email.message.Message()
        self.headers["Content-Type"] = content_type

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def read1(self, size):
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def serve(monkeypatch, answer):
    asked = []

    def answer_to(request, timeout):
        asked.append((request.full_url, timeout))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", answer_to)
    return asked


def embedded(data, kind="image/png"):
    return f'src="data:{kind};base64,{base64.b64encode(data).decode()}"'


@pytest.mark.parametrize("arguments", [(), (ADDRESS,), (None,)])
def test_a_terminal_gets_a_picture_of_characters_and_nothing_is_fetched(arguments, capsys):
    assert good_job(*arguments) is None
    out = capsys.readouterr().out
    assert any(joke in out for joke in JOKES)
    assert len(out.splitlines()) >= 6
    assert out.isascii()
    assert max(map(len, out.splitlines())) < 80


def test_every_call_has_another_joke(capsys):
    good_job()
    first = capsys.readouterr().out
    good_job()
    assert capsys.readouterr().out != first


def test_a_notebook_gets_one_of_our_pictures(shown):
    good_job()
    (bundle,) = shown
    assert "data:image/svg+xml;base64," in bundle["text/html"]
    assert "<svg" not in bundle["text/html"], "what is not trusted is not shown"
    assert bundle["text/plain"].startswith("Good job! ")
    assert bundle["text/plain"].removeprefix("Good job! ") in bundle["text/html"]
    assert "could not be shown" not in bundle["text/html"]


@pytest.mark.parametrize("variant", range(12))
def test_our_pictures_are_drawings_with_a_joke(variant):
    picture = smorch(variant)
    root = ElementTree.fromstring(picture)
    assert JOKES[variant % len(JOKES)] in "".join(root.itertext())
    assert root.get("role") == "img"
    assert JOKES[variant % len(JOKES)] in root.get("aria-label")
    assert picture.count("http") == 1, "only the name of the SVG format"
    assert picture == smorch(variant)
    assert picture != smorch(variant + 1)


def test_jokes_fit_under_the_picture_and_are_all_told():
    assert max(map(len, JOKES)) <= 55
    assert len(set(JOKES)) == len(JOKES)
    assert len({smorch(variant) for variant in range(60)}) == 60
    assert len({coat.fur for coat in COATS}) == len(COATS)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_picture_in_a_file_is_shown(data, kind, shown, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(data)
    good_job(path)
    good_job(str(path))
    assert all(embedded(data, kind) in bundle["text/html"] for bundle in shown)
    assert len(shown) == 2


def test_a_picture_at_an_address_is_shown(shown, monkeypatch):
    asked = serve(monkeypatch, Answer(PNG * 10_000))
    good_job(ADDRESS)
    assert embedded(PNG * 10_000) in shown[0]["text/html"]
    assert asked == [(ADDRESS, reward.SECONDS)]
    assert reward.SECONDS <= 5


@pytest.mark.parametrize(
    "answer",
    [
        urllib.error.URLError("no route"),
        TimeoutError(),
        ValueError("a strange address"),
        Answer(PNG, "text/html"),
        Answer(b"<html>", "image/png"),
        Answer(b"<svg onload='alert(1)'/>", "image/svg+xml"),
        Answer(b""),
        Answer(b"RIFF\0\0\0\0WAVE", "image/webp"),
        Answer(PNG + bytes(reward.MOST_BYTES)),
    ],
    ids=lambda answer: repr(answer) if isinstance(answer, Exception) else "",
)
def test_a_picture_that_cannot_be_had_is_replaced_by_ours(answer, shown, monkeypatch):
    serve(monkeypatch, answer)
    good_job(ADDRESS)
    assert "image/svg+xml" in shown[0]["text/html"]
    assert f"{ADDRESS} could not be shown, so here is a Smorch." in shown[0]["text/html"]


def test_a_server_that_never_ends_is_not_waited_for(shown, monkeypatch):
    endless = Answer(PNG)
    endless.read1 = lambda size: b"\x89"
    seconds = iter(range(100))
    monkeypatch.setattr(reward.time, "monotonic", lambda: next(seconds))
    serve(monkeypatch, endless)
    good_job(ADDRESS)
    assert "image/svg+xml" in shown[0]["text/html"]


@pytest.mark.parametrize("picture", ["no/such/file.png", ".", "file:///etc/hostname", "ftp://x/y.png", "\0", 3, ["a"]])
def test_what_is_no_picture_is_replaced_by_ours(picture, shown):
    good_job(picture)
    assert "image/svg+xml" in shown[0]["text/html"]


def test_a_file_that_is_too_large_is_replaced_by_ours(shown, tmp_path, monkeypatch):
    monkeypatch.setattr(reward, "MOST_BYTES", 10)
    (tmp_path / "large.png").write_bytes(PNG)
    good_job(tmp_path / "large.png")
    assert "image/svg+xml" in shown[0]["text/html"]


def test_addresses_stand_for_themselves(shown):
    good_job("<script>alert(1)</script>")
    assert "<script" not in shown[0]["text/html"]


def test_ipython_is_not_imported_for_it(capsys):
    before = "IPython" in sys.modules
    good_job()
    assert capsys.readouterr().out
    assert ("IPython" in sys.modules) == before
