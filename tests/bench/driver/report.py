"""The results: medians over the rounds, the table, what was missed."""

import json
import statistics

from .works import TARGETS, WORKS

LIMIT = "memory"  # the column of the handshakes in memory


def _is_cost(row):
    """Whether a row is something that servers can be compared by."""
    return "sessions" not in row and "ratio" not in row


class Results:
    """Values by row, column and round."""

    def __init__(self):
        self._values = {}
        self.void = []  # texts

    @classmethod
    def read(cls, path):
        """What write() wrote."""
        made = cls()
        with open(path, encoding="utf-8") as file:
            for row, columns in json.load(file)["results"].items():
                made._values[row] = {column: one["rounds"] for column, one in columns.items()}
        return made

    def columns(self):
        """All that there are; the limit is the last."""
        names = dict.fromkeys(column for columns in self._values.values() for column in columns)
        return sorted(names, key=lambda name: name == LIMIT)

    def add(self, row, column, value):
        """One more value."""
        self._values.setdefault(row, {}).setdefault(column, []).append(value)

    def median(self, row, column):
        """None if there is no value."""
        values = self._values.get(row, {}).get(column)
        return statistics.median(values) if values else None

    def _ratio(self, row, column, other):
        own, base = self.median(row, column), self.median(row, other)
        return own / base if own is not None and base else None

    def _cell(self, row, column):
        value = self.median(row, column)
        if value is None:
            return ""
        text = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
        ratio = self._ratio(row, column, "nginx") if _is_cost(row) else None
        return text if ratio is None or column in ("nginx", LIMIT) else f"{text} ({ratio:.2f})"

    def table(self, columns):
        """Markdown; in parentheses the ratio to nginx."""
        lines = ["| work | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for row in self._values:
            work = WORKS.get(row)
            title = f"{work.title}, {work.unit}" if work else row
            lines.append(f"| {title} | " +
                         " | ".join(self._cell(row, column) for column in columns) + " |")
        return "\n".join(lines)

    def targets(self, column):
        """One line for each target that was measured, and whether all were reached."""
        lines, reached = [], True
        for row, other, most in TARGETS:
            value = self._ratio(row, column, other) if other else self.median(row, column)
            if value is None:
                continue
            missed = value > most
            reached = reached and not missed
            lines.append(f"{'MISSED ' if missed else 'reached'}  {column}: {row}"
                         f"{' / ' + other if other else ''} = {value:.2f}, at most {most}")
        return lines, reached

    def write(self, path, **about):
        """Everything, as JSON."""
        rows = {row: {column: {"median": statistics.median(values), "rounds": values}
                      for column, values in columns.items()}
                for row, columns in self._values.items()}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**about, "results": rows, "void": self.void}, file, indent=1)
            file.write("\n")
