"""The documentation against the program: every parameter is in both, with the same default."""

import glob
import os
import re

import pytest

from harness import metrics
from harness.daemon import run_command

ROOT = os.path.join(os.path.dirname(__file__), "../..")
AT_RUN_TIME = {"myhostname", "mydomain"}  # their defaults come from the system


def documented():
    """Parameter to default, from the manual's table."""
    with open(os.path.join(ROOT, "docs/parameters.md"), encoding="ascii") as file:
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (?:`([^|]*)`)? ?\|", file.read(), re.M)
    return dict(rows)


@pytest.fixture
def defaults(directory):
    """Parameter to default, from the program."""
    with open(os.path.join(directory, "gatepost.cf"), "w", encoding="ascii"):
        pass
    result = run_command("-c", directory, "config", "-d")
    assert result.returncode == 0, result
    return dict(line.split(" =", 1) for line in result.stdout.splitlines())


def test_all_parameters_are_documented(defaults):
    assert set(documented()) == set(defaults)


def test_defaults_are_documented(defaults):
    told = {name: value for name, value in documented().items() if name not in AT_RUN_TIME}
    real = {name: value.strip() for name, value in defaults.items() if name not in AT_RUN_TIME}
    assert told == real


DOCUMENTS = sorted(os.path.relpath(path, ROOT) for pattern in ("*.md", "docs/*.md", "packaging/man/*.[1-8]",
                                                               "packaging/man/*.in")
                   for path in glob.glob(os.path.join(ROOT, pattern)))
# Files, pages and keys that look like parameters.
NO_PARAMETERS = {"gatepost_cf", "gatepost_tls_policy", "gatepost_policy", "gatepost_failures"}
# Of Postfix alone, or not honoured, and named as such.
POSTFIX_ONLY = {"smtpd_tls_dh1024_param_file", "smtpd_tls_dcert_file", "smtpd_tls_loglevel_maps"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_parameters_that_are_mentioned_exist(defaults, name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        mentioned = set(re.findall(r"\b(?:gatepost|smtpd_tls)_[a-z]\w*(?!\w*\(\d)", file.read()))
    assert mentioned - set(defaults) - set(metrics.defined()) <= NO_PARAMETERS | POSTFIX_ONLY


def anchors(path):
    """What a link into a document can name."""
    with open(path, encoding="utf-8") as file:
        headings = re.findall(r"^#+ (.*)$", file.read(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name.endswith(".md")])
def test_links_lead_somewhere(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", file.read())
    for path, anchor in links:
        target = os.path.join(ROOT, os.path.dirname(name), path) if path else os.path.join(ROOT, name)
        assert os.path.exists(target), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_every_document_is_in_the_index():
    for index in ("README.md", "docs/manual.md"):
        with open(os.path.join(ROOT, index), encoding="utf-8") as file:
            text = file.read()
        names = {os.path.basename(name) for name in DOCUMENTS if name.startswith("docs/")}
        assert {name for name in names if name not in text} <= {os.path.basename(index)}


def test_tests_that_the_promises_name_exist():
    with open(os.path.join(ROOT, "SECURITY.md"), encoding="utf-8") as file:
        text = file.read()
    tests = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", text))
    files = set(re.findall(r"`([a-z]\w+_(?:test|fuzz)\.c)`", text))
    assert len(tests) > 50 and len(files) > 10
    missing = {name for name in files
               if not any(os.path.exists(os.path.join(ROOT, "tests", folder, name))
                          for folder in ("unit", "fuzz"))}
    for name, function in tests:
        path = os.path.join(ROOT, "tests/e2e", name)
        if not os.path.exists(path):
            missing.add(name)
            continue
        with open(path, encoding="utf-8") as file:
            if not re.search(rf"^def {function}\(", file.read(), re.M):
                missing.add(f"{name}::{function}")
    assert not missing


@pytest.mark.parametrize("heading", ["clients", "the man in the middle", "local users"])
def test_every_promise_is_shown(heading):
    with open(os.path.join(ROOT, "SECURITY.md"), encoding="utf-8") as file:
        text = file.read()
    section = text.split(f"## Promises against {heading}\n")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| ")][1:]
    assert rows and all(re.search(r"\| `\w+[.]\w+", row) for row in rows)
