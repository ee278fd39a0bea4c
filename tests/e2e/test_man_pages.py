"""The manual pages: complete, correct as mdoc(7), and readable with mandoc(1) and man(1)."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from harness.daemon import run_command
from harness.documents import build_pages

NEEDED = {"gatepost.8", "gatepost.cf.5", "gatepost_tls_policy.5", "gatepost_policy_service.5",
          "gatepost_failures.7"}
# Nothing of the language that a page is written in must reach the reader.
GARBAGE = re.compile(r"\\[(&e:]|^\s*\.[A-Z][a-z]\b|@[A-Z]+@", re.M)


@pytest.fixture(name="pages", scope="module")
def make_pages():
    """Path by name."""
    directory = build_pages()
    yield {os.path.basename(path): path for path in glob.glob(directory + "/*")}
    shutil.rmtree(directory)


def output_of(*command):
    """Standard output and error of a program that must succeed."""
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANROFFOPT": ""}
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                            check=False, env=environment)
    assert result.returncode == 0, result
    return result.stdout.decode(), result.stderr.decode()


def plain(text):
    """Without bold and underlined letters."""
    return re.sub(r".\x08|\x1b\[\d*m", "", text)


def test_every_command_has_a_page(pages):
    text = run_command("--help").stdout
    commands = re.findall(r"^  (\w+)", text.split("commands:")[1].split("options:")[0], re.M)
    assert len(commands) >= 12
    missing = {f"gatepost-{name}.1" for name in commands if name != "run"} - set(pages)
    assert not missing and NEEDED <= set(pages)


def test_every_option_is_in_its_page(pages):
    text = run_command("--help").stdout.split("commands:")[1]
    checked = 0
    for command, rest in re.findall(r"^  (\w+)(.*(?:\n {9}\[.*)*)", text.split("options:")[0], re.M):
        if "--" not in rest:
            continue
        shown = plain(output_of("mandoc", "-T", "ascii", pages[f"gatepost-{command}.1"])[0])
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown, f"{command} {option}"
            checked += 1
    assert checked >= 12


def test_every_parameter_is_in_its_page(pages, directory):
    with open(pages["gatepost.cf.5"], encoding="ascii") as file:
        listed = re.findall(r"^\.It Va (\w+)$", file.read().split(".Sh PARAMETERS\n")[1], re.M)
    with open(os.path.join(directory, "gatepost.cf"), "w", encoding="ascii"):
        pass
    result = run_command("-c", directory, "config", "-d")
    names = [line.split(" =")[0] for line in result.stdout.splitlines()]
    assert len(names) > 50 and listed[:len(names)] == names


def test_same_bytes_each_time(pages):
    again = build_pages()
    try:
        for name, path in pages.items():
            with open(path, "rb") as one, open(os.path.join(again, name), "rb") as other:
                assert one.read() == other.read(), name
    finally:
        shutil.rmtree(again)


def test_references_to_pages_lead_somewhere(pages):
    for path in pages.values():
        with open(path, encoding="ascii") as file:
            for name, section in re.findall(r"\bXr (gatepost\S*) (\d)", file.read()):
                assert f"{name}.{section}" in pages, path


def test_mandoc_has_nothing_to_say(pages):
    for path in pages.values():
        said, _ = output_of("mandoc", "-T", "lint", "-W", "warning", path)
        assert not said


def test_rendered_by_mandoc(pages):
    for path in pages.values():
        text, errors = output_of("mandoc", "-T", "utf8", path)
        assert not errors and not GARBAGE.search(plain(text)), GARBAGE.search(plain(text))
        assert re.search(r"^NAME$", plain(text), re.M)


@pytest.mark.slow
def test_rendered_by_groff(pages):
    for path in pages.values():
        text, errors = output_of("man", "--warnings=w", "--local-file", path)
        assert not errors and not GARBAGE.search(plain(text)), (path, errors)
        assert re.search(r"^NAME$", plain(text), re.M)
