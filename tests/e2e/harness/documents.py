"""The examples in the manual pages and in docs/, each with what it is an example of."""

import datetime
import glob
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
PAGES = os.path.join(ROOT, "packaging/man")
_ROFF = {r"\e": "\\", r"\-": "-", r"\(aq": "'", r"\(ga": "`", r"\(ha": "^", r"\(ti": "~",
         r"\(dq": '"', r"\&": "", r"\:": ""}
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
_DISPLAY = re.compile(r'^(?:\.\\" example: (\S+)\n)?\.Bd[^\n]*\n(.*?)^\.Ed$', re.M | re.S)


@dataclass(frozen=True)
class Example:
    """One block of text that is meant to be typed or copied."""

    document: str  # from the root of the sources
    number: int  # in the document, from 1
    kind: str
    text: str

    def __str__(self):
        return f"{self.document}:{self.number}"


def _plain(roff):
    return re.sub(r"\\(?:\(..|.)", lambda escape: _ROFF[escape[0]], roff)


def _in_page(path):
    with open(path, encoding="ascii") as file:
        found = _DISPLAY.findall(file.read())
    return [(kind, _plain(text)) for kind, text in found]


def _in_markdown(path):
    with open(path, encoding="utf-8") as file:
        return _FENCE.findall(file.read())


def examples():
    """All of them."""
    sources = [(path, _in_page) for path in sorted(glob.glob(PAGES + "/*.[1-8]")
                                                   + glob.glob(PAGES + "/*.in"))]
    sources += [(path, _in_markdown) for path in sorted(glob.glob(ROOT + "/*.md")
                                                        + glob.glob(ROOT + "/docs/*.md"))]
    return [Example(os.path.relpath(path, ROOT), number, kind, text)
            for path, read in sources for number, (kind, text) in enumerate(read(path), 1)]


def example(document, kind, number=1):
    """The text of one of a document's examples of a kind."""
    return [one.text for one in examples() if one.document == document and one.kind == kind][number - 1]


def in_the_future(text):
    """An example with dates that are ahead, whatever the year."""
    return re.sub(r"20\d\d-06-30", f"{datetime.date.today().year + 1}-06-30", text)


def build_pages():
    """A directory with all manual pages as they are installed; it is the caller's to remove."""
    directory = tempfile.mkdtemp(prefix="gatepost-man.")
    subprocess.run([PAGES + "/build", directory], check=True, timeout=60)
    return directory
