"""A browser without JavaScript, as far as a test needs one: it keeps cookies, and sends what forms send."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import urlencode


@dataclass(frozen=True)
class Page:
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def csrf(self) -> str:
        """What the page's forms carry."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.text)
        assert found is not None, self.text
        return found[1]

    def fields(self, action: str) -> dict[str, str]:
        """The hidden fields of the form that is sent to a path."""
        form = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', self.text, re.DOTALL)
        assert form is not None, self.text
        found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
        return {name: unescape(value) for name, value in found}


@dataclass
class Visitor:
    """Somebody with a browser, at a service on host:port."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Page:
        """Ask for a page."""
        return self.send("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form, as the browser would from one of the service's pages."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **_site(self.address), **headers}
        return self.send("POST", path, urlencode(fields).encode(), sent)

    def upload(self, path: str, fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> Page:
        """Send a form with files."""
        parts = [_part(f'name="{name}"', value.encode()) for name, value in fields.items()]
        parts += [
            _part(f'name="{name}"; filename="{filename}"', data) for name, (filename, data) in files.items()
        ]
        body = b"".join(parts) + b"--edge--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=edge", **_site(self.address)}
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Page:
        """Send a request and read its answer."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Accept", "text/html")
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection(self.address, timeout=120)
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return Page(answer.status, answer.headers, text)

    def sign_in(self, key: str, then: str = "/") -> Page:
        """Sign in with an API key."""
        return self.post("/login", {"csrf": self.get("/login").csrf, "key": key, "next": then})


def _site(address: str) -> dict[str, str]:
    return {"Origin": f"http://{address}", "Sec-Fetch-Site": "same-origin"}


def _part(disposition: str, data: bytes) -> bytes:
    return b"--edge\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + data + b"\r\n"
