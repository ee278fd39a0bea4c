/*
 * ledger_names.h: the words that many rows of the ledger share (protocols, ciphers, reasons, lines
 * of policy tables), each with a number of its own. Bounded: what comes when there is no room is
 * "(other)". Words are made printable ASCII, since they come from other processes.
 */
#ifndef GATEPOST_PROXY_LEDGER_NAMES_H
#define GATEPOST_PROXY_LEDGER_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/observation.h"
#include "proxy/siphash.h"

#define LEDGER_NAMES_MAX 16384
#define LEDGER_NAME_MAX 255 /* bytes */
#define LEDGER_NAME_OTHER 0 /* the number of "(other)" */

struct ledger_names;

/* NULL: out of memory. */
struct ledger_names *ledger_names_new(const struct siphash_key *key);
void ledger_names_free(struct ledger_names *names);

/* The number of TEXT. Never changes. */
uint32_t ledger_names_find(struct ledger_names *names, struct observation_text text);

/* The word that has NUMBER. */
const char *ledger_names_text(const struct ledger_names *names, uint32_t number);

/* The word's id in the database, as its user keeps it; 0: none yet. */
int64_t *ledger_names_id(struct ledger_names *names, uint32_t number);

/* No word has an id any more. */
void ledger_names_forget_ids(struct ledger_names *names);

#endif
