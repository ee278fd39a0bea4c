/*
 * tlsa_command.h: "gatepost tlsa": the TLSA records to publish, as lines for a zone file.
 */
#ifndef GATEPOST_PROXY_TLSA_COMMAND_H
#define GATEPOST_PROXY_TLSA_COMMAND_H

#include <stddef.h>
#include <stdio.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "proxy/dane_offers.h"

/* NEXT: files with certificates that are coming, NEXT_COUNT of them. Returns the exit status. */
int tlsa_command(const struct config *config, const struct dane_question *question,
                 const char *const *next, size_t next_count, FILE *out, struct diag *diag);

#endif
