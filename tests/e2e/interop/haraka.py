"""Haraka: as a client, and as a backend that is told of clients by PROXY headers or XCLIENT."""

import json
import os

from harness.ports import free_port
from harness.unpacked import Missing
from harness.wait import wait_until

from .languages import installed, node_modules
from .peer import Peer, first_match, greets, inject

# Nobody is asked for the names of addresses.
_NAMELESS = """
exports.hook_lookup_rdns = (next) => next(OK, 'unknown')
"""
_STORE = """
const fs = require('node:fs')
exports.hook_rcpt = (next) => next(OK)
exports.hook_queue = (next, connection) => {
    connection.transaction.message_stream.get_data((data) => {
        fs.writeFileSync(`${__dirname}/../mail/${connection.transaction.uuid}`, data)
        next(OK)
    })
}
"""
_ROUTES = """
const routes = require('./routes.json')
exports.hook_connect = (next, connection) => { connection.relaying = true; next() }
exports.hook_get_mx = (next, hmail) => {
    const recipient = hmail.todo.rcpt_to[0].address
    const text = typeof recipient === 'function' ? hmail.todo.rcpt_to[0].address() : recipient
    next(OK, routes[text.split('.')[1]])
}
"""


def serve(place, port, plugins, proxy=False):
    """Starts it with these plugins; with proxy it wants PROXY headers."""
    program = os.path.join(node_modules("Haraka"), "Haraka/bin/haraka")
    with open(os.path.join(node_modules("Haraka"), "Haraka/config/connection.ini"),
              encoding="utf-8") as file:  # it does without none of its settings
        connection = file.read()
    if proxy:
        connection = connection.replace("hosts[] =", "hosts[] = 127.0.0.1")
    place.write("plugins/nameless.js", _NAMELESS)
    settings = {"smtp.ini": f"listen=127.0.0.1:{port}\nnodes=0\n", "me": "mx.gatepost.test\n",
                "plugins": "\n".join(["nameless", *plugins]) + "\n", "host_list": "gatepost.test\n",
                "log.ini": "[main]\nlevel=info\n", "outbound.ini": "inet_prefer=v4\n",
                "connection.ini": connection,
                "tls.ini": "[outbound]\nrejectUnauthorized=false\n"}
    for name, text in settings.items():
        place.write(f"config/{name}", text)
    os.makedirs(place.path("queue"), exist_ok=True)
    place.spawn(installed("node"), program, "-c", place.directory)


def backend(place, protocol):
    """A server that stores what it gets in PLACE/mail; returns where it is."""
    port = free_port()
    os.makedirs(place.path("mail"))
    place.write("plugins/store.js", _STORE)
    serve(place, port, ["store"] + ["xclient"] * (protocol == "xclient"), protocol != "xclient")
    return f"inet:127.0.0.1:{port}"


def _send(place, jobs):
    port = free_port()
    place.write("plugins/routes.js", _ROUTES)
    place.write("plugins/routes.json", json.dumps({
        job.kind.name: {"exchange": job.host, "port": job.port, "priority": 0, "bind": job.source,
                        "bind_helo": "haraka.client.example"} for job in jobs}))
    serve(place, port, ["routes"])
    wait_until(lambda: greets(port), f"Haraka's start: {place.logs()}")
    for job in jobs:
        inject(port, job)
        place.site.arrived(job)


def haraka_version():
    """It needs Node.js 20."""
    node = first_match(r"v(\d+)", installed("node"), "--version")
    if int(node) < 20:
        raise Missing(f"Haraka needs Node.js 20 or later; this is {node}")
    return first_match(r'"version": "([^"]+)"', "cat",
                       os.path.join(node_modules("Haraka"), "Haraka/package.json"))


PEERS = [Peer("haraka", "Haraka (Node.js)", haraka_version, _send,
              {"BDAT": "sends with DATA only", "resumed": "does not keep TLS sessions",
               "8BITMIME": "never says BODY=; the 8-bit content arrived as it was"})]
