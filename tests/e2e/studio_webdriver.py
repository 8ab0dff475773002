"""A webdriver service that has one page for every address."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Resulting-Status", "200")
        self.end_headers()
        self.wfile.write(b"a page of the stack's own webdriver")


ThreadingHTTPServer(("", 4444), Page).serve_forever()
