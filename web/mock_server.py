"""A stand-in for the server, to work on the pages without a model. Standard library only.

    python3 web/mock_server.py [--port 5055] [--char-limit 500] [--prefix /tr] [--key SECRET] [--no-domains]

It answers as `dragoman serve` does, under the same strict Content-Security-Policy, from a handful of made-up
words. A text that begins with one of these words makes trouble:

    !slow ...   answers after four seconds
    !busy ...   503 with Retry-After: 3 twice, then the translation
    !full ...   503 with Retry-After: 3, always
    !many ...   429, as the rate limit does
    !fail ...   500
    !html ...   an HTML page with status 200, as a proxy in between might send

A text with Japanese letters is refused, as one in a language that the model does not know.
"""

import argparse
import hashlib
import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WEB = Path(__file__).resolve().parent
NAMES = {"en": "English", "nl": "Dutch", "fr": "French", "de": "German", "it": "Italian", "pt": "Portuguese", "es": "Spanish"}
PAGES = {"/": "index.html", "/docs": "docs.html", "/experts": "experts.html"}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WORDS = {
    "de": {"good": "guten", "morning": "Morgen", "the": "der", "interpreter": "Dolmetscher", "knows": "kennt",
           "road": "Weg", "hello": "hallo", "world": "Welt", "house": "Haus", "is": "ist", "and": "und"},
    "fr": {"good": "bon", "morning": "matin", "the": "le", "interpreter": "interprète", "knows": "connaît",
           "road": "chemin", "hello": "bonjour", "world": "monde", "house": "maison", "is": "est", "and": "et"},
    "es": {"good": "buenos", "morning": "días", "the": "el", "interpreter": "intérprete", "knows": "conoce",
           "road": "camino", "hello": "hola", "world": "mundo", "house": "casa", "is": "es", "and": "y"},
    "nl": {"good": "goede", "morning": "morgen", "the": "de", "interpreter": "tolk", "knows": "kent",
           "road": "weg", "hello": "hallo", "world": "wereld", "house": "huis", "is": "is", "and": "en"},
    "it": {"good": "buon", "morning": "giorno", "the": "il", "interpreter": "interprete", "knows": "conosce",
           "road": "strada", "hello": "ciao", "world": "mondo", "house": "casa", "is": "è", "and": "e"},
    "pt": {"good": "bom", "morning": "dia", "the": "o", "interpreter": "intérprete", "knows": "conhece",
           "road": "caminho", "hello": "olá", "world": "mundo", "house": "casa", "is": "é", "and": "e"},
}
MARKS = {"der": "de", "und": "de", "guten": "de", "ist": "de", "le": "fr", "bonjour": "fr", "est": "fr",
         "hola": "es", "el": "es", "goede": "nl", "het": "nl", "ciao": "it", "buon": "it", "olá": "pt", "bom": "pt"}
GENERAL = [{"name": "general", "licence": "CC BY 2.0 FR"}, {"name": "news", "licence": "CC0"}]
refusals = {}


def detect(text):
    if re.search(r"[\u3040-\u30ff]", text):
        return {"confidence": 100, "language": "ja"}
    for word in re.findall(r"\w+", text.lower()):
        if word in MARKS:
            return {"confidence": 87, "language": MARKS[word]}
    return {"confidence": 92 if text.isascii() else 41, "language": "en"}


def render(text, source, target):
    """Word by word: known words by the list, others with the target's ending."""
    back = {theirs.lower(): ours for ours, theirs in WORDS.get(source, {}).items()}

    def one(match):
        word = back.get(match[0].lower(), match[0])
        out = WORDS.get(target, {}).get(word.lower(), word)
        return out.capitalize() if match[0][0].isupper() else out

    return re.sub(r"[^\W\d_]+", one, text)


def legs(text, translation, source, target):
    """A made-up trace, the same for the same text; a pair without English goes by way of it."""
    if "en" in (source, target):
        return [leg(text, translation, source, target)]
    middle = render(text, source, "en")
    return [leg(text, middle, source, "en"), leg(middle, translation, "en", target)]


def leg(text, translation, source, target):
    """One sentence on one route, as if every text were one sentence."""
    pair = f"pair.{source}-{target}"
    return {
        "route": f"{source}-{target}",
        "source": tokens(text, pair, ["encoder.1", "encoder.3", "encoder.5"]),
        "target": tokens(translation, pair, ["decoder.0", "decoder.1"]),
    }


def tokens(text, pair, layers):
    pieces = []
    for word in re.findall(r"\w+|[^\w\s]", text):
        space = " " if pieces and word[0].isalnum() else ""
        pieces += [space + word[:6], word[6:]] if len(word) > 8 else [space + word]
    return [{"text": piece, "layers": [visit(piece, layer, pair) for layer in layers]} for piece in pieces]


def visit(piece, layer, pair):
    digest = hashlib.sha256(f"{piece} {layer}".encode()).digest()
    first = 0.5 + digest[0] / 600
    group = [pair, "free.0", "free.1", "free.2", "free.3"]
    a = group[digest[1] % 5]
    b = [name for name in group if name != a][digest[2] % 4]
    return {"layer": layer, "experts": [{"name": a, "weight": round(first, 3)}, {"name": b, "weight": round(1 - first, 3)}]}


def experts():
    pairs = [f"{a}-{b}" for a in NAMES for b in NAMES if a != b and "en" in (a, b)]
    rows = [{"name": f"pair.{pair}", "kind": "pair", "layers": ["encoder.1", "encoder.3", "encoder.5", "decoder.1"],
             "d_ff": 512, "trained_on": GENERAL, "created": "2026-02-11T09:30:00Z", "metrics": {"chrf": 50.1}}
            for pair in pairs]
    rows += [{"name": f"free.{n}", "kind": "free", "layers": ["encoder.1", "encoder.3", "encoder.5", "decoder.1"],
              "d_ff": 512, "trained_on": GENERAL, "created": "2026-02-11T09:30:00Z", "metrics": {}} for n in range(4)]
    rows.append({"name": "domain.it", "kind": "domain", "layers": ["encoder.5", "decoder.1"], "d_ff": 256,
                 "trained_on": [{"name": "it", "licence": "CC0"}], "created": "2026-03-02T14:05:00Z", "metrics": {"chrf": 58.4, "chrf_before": 49.9}})
    return rows


def spec():
    text = {"type": "string"}
    answer = lambda about: {"200": {"description": about}, "400": {"description": "what is wrong with the request"}}
    fields = {
        "q": {"oneOf": [text, {"type": "array", "items": text}], "description": "text, or an array of texts", "example": "Good morning"},
        "source": {"type": "string", "description": "language code, or auto", "example": "en"},
        "target": {"type": "string", "description": "language code", "example": "de"},
        "format": {"type": "string", "enum": ["text", "html"], "default": "text"},
        "alternatives": {"type": "integer", "default": 0, "description": "how many other wordings"},
        "trace": {"type": "boolean", "description": "also return the experts of each token"},
    }
    body = lambda names, must: {"required": True, "content": {"application/json": {"schema": {
        "type": "object", "required": must, "properties": {name: fields.get(name, text) for name in names}}}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Dragoman", "version": "0.1.0", "description": "Translates with a mixture of experts."},
        "paths": {
            "/translate": {"post": {"tags": ["translate"], "summary": "Translate text", "description": "Translates one text or many.",
                           "requestBody": body(list(fields), ["q", "source", "target"]), "responses": answer("the translation")}},
            "/detect": {"post": {"tags": ["translate"], "summary": "Detect the language", "requestBody": body(["q"], ["q"]), "responses": answer("languages, best first")}},
            "/languages": {"get": {"tags": ["translate"], "summary": "List languages", "responses": {"200": {"description": "languages with their targets"}}}},
            "/health": {"get": {"tags": ["server"], "summary": "Is the server up?", "responses": {"200": {"description": "it is"}}}},
        },
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        try:
            self.wfile.write(data)
        except BrokenPipeError:
            pass  # the page lost interest, which is what it should do

    def route(self):
        path = self.path.split("?")[0]
        return path.removeprefix(options.prefix) if path.startswith(options.prefix) else None

    def do_GET(self):
        path = self.route()
        wants_page = "text/html" in self.headers.get("Accept", "")
        if path in PAGES and (wants_page or path != "/experts"):
            return self.reply(200, (WEB / PAGES[path]).read_bytes(), "text/html")
        if path and path.startswith("/static/"):
            file = (WEB / path[1:]).resolve()
            if file.is_relative_to(WEB / "static") and file.is_file():
                return self.reply(200, file.read_bytes(), TYPES.get(file.suffix, "text/plain"), Cache_Control="no-store")
        answers = {"/languages": languages, "/frontend/settings": settings, "/experts": experts, "/spec": spec,
                   "/health": lambda: {"status": "ok"}}
        if path in answers:
            return self.reply(200, answers[path]())
        self.reply(404, {"error": "not found"})

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        fields = json.loads(self.rfile.read(length) or b"{}")
        path = self.route()
        if options.key and fields.get("api_key") != options.key:
            known = "api_key" in fields
            error = "Invalid API key" if known else "Please contact the server operator to get an API key"
            return self.reply(403 if known else 400, {"error": error})
        if path == "/translate":
            return self.translate(fields)
        if path == "/detect":
            return self.reply(200, [detect(fields.get("q", ""))])
        if path == "/suggest":
            print("suggestion:", json.dumps(fields, ensure_ascii=False), flush=True)
            return self.reply(200, {"success": True})
        self.reply(404, {"error": "not found"})

    def translate(self, fields):
        q, source, target = fields.get("q"), fields.get("source"), fields.get("target")
        if not q:
            return self.reply(400, {"error": "Invalid request: missing q parameter"})
        many = isinstance(q, list)
        trouble = "" if many else q.split(" ", 1)[0]
        if trouble == "!slow":
            time.sleep(4)
        if trouble == "!fail":
            return self.reply(500, {"error": "the model failed"})
        if trouble == "!html":
            return self.reply(200, b"<html>hello from a proxy</html>", "text/html")
        if trouble == "!many":
            return self.reply(429, {"error": "Slowdown: 20 per 1 minute"})
        if trouble in ("!busy", "!full"):
            refusals[q] = refusals.get(q, 0) + 1
            if trouble == "!full" or refusals[q] <= 2:
                return self.reply(503, {"error": "the queue is full"}, Retry_After=3)
            del refusals[q]
        time.sleep(0.08)
        found = None if many or source != "auto" else detect(q)
        if found and found["language"] not in NAMES:
            error = f"{found['language']} is not supported: the text seems to be in another language"
            return self.reply(400, {"error": error, "detectedLanguage": found})
        rows = []
        for text in q if many else [q]:
            spoken = detect(text)["language"] if source == "auto" else source
            rows.append((text, spoken, render(text, spoken, target)))
        single = lambda values: values if many else values[0]
        reply = {"translatedText": single([row[2] for row in rows])}
        if source == "auto":
            reply["detectedLanguage"] = single([detect(row[0]) for row in rows])
        domain = fields.get("domain")
        if domain:  # a word is said otherwise, so that there is something to compare
            reply["translatedText"] = single([re.sub(r"(\w{4,})", r"\1·", row[2], count=1) for row in rows])
        if domain == "auto":
            reply["domain"] = single([{"name": "it", "confidence": 93.5} for _ in rows])
        if fields.get("alternatives"):
            reply["alternatives"] = single([[row[2] + " (anders)", row[2].upper()] for row in rows])
        if fields.get("scores"):
            reply["scores"] = single([-0.31 for _ in rows])
        if fields.get("quality"):
            reply["quality"] = single([[72.0] for _ in rows])
        if fields.get("trace"):
            reply["trace"] = single([{"legs": legs(row[0], row[2], row[1], target)} for row in rows])
        self.reply(200, reply)


def languages():
    entries = [{"code": code, "name": name, "targets": sorted(NAMES)} for code, name in NAMES.items()]
    entries[1]["targets"] = ["en", "nl"]  # Dutch reaches English only, so that menus have something to do
    if not options.no_domains:
        entries[0]["domains"] = ["it", "medical"]
        entries[0]["domainTargets"] = {"it": ["de", "fr", "es"], "medical": ["es"]}
    return entries


def settings():
    return {"charLimit": options.char_limit, "frontendTimeout": 300, "apiKeys": bool(options.key),
            "keyRequired": bool(options.key), "suggestions": True, "filesTranslation": False, "supportedFilesFormat": [],
            "language": {"source": {"code": "auto", "name": "Auto Detect"}, "target": {"code": "de", "name": "German"}}}


parser = argparse.ArgumentParser(description="A stand-in for the server, to work on the pages")
parser.add_argument("--port", type=int, default=5055)
parser.add_argument("--char-limit", type=int, default=5000)
parser.add_argument("--prefix", default="")
parser.add_argument("--key", default="")
parser.add_argument("--no-domains", action="store_true")
options = parser.parse_args()
server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
print(f"http://127.0.0.1:{server.server_address[1]}{options.prefix}/", flush=True)
server.serve_forever()
