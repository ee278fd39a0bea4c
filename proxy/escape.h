/*
 * escape.h: bytes from the network as Postfix shows them in log lines: "QUIT\r\n", "\000". Pure.
 */
#ifndef GATEPOST_PROXY_ESCAPE_H
#define GATEPOST_PROXY_ESCAPE_H

#include <stddef.h>

#define ESCAPE_MAX 100 /* bytes that are shown */
#define ESCAPE_TEXT_MAX (4 * ESCAPE_MAX + 1)

/* The first bytes of DATA: a backslash doubled, and what does not print as in C. Returns OUT. */
const char *escape_text(const char *data, size_t length, char out[ESCAPE_TEXT_MAX]);

#endif
