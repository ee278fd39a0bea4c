"""smtplib_send.py CERTIFICATE LIST: delivers the messages of the list with Python's smtplib."""

import smtplib
import ssl
import sys

CONTEXT = ssl.create_default_context(cafile=sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    for line in file:
        host, port, source, sender, recipient, path, flags = line.rstrip("\n").split("\t")
        with open(path, "rb") as message:
            content = message.read()
        bind = None if source == "-" else (source, 0)
        with smtplib.SMTP(host, int(port), "python.client.example", source_address=bind) as session:
            session.starttls(context=CONTEXT)
            session.ehlo()
            options = ["BODY=8BITMIME"] if "8bit" in flags else []
            options += ["SMTPUTF8"] if "utf8" in flags else []
            refused = session.sendmail(sender, [recipient], content, options)
            assert not refused, refused
