"""packaging/prometheus: rules and dashboard use metrics that exist, with labels that they have;
Prometheus' own tool finds nothing wrong; and the rules fire when they should."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness.client import Client, tls_context
from harness.metrics import ROOT, listen, scrape, series_names, wait_scrape

FOLDER = os.path.join(ROOT, "packaging/prometheus")
RULES = os.path.join(FOLDER, "gatepost-alerts.yml")
DASHBOARD = os.path.join(FOLDER, "gatepost-dashboard.json")
SCRAPED = {"instance", "job"}  # labels that Prometheus adds
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"),
                                    reason="no promtool (packaging/install-deps promtool)")


def read(path):
    """A file as text."""
    with open(path, encoding="ascii") as file:
        return file.read()


def rule_expressions():
    """The expressions of all alerts, by name; the file is simple enough for this."""
    found = {}
    for part in read(RULES).split("- alert: ")[1:]:
        name, rest = part.split("\n", 1)
        match = re.search(r"expr: (?:\|\n(.*?)\n        (?=\w)|(.*?)\n)", rest, re.S)
        found[name] = match[1] or match[2]
    return found


def dashboard_expressions():
    """The expressions of all panels and of what else the dashboard asks, by title."""
    board = json.loads(read(DASHBOARD))
    found = {f"{panel['title']} {target['refId']}": target["expr"]
             for panel in board["panels"] for target in panel["targets"]}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found[variable["name"]] = variable["query"]["query"]
    for annotation in board["annotations"]["list"]:
        found[annotation["name"]] = annotation["expr"]
    return found


def check(title, expression):
    """Every metric in it exists, and has the labels by which it is asked for."""
    names = series_names()
    used = re.findall(r"\b(gatepost_\w+)(?:\{([^}]*)\})?", expression)
    assert used or expression.startswith("up{"), title
    for name, matchers in used:
        assert name in names, f"{title}: there is no {name}"
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))
        assert asked <= names[name] | SCRAPED, f"{title}: {name} has no {asked - names[name]}"
    for labels in re.findall(r"\bby \(([^)]*)\)", expression):
        wanted = set(labels.replace(" ", "").split(",")) - SCRAPED
        assert all(wanted <= names[name] for name, _ in used), f"{title}: by ({labels})"


def test_every_expression():
    rules, board = rule_expressions(), dashboard_expressions()
    assert len(rules) == read(RULES).count("- alert:") and len(board) > 40
    for title, expression in (rules | board).items():
        check(title, expression)


def test_a_wrong_name_is_found():
    for expression in ("rate(gatepost_session_total[5m])", 'gatepost_workers{status="x"}',
                       "sum by (cipher) (gatepost_messages_total)"):
        with pytest.raises(AssertionError):
            check("wrong", expression)


def test_every_metric_is_watched():
    """What is not worth a panel or an alert is not worth counting, but for a few."""
    text = " ".join((rule_expressions() | dashboard_expressions()).values())
    used = set(re.findall(r"\bgatepost_\w+", text))
    unused = {name for name in series_names() if not name.endswith(("_sum", "_count", "_bucket"))
              and name not in used}
    assert unused <= {
        "gatepost_start_time_seconds", "gatepost_last_reload_success_timestamp_seconds",
        "gatepost_handshakes_limit", "gatepost_stress_begun_total", "gatepost_ledger_peers",
        "gatepost_second_chances_begun_total", "gatepost_second_chance_sessions_total",
        "gatepost_ledger_client_hellos"}, unused


def test_panels_do_not_overlap():
    panels = json.loads(read(DASHBOARD))["panels"]
    places = [(x, y) for panel in panels for grid in [panel["gridPos"]]
              for x in range(grid["x"], grid["x"] + grid["w"])
              for y in range(grid["y"], grid["y"] + grid["h"])]
    assert len(places) == len(set(places)) and max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@needs_promtool
def test_promtool_on_rules():
    result = subprocess.run(["promtool", "check", "rules", "--lint-fatal", RULES], text=True,
                            capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result


@needs_promtool
def test_promtool_on_configuration(directory):
    """The snippet is a configuration of its own."""
    text = read(os.path.join(FOLDER, "scrape.yml"))
    path = os.path.join(directory, "prometheus.yml")
    with open(path, "w", encoding="ascii") as file:
        file.write(text.replace("/etc/prometheus/gatepost-alerts.yml", RULES))
    result = subprocess.run(["promtool", "check", "config", path], text=True, capture_output=True,
                            check=False, timeout=60)
    assert result.returncode == 0, result


@needs_promtool
def test_promtool_on_a_page(make_gatepost, backend):
    daemon = listen(make_gatepost(backend.endpoint, start=False)).start()
    with Client(daemon.address, "127.0.0.2") as client:
        client.ehlo()
        client.starttls(tls_context())
        client.ehlo()
        client.deliver("someone@gatepost.test", b"Subject: x\r\n\r\ntext\r\n")
        client.quit()
    wait_scrape(daemon, lambda page: page.get("gatepost_sessions_open") == 0, "the end")
    result = subprocess.run(["promtool", "check", "metrics"], input=scrape(daemon).text, text=True,
                            capture_output=True, check=False, timeout=60)
    assert result.returncode == 0 and not result.stdout + result.stderr, result


# Series with a value each minute, and which alerts they are to set off after so many minutes.
FIRING = {
    "GatepostCertificateExpires": ("gatepost_certificate_expiry_timestamp_seconds", "864000x120",
                                   90),
    "GatepostCertificateExpiresSoon": ("gatepost_certificate_expiry_timestamp_seconds",
                                       "86400x120", 5),
    "GatepostBackendDown": ("gatepost_backend_up", "0x60", 5),
    "GatepostNoBackend": ("gatepost_backend_up", "0x60", 5),
    "GatepostStress": ("gatepost_stress", "1x60", 20),
    "GatepostProcessesDie": ("gatepost_process_restarts_total", "0 0 0 1x60", 10),
    "GatepostLimitHit": ('gatepost_limits_hit_total{limit="sessions"}', "0+5x60", 30),
    "GatepostReloadFailed": ("gatepost_last_reload_successful", "0x60", 10),
    "GatepostLedgerFails": ("gatepost_ledger_up", "0x60", 10),
    "GatepostWorkersMissing": ('gatepost_workers{state="serving"}', "0x60", 5),
    "GatepostServerKeyFails": ('gatepost_handshake_failures_total{reason="server_key"}',
                               "0 0 0 1x60", 10),
    "GatepostLogLoses": ("gatepost_log_records_dropped_total", "0 0 0 7x60", 10),
}


def unit_test(alert, fires):
    """A test for promtool: the alert fires, or a quiet series does not make it fire."""
    series, values, minutes = FIRING[alert]
    quiet = {"gatepost_backend_up": "1x60", "gatepost_last_reload_successful": "1x60",
             "gatepost_ledger_up": "1x60", 'gatepost_workers{state="serving"}': "2x60",
             "gatepost_certificate_expiry_timestamp_seconds": "99999999x120"}
    values = values if fires else quiet.get(series, "0x60")
    return f"""rule_files: [{RULES}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: '{series}'
        values: '{values}'
    promql_expr_test:
      - expr: count(ALERTS{{alertname="{alert}", alertstate="firing"}})
        eval_time: {minutes}m
        exp_samples: [{'{labels: "{}", value: 1}' if fires else ''}]
"""


@needs_promtool
@pytest.mark.parametrize("fires", [True, False])
def test_alerts_fire(directory, fires):
    paths = []
    for alert in FIRING:
        paths.append(os.path.join(directory, alert + ".yml"))
        with open(paths[-1], "w", encoding="ascii") as file:
            file.write(unit_test(alert, fires))
    result = subprocess.run(["promtool", "test", "rules", *paths], text=True, capture_output=True,
                            check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
