/*
 * ledger_store.h: the ledger's database, as the one process that writes it sees it: batches go in,
 * each in one transaction, and what is beyond the bounds goes out (ledger_prune.h). After any error
 * it is closed; what was in the batch is lost, and what was in the database before is not.
 */
#ifndef GATEPOST_PROXY_LEDGER_STORE_H
#define GATEPOST_PROXY_LEDGER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/ledger_batch.h"
#include "proxy/ledger_prune.h"
#include "proxy/ledger_schema.h"

struct ledger_store;

#define LEDGER_HELLOS_MAX 65536
#define LEDGER_HELLO_BYTES_MAX (128 * 1024 * 1024)

/* PATH is copied. NULL: out of memory. */
struct ledger_store *ledger_store_new(const char *path, const struct ledger_bounds *bounds);
void ledger_store_free(struct ledger_store *store);

/* Open it (ledger_schema_open). Not LEDGER_OPENED: WHY (LEDGER_WHY_MAX bytes) says what is wrong.
 */
enum ledger_opened ledger_store_open(struct ledger_store *store, char *why);
bool ledger_store_is_open(const struct ledger_store *store);
void ledger_store_close(struct ledger_store *store);

/* Write BATCH, whose rows' and names' ids are used for that, and clear it, whatever comes of it. */
enum ledger_opened ledger_store_write(struct ledger_store *store, struct ledger_batch *batch,
                                      char *why);

/* Delete what is older than max_age. *MORE: call again. */
enum ledger_opened ledger_store_age(struct ledger_store *store, int64_t now, bool *more, char *why);

/* What is in it. */
const struct ledger_extent *ledger_store_extent(const struct ledger_store *store);

/* A damaged database is given another name, "....corrupt" (an earlier one of that name is gone).
 * False with errno: that cannot be done. The store must be closed. */
bool ledger_store_set_aside(const struct ledger_store *store);

#endif
