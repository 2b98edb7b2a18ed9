"""As much of a browser as signing in takes: cookies, redirects, and a form with its hidden fields."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from checks import given


class Visitor:
    def __init__(self):
        # A jar of our own: that of requests sends no Secure cookie to http://localhost, as browsers do.
        self.cookies = {}
        # How many forms it has submitted.
        self.pages = 0

    def go(self, url):
        """From the authorization URL to the redirect URI, over the sign-in page if there is one."""
        answer = self._send("GET", url)
        if answer.status_code == 200:
            answer = self._submit(answer, {"username": given["username"], "password": given["password"]})
        for _ in range(12):
            location = answer.headers.get("location")
            assert location, f"{answer.status_code} instead of the way back: {_words(answer)}"
            url = urljoin(answer.url, location)
            if url.startswith(given["redirect_uri"]):
                return url
            answer = self._send("GET", url)
        raise AssertionError(f"it never ends: {answer.url}")

    def _submit(self, page, fields):
        self.pages += 1
        form = _Form(page.text)
        assert form.action is not None, f"there is no form: {_words(page)}"
        url = urljoin(page.url, form.action)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        return self._send("POST", url, data={**form.hidden, **fields}, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})

    def _send(self, method, url, headers=None, **more):
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **(headers or {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = requests.request(method, url, headers=headers, allow_redirects=False, timeout=20, **more)
        for line in answer.raw.headers.getlist("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer


def parameters(url):
    """The parameters of a URL, each of which comes once."""
    found = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values()), url
    return {name: value for name, [value] in found.items()}


def _words(page):
    """What a page says, without its style."""
    return page.text[page.text.find("<main"):][:1000]


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page):
        super().__init__()
        self.action = None
        self.hidden = {}
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action", "")
            self._open = True
        elif tag == "input" and self._open and attributes.get("type") == "hidden":
            self.hidden[attributes["name"]] = attributes.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = False
