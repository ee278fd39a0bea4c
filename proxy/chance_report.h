/*
 * chance_report.h: what the master says about second chances (second_chance.h) on its control
 * socket: for "gatepost status", and for "gatepost policy", which asks about one address.
 */
#ifndef GATEPOST_PROXY_CHANCE_REPORT_H
#define GATEPOST_PROXY_CHANCE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/json.h"
#include "proxy/second_chance.h"
#include "proxy/service.h"

/* The control socket's command, with an address behind it. */
#define CHANCE_REPORT_COMMAND "second-chance "

/* A line, or an object "second_chance"; nothing if SERVICE has none. */
void chance_report_print(const struct second_chance *chance, const struct service *service,
                         FILE *out);
void chance_report_json(const struct second_chance *chance, const struct service *service,
                        struct json *json);

/* The answer to the command: for how many seconds ADDRESS has a chance yet. False: no address. */
bool chance_report_answer(const struct second_chance *chance, const struct service *service,
                          const char *address, FILE *out);

/* The other side: ask the daemon at SOCKET. Returns the seconds, 0 for none, or -1: it does not
 * answer. */
long chance_report_ask(const char *socket, const char *address);

#endif
