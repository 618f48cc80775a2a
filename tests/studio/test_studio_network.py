"""Who may talk to the studio, over real HTTP."""

import http.client
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import MINI

from panda import PandaError
from panda.cli import studio as verb
from panda.studio.guard import Guard, is_loopback

pytest.importorskip("gradio", reason="the extra 'studio' is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # those of gradio's own code


@pytest.fixture(scope="module", params=["127.0.0.1", "0.0.0.0"])
def served_at(request, small_cache, loops_closed):
    """The host that a studio was started with, its port, and its folder of uploads."""
    from panda.studio.app import Studio
    from panda.studio.library import Library
    from panda.studio.server import served

    with served(Studio(Library([MINI])), host=request.param) as page:
        yield request.param, urlsplit(page.local_url).port, Path(os.environ["GRADIO_TEMP_DIR"])


def ask(port, method, path, headers, body=b""):
    """The status and the text of the answer to a request from this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_only_its_own_names_lead_to_the_page(served_at):
    host, port, _ = served_at
    everywhere = host == "0.0.0.0"
    for name, welcome in {
        f"127.0.0.1:{port}": True,
        f"localhost:{port}": True,
        f"LOCALHOST.:{port}": True,
        f"[::1]:{port}": True,
        "localhost": True,  # behind a proxy
        f"192.0.2.7:{port}": everywhere,
        f"{socket.gethostname()}:{port}": everywhere,
        f"evil.example:{port}": False,
        f"localhost.evil.example:{port}": False,
        f"evil@localhost:{port}": False,
        "": False,
    }.items():
        status, text = ask(port, "GET", "/", {"Host": name})
        assert status == (200 if welcome else 403), name
        assert welcome or text.startswith("this studio is not called") or "which host" in text


UPLOAD = (
    b"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.png\"\r\n"
    b"Content-Type: image/png\r\n\r\nhello\r\n--x--\r\n"
)  # fmt: skip


def test_uploads_and_events_come_from_the_page_itself_alone(served_at):
    _, port, folder = served_at
    here = f"localhost:{port}"
    form = {"Host": here, "Content-Type": "multipart/form-data; boundary=x"}
    data = {"Host": here, "Content-Type": "application/json"}
    requests = {
        "/gradio_api/upload": (form, UPLOAD),
        "/gradio_api/queue/join": (data, b'{"data": [], "fn_index": 0, "session_hash": "x"}'),
    }
    foreign = (
        {"Origin": "http://evil.example"},
        {"Origin": f"http://localhost:{port + 1}"},
        {"Origin": f"http://127.0.0.1:{port}"},  # another site to a browser
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": f"http://{here}", "Sec-Fetch-Site": "cross-site"},
    )
    before = sorted(folder.rglob("*"))
    for path, (headers, body) in requests.items():
        for origin in foreign:
            status, text = ask(port, "POST", path, {**headers, **origin}, body)
            assert status == 403 and text == "this request comes from a page of another site\n"
        for origin in foreign[:4]:
            assert ask(port, "GET", "/config", {**headers, **origin})[0] == 403
    assert sorted(folder.rglob("*")) == before
    for origin in ({"Origin": f"http://{here}", "Sec-Fetch-Site": "same-origin"}, {}):
        assert ask(port, "POST", "/gradio_api/upload", {**form, **origin}, UPLOAD)[0] == 200
    link = {"Host": here, "Sec-Fetch-Site": "cross-site"}
    assert ask(port, "GET", "/", link)[0] == 200


def test_a_name_that_was_given_is_one_of_its_own():
    guard = Guard(lambda *_: None, "studio.lan")
    assert guard.refusal("GET", {"host": ["Studio.LAN:7860"]}) is None
    assert guard.refusal("GET", {"host": ["localhost"]}) is None
    said = guard.refusal("GET", {"host": ["192.0.2.7:7860"]})
    assert said == (
        "this studio is not called 192.0.2.7; open it as localhost, or start it with 'panda studio"
        " --host 192.0.2.7'"
    )
    assert "which host" in guard.refusal("GET", {"host": ["studio.lan", "localhost"]})
    assert "which host" in guard.refusal("GET", {})


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", 99999, "there is no port 99999; choose one from 1 to 65535"),
        ("127.0.0.1", 0, "there is no port 0"),
        ("192.0.2.7", None, "this machine cannot serve at '192.0.2.7'"),
        ("x" * 300, None, "this machine cannot serve at 'xxx"),
        ("", None, "this machine cannot serve at ''"),
    ],
)
def test_addresses_that_cannot_be_are_a_sentence_at_once(studio, host, port, said):
    from panda.studio.server import served

    with pytest.raises(PandaError, match=said), served(studio, host=host, port=port):
        pass


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *((host, True) for host in ("127.0.0.1", "127.0.0.9", "localhost", "::1", "[::1]")),
        *((host, False) for host in ("0.0.0.0", "::", "192.0.2.7", "studio.lan")),
    ],
)
def test_a_page_that_others_can_reach_says_so(host, alone, monkeypatch, capsys):
    from contextlib import contextmanager
    from types import SimpleNamespace

    @contextmanager
    def served(studio, **where):
        assert where["host"] == host
        yield SimpleNamespace(local_url="http://here/", block_thread=lambda: None)

    monkeypatch.setattr("panda.studio.server.served", served)
    monkeypatch.setattr("panda.studio.library.Library", lambda *_: None)
    verb.run(SimpleNamespace(generators=[], factors=[], device="cpu", host=host, port=1, browser=0))
    first, *more = capsys.readouterr().err.splitlines()
    assert first == "PandA studio: http://here/ (Ctrl-C ends it)"
    assert more == ([] if alone else [verb.OPEN]) and is_loopback(host) is alone
