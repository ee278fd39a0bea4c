"""aiosmtplib_send.py CERTIFICATE LIST: delivers the messages of the list with aiosmtplib."""

import asyncio
import ssl
import sys

import aiosmtplib


async def main(certificate, jobs):
    """See above."""
    context = ssl.create_default_context(cafile=certificate)
    with open(jobs, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        host, port, source, sender, recipient, path, flags = line.split("\t")
        with open(path, "rb") as message:
            content = message.read()
        async with aiosmtplib.SMTP(
                hostname=host, port=int(port), local_hostname="aiosmtplib.client.example",
                start_tls=True, tls_context=context,
                source_address=None if source == "-" else (source, 0)) as session:
            options = ["BODY=8BITMIME"] if "8bit" in flags else []
            options += ["SMTPUTF8"] if "utf8" in flags else []
            await session.mail(sender, options=options, encoding="utf-8")
            await session.rcpt(recipient, encoding="utf-8")
            await session.data(content)


asyncio.run(main(*sys.argv[1:]))
