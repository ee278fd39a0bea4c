"""The most lenient reader of DATA that there could be: the backend that smuggling is made for."""

import re

from .backend_dialogue import Dialogue

# CR, LF and CRLF all end a line, and NULs are nothing.
_END = re.compile(rb"[\r\n]\0*\.\0*[\r\n]")


class LenientDialogue(Dialogue):
    """Takes any dot between any two line ends for the end of data."""

    def receive_content(self):
        content = b"\n"
        while True:
            content += self.buffer
            self.buffer = b""
            end = _END.search(content)
            if end:
                break
            self.receive_more()
        self.buffer = content[end.end():]
        if content[end.end() - 1:end.end()] == b"\r":
            if not self.buffer:
                self.receive_more()
            self.buffer = self.buffer.removeprefix(b"\n")
        return content[1:end.start() + 1]
