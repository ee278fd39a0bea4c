"""A daemon with a policy table, and what `gatepost policy` says about it."""

import json

from .daemon import run_command


def write_table(daemon, lines, name="tls_policy.cidr"):
    """Writes a table into the daemon's directory; returns it as a map. lines: text, or a list."""
    text = lines if isinstance(lines, str) else "".join(line + "\n" for line in lines)
    with open(daemon.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return "cidr:" + daemon.path(name)


def use_table(daemon, lines):
    """Makes this the daemon's only table. It must not be running."""
    daemon.write_config(smtpd_tls_policy_maps=write_table(daemon, lines))
    return daemon


def in_directory(daemon, *arguments):
    """gatepost -c DIRECTORY ARGUMENTS, with the daemon's configuration."""
    return run_command("-c", daemon.directory, *arguments)


def said(result):
    """Everything that a command said."""
    return result.stdout + result.stderr


def ask_policy(daemon, address, *options):
    """gatepost policy --json, as a dictionary."""
    result = in_directory(daemon, "policy", address, "--json", *options)
    assert result.returncode == 0, result
    return json.loads(result.stdout)
