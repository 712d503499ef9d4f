"""The server of runs, asked over real HTTP: who has no token, no right name or no good intent gets nothing."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from command_line import VERDICT
from harness.errors import UsageError
from harness.serving import RunServer
from harness.store import Run

EVIL = "\"'><script>alert(1)</script>\u202e"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("quick/0badcafe", "quick/evil '\"<b>&?#%2e", "bare"):
        root = tmp_path / "runs" / name
        root.mkdir(parents=True)
        (root / "study.yaml").write_text("name: quick\n")
    run = Run(tmp_path / "runs" / "quick" / "0badcafe")
    run.write_json("status.json", {"state": "done"})
    run.write_json("claims.json", [VERDICT.model_copy(update={"claim": EVIL}).model_dump(mode="json")])
    (run.root / "report.html").write_text("<p>the report</p>")
    (run.root / "results.csv").write_text("run,generator\n")
    evil = tmp_path / "runs" / "quick" / "evil '\"<b>&?#%2e"
    (evil / "report.html").write_text("<p>evil report</p>")
    (evil / "status.json").write_text(json.dumps({"state": EVIL}))
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "runs"


@pytest.fixture
def server(folder: Path) -> Iterator[RunServer]:
    with RunServer(folder) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


Reply = tuple[int, dict[str, str], str]


def ask(server: RunServer, path: str, *, method: str = "GET", host: str | None = None) -> Reply:
    """What comes back for exactly this path: nothing on our side tidies it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host if host is not None else f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read().decode()
    connection.close()
    return found


def test_the_list_has_state_verdicts_and_links_that_lead_to_the_reports(server: RunServer) -> None:
    status, _, page = ask(server, f"/{server.token}/")
    assert status == 200
    assert "done" in page
    assert "faster-but-worse" in page
    assert "no status was written" in page
    links = [unescape(part.split('"')[0]) for part in page.split('href="./')[1:]]
    assert len(links) == 3
    bodies = [ask(server, f"/{server.token}/{link}")[2] for link in links]
    assert bodies == ["<p>the report</p>", "run,generator\n", "<p>evil report</p>"]


@pytest.mark.parametrize("path", ["/", "*", "/wrong/", "//", "//[", "/wrong/quick/0badcafe/report.html", "/%00/"])
def test_without_the_token_there_is_nothing(server: RunServer, path: str) -> None:
    status, _, body = ask(server, path)
    assert status == 403
    assert "report" not in body


def test_a_token_that_is_nearly_right_or_not_ascii_is_wrong(server: RunServer) -> None:
    for token in (server.token[:-1], server.token + "x", server.token.upper(), "%C3%A9"):
        assert ask(server, f"/{token}/")[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "quick/../../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "%252e%252e/secret.txt",
        "quick/0badcafe/../../../secret.txt",
        "/etc/passwd",
        "quick/0badcafe/study.yaml",
        "quick/0badcafe/report.html/",
        "quick/0badcafe/./report.html",
        "quick/0badcafe/report.html%00",
        "quick\\0badcafe\\report.html",
    ],
)
def test_what_is_not_in_the_list_is_not_there(server: RunServer, path: str) -> None:
    status, _, body = ask(server, f"/{server.token}/{path}")
    assert status == 404
    assert "secret" not in body


def test_a_link_that_leads_out_of_the_folder_is_not_followed(server: RunServer, folder: Path) -> None:
    os.symlink(folder.parent / "secret.txt", folder / "bare" / "report.html")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "study.yaml").write_text("name: x\n")
    (outside / "report.html").write_text("secret")
    os.symlink(outside, folder / "inside")
    for path in ("bare/report.html", "inside/report.html"):
        assert ask(server, f"/{server.token}/{path}")[0] == 404
    assert "inside" not in ask(server, f"/{server.token}/")[2]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(server: RunServer, method: str) -> None:
    status, headers, _ = ask(server, f"/{server.token}/", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_the_headers_of_get_and_no_body(server: RunServer) -> None:
    path = f"/{server.token}/quick/0badcafe/report.html"
    status, headers, body = ask(server, path, method="HEAD")
    assert (status, body) == (200, "")
    assert headers["Content-Length"] == str(len("<p>the report</p>"))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", "127.0.0.1.nip.io"]
)
def test_another_name_that_points_here_gets_nothing(server: RunServer, host: str) -> None:
    status, _, body = ask(server, f"/{server.token}/", host=host)
    assert status == 403
    assert "Runs" not in body


def test_localhost_is_our_name_too(server: RunServer) -> None:
    assert ask(server, f"/{server.token}/", host=f"localhost:{server.server_port}")[0] == 200


def test_every_answer_is_kept_nowhere_and_lets_nothing_in(server: RunServer) -> None:
    for path in (
        f"/{server.token}/",
        "/wrong/",
        f"/{server.token}/nothing",
        f"/{server.token}/quick/0badcafe/report.html",
    ):
        _, headers, _ = ask(server, path)
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Python" not in headers["Server"]


def test_a_report_is_shown_in_a_sandbox_of_another_origin(server: RunServer) -> None:
    _, headers, _ = ask(server, f"/{server.token}/quick/0badcafe/report.html")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy


def test_text_of_a_run_is_escaped_and_a_spoiled_run_says_so(server: RunServer, folder: Path) -> None:
    (folder / "bare" / "status.json").write_text("{")
    _, _, page = ask(server, f"/{server.token}/")
    assert "<script" not in page
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "status.json:1 is no JSON" in page


def test_it_listens_on_this_machine_only(server: RunServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.socket.family == socket.AF_INET


def test_two_servers_have_two_tokens(folder: Path) -> None:
    with RunServer(folder) as one, RunServer(folder) as two:
        assert one.token != two.token
        assert len(one.token) >= 32


def test_a_folder_that_is_not_there_and_a_port_that_is_taken_are_told(server: RunServer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is no folder"):
        RunServer(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="cannot listen on port"):
        RunServer(tmp_path, port=server.server_port)
