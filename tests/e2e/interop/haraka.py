"""Haraka: as a client, and as a backend that is told of clients by PROXY headers or XCLIENT."""

import json
import os

from harness.ports import free_port
from harness.unpacked import Missing
from harness.wait import wait_until

from .languages import installed, node_modules
from .peer import Peer, first_match, greets, inject

_ROUTES = """
const routes = require('./routes.json')
exports.hook_connect = (next, connection) => { connection.relaying = true; next(OK) }
exports.hook_get_mx = (next, hmail) => {
    const recipient = hmail.todo.rcpt_to[0].address
    const text = typeof recipient === 'function' ? hmail.todo.rcpt_to[0].address() : recipient
    next(OK, routes[text.split('.')[1]])
}
"""


def serve(place, port, plugins, **files):
    """Starts it with these plugins and more files of its configuration; waits until it serves."""
    settings = {"smtp.ini": f"listen=127.0.0.1:{port}\nnodes=0\n", "me": "mx.gatepost.test\n",
                "plugins": "\n".join(plugins) + "\n", "host_list": "gatepost.test\n",
                "log.ini": "[main]\nlevel=info\n", "outbound.ini": "inet_prefer=v4\n",
                "tls.ini": "[outbound]\nrejectUnauthorized=false\n"} | files
    for name, text in settings.items():
        place.write(f"config/{name}", text)
    os.makedirs(place.path("queue"), exist_ok=True)
    program = os.path.join(node_modules("Haraka"), "Haraka/bin/haraka")
    place.spawn(installed("node"), program, "-c", place.directory)


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
              {"BDAT": "sends with DATA only"})]
