"""XML as a page: which answers are, and how their text is read, alike whatever the type (modules 4.2).

The browser shows feeds under their own types as plain text, in whatever encoding it guesses, and the others
as a tree; of what is not well formed it shows the beginning. Here it is one tree, or the text as it came.
"""

from __future__ import annotations

from dataclasses import dataclass

XML_TYPES = frozenset({"text/xml", "application/xml"})
PLAIN = "text/plain"


@dataclass(frozen=True, slots=True)
class Markup:
    """`plain`: shown as plain text; `charset`: its header names one; `loader`: what its body goes by."""

    loader: str
    plain: bool
    charset: bool


def markup_of(loader: str, content_type: str, media_type: str) -> Markup | None:
    """By its header, or, without one, by what the browser found; null for what is no XML."""
    named = content_type.partition(";")[0].strip().lower() or media_type
    if named not in XML_TYPES and not named.endswith("+xml"):
        return None
    return Markup(loader, media_type == PLAIN, "charset" in content_type.lower())


# Through the prototypes' own getters: elements of the page can shadow what is asked of them.
MARKUP = r"""
  function getter(prototype, name) {
    const get = Object.getOwnPropertyDescriptor(prototype, name).get;
    return (node) => get.call(node);
  }
  function judged(page, root) {
    const XHTML = "http://www.w3.org/1999/xhtml";
    const errors = Document.prototype.getElementsByTagNameNS.call(page, XHTML, "parsererror");
    return errors.length > 0 || !root ? {broken: true} : {root};
  }
  // Where the browser's own view of an XML document keeps what it shows.
  function shown(body) {
    const view = Document.prototype.getElementById.call(document, "webkit-xml-viewer-source-xml");
    if (view) return view.firstElementChild ? {root: view.firstElementChild} : {broken: true};
    const found = judged(document, getter(Document.prototype, "documentElement")(document));
    return body && !found.broken ? null : found;
  }
  // Without a named encoding the browser guesses one for plain text; XML says its own, or it is UTF-8.
  function parse(charset) {
    let source = getter(Node.prototype, "textContent")(getter(Document.prototype, "body")(document));
    if (!charset && getter(Document.prototype, "characterSet")(document) === "windows-1252") {
      const all = new TextDecoder("windows-1252").decode(Uint8Array.from({length: 256}, (_, byte) => byte));
      const bytes = new Map([...all].map((letter, byte) => [letter, byte]));
      const said = /^<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(source);
      let decoder = new TextDecoder();
      try { if (said && !/^utf-?16/i.test(said[1])) decoder = new TextDecoder(said[1]); } catch {}
      source = decoder.decode(Uint8Array.from(source, (letter) => bytes.get(letter) || 0));
    }
    const page = new DOMParser().parseFromString(source, "application/xml");
    return {source, ...judged(page, getter(Document.prototype, "documentElement")(page))};
  }
  // A line for every element that is no part of a sentence, without those that nobody reads.
  function lines(root) {
    const HIDDEN = new Set(["script", "style"]);
    const INLINE = new Set(("a abbr b bdi bdo big cite code del em font i ins kbd mark q s small span strong "
      + "sub sup textPath tspan tt u var").split(" "));
    const WITH_SENTENCES = new Set(["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"]);
    const [type, first, next, parent] = ["nodeType", "firstChild", "nextSibling", "parentNode"].map(
      (name) => getter(Node.prototype, name));
    const data = getter(CharacterData.prototype, "data");
    const [name, space] = ["localName", "namespaceURI"].map((name) => getter(Element.prototype, name));
    const found = [];
    let line = "";
    const cut = (node) => {
      if (type(node) !== 1 || (INLINE.has(name(node)) && WITH_SENTENCES.has(space(node)))) return;
      if (line.trim()) found.push(line.trim());
      line = "";
    };
    for (let node = root; ; ) {
      cut(node);
      if (type(node) === 3 || type(node) === 4) line += data(node);
      const inner = type(node) === 1 && !HIDDEN.has(name(node)) ? first(node) : null;
      if (inner) { node = inner; continue; }
      for (; node !== root && !next(node); node = parent(node)) cut(node);
      cut(node);
      if (node === root) break;
      node = next(node);
    }
    if (line.trim()) found.push(line.trim());
    return found.join("\n");
  }"""
