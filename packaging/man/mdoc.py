"""Plain text as mdoc(7)."""

import re

# What roff would take for something else, or a font show as something else, where it is typed.
_TYPED = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti",
          '"': r"\(dq", "\u2026": "..."}
# A word of running text: `literals` may have blanks in them.
_WORD = re.compile(r"(?:`[^`]+`|[^\s`])+")
_PIECE = re.compile(r"`([^`]+)`|\b([a-z][\w.-]*)\((\d)\)|\b([A-Za-z2]\w*)\b")
_OPENING = "(["
_CLOSING = ".,:;)]?!"


def typed(text):
    """Text to be typed as it is."""
    shown = "".join(_TYPED.get(character, character) for character in text)
    return (r"\&" if shown[:1] == "." else "") + shown


def argument(text):
    """One argument of a macro; never taken for a macro or for punctuation."""
    shown = typed(text)
    if max(map(len, text.split() or [""])) > 40:
        shown = re.sub(r"(?<=[:}])(?=.)", r"\\:", shown)
    if len(shown) <= 3 and not shown.startswith("\\"):
        shown = r"\&" + shown
    return f'"{shown}"' if " " in shown else shown


def _pieces(word, names):
    """The word's marked pieces and what is between them, each as a macro with its arguments."""
    place = 0
    for match in _PIECE.finditer(word):
        literal, page, section, name = match.groups()
        if name and name not in names:
            continue
        if word[place:match.start()]:
            yield word[place:match.start()], None
        if literal:
            yield literal, "Ql " + argument(literal)
        elif page:
            yield page, f"Xr {page} {section}"
        else:
            yield name, f"Va {name}"
        place = match.end()
    if word[place:]:
        yield word[place:], None


def _marked(word, names):
    """A word as a macro line, or None if nothing in it is marked."""
    pieces = list(_pieces(word, names))
    if not any(macro for _, macro in pieces):
        return None
    opening = closing = ""
    if pieces[0][1] is None and all(mark in _OPENING for mark in pieces[0][0]):
        opening = " ".join(pieces.pop(0)[0]) + " "
    if pieces[-1][1] is None and all(mark in _CLOSING for mark in pieces[-1][0]):
        closing = " " + " ".join(pieces.pop()[0])
    macros = [macro or "No " + argument(text) for text, macro in pieces]
    name, _, rest = macros[0].partition(" ")
    macros[0] = f"{name} {opening}{rest}"
    return "." + " Ns ".join(macros) + closing


def running(text, names=()):
    """Lines of running text: `literals`, manual(5) pages and names are marked; each sentence begins
    a line."""
    lines = [""]
    for word in _WORD.findall(text):
        macro = _marked(word, names)
        if macro:
            lines += [macro, ""]
            continue
        lines[-1] += " " + word.replace("\\", r"\e")
        if re.search(r"(?<!\.)[.?!]\)?$", word):
            lines.append("")
    shown = (line.strip() for line in lines if line.strip())
    return "\n".join(r"\&" + line if re.match(r"\.(?![A-Z][a-z] )|'", line) else line
                     for line in shown)
