"""Who is answered: hosts, tokens, pages from elsewhere; and what the page may do."""

import pytest

pytest.importorskip("starlette", reason="serve needs pysmorch[web]")

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from pysmorch.serving import application
from tests.serving.conftest import ROW

TOKEN = "0123456789abcdefABCDEF"
SECRET = ["/model", "/openapi.json", "/metrics"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.0.1", ""])
def test_another_name_that_leads_here_is_not_answered(client, host):
    assert client.get("/", headers={"host": host}).status_code == 400
    assert client.post("/predict", json=ROW, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_from_elsewhere_are_refused(client, site):
    assert client.post("/predict", json=ROW, headers={"sec-fetch-site": site}).status_code == 403
    assert client.post("/predict", json=ROW, headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_pages_from_elsewhere_are_not_told_that_they_may_ask(client):
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = client.options("/predict", headers=headers)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer é"],
)
def test_without_its_token_a_service_says_nothing_of_the_model(client_of, regressor, given):
    client = client_of(regressor, token=TOKEN, hosts=["*"])
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    for path in SECRET:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = client.post("/predict", json=ROW, headers=headers)
    assert answer.status_code == 401
    assert "size" not in answer.text


def test_with_its_token_it_answers(client_of, regressor):
    client = client_of(regressor, token=TOKEN, hosts=["*"])
    headers = {"authorization": f"Bearer {TOKEN}", "host": "models.example"}
    assert client.post("/predict", json=ROW, headers=headers).status_code == 200
    for path in SECRET:
        assert client.get(path, headers=headers).status_code == 200


def test_within_another_application_it_needs_the_token_too(regressor):
    served = application(regressor, token=TOKEN, hosts=["*"])
    with TestClient(Starlette(routes=[Mount("/houses", served)])) as client:
        assert client.post("/houses/predict", json=ROW).status_code == 401
        assert client.get("/houses/model").status_code == 401
        assert client.get("/houses/").status_code == 200
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert client.post("/houses/predict", json=ROW, headers=headers).status_code == 200
        counted = client.get("/houses/metrics", headers=headers).text
        assert 'pysmorch_requests_total{path="/predict",status="200"} 1' in counted


def test_its_health_and_the_files_of_its_page_need_no_token(client_of, regressor):
    client = client_of(regressor, token=TOKEN, hosts=["*"])
    assert client.get("/health").json() == {"status": "ok"}
    for path in ("/", "/main.js", "/form.js", "/result.js", "/style.css", "/palette.css", "/base.css", "/icon.svg"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "size" not in answer.text or path.endswith((".css", ".js"))


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for answer in (
        client.get("/"),
        client.get("/nothing"),
        client.post("/predict", content=b"{"),
        client.get("/", headers={"host": "evil.example"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
        )
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_nothing_of_the_page_comes_from_elsewhere(client):
    for path in ("/", "/main.js", "/form.js", "/result.js", "/style.css", "/palette.css", "/base.css"):
        text = client.get(path).text
        assert "https://" not in text
        assert "http://" not in text


@pytest.mark.parametrize(
    "path", ["/../service.py", "/%2e%2e/service.py", "/..%2fservice.py", "//etc/passwd", "/__init__.py", "/page/"]
)
def test_no_other_file_can_be_read(client, path):
    assert client.get(path).status_code in (404, 405)
