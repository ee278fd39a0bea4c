/*
 * ledger_batch.h: what observations come to, added up in memory, so that a client that comes a
 * hundred times a second costs the database one row a second. Rows are in the order in which they
 * were begun: a peer and a hello before the rows that refer to them. Pure but for memory.
 */
#ifndef GATEPOST_PROXY_LEDGER_BATCH_H
#define GATEPOST_PROXY_LEDGER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/ledger_names.h"
#include "proxy/observation.h"
#include "proxy/siphash.h"

/*
 * The kinds of rows: what a key's parts are, and what is counted.
 * X(KIND, parts, counts)
 */
#define LEDGER_ROWS(X)                                                                             \
    X(PEER, 4, 8)       /* address; enum ledger_peer_count */                                      \
    X(HELLO, 4, 1)      /* digest; sessions */                                                     \
    X(TLS, 4, 3)        /* names: protocol, cipher, group, signature; sessions, resumed, messages  \
                         */                                                                        \
    X(FAILURE, 3, 1)    /* names: kind, text, policy; sessions */                                  \
    X(POLICY_USE, 4, 6) /* names: listener, policy, line, level; sessions, established, failed,    \
                           cleartext, messages, cleartext messages */                              \
    X(PEER_HELLO, 2, 3) /* row of the hello, name: listener; established, failed, messages */      \
    X(CHANCE, 1, 5)     /* name: listener; begun; and where it held: sessions, established,        \
                           failed, messages */                                                     \
    X(DAY, 3, 2)        /* day, names: kind, value; sessions, messages */

enum ledger_row_kind {
#define LEDGER_ROW_KIND(kind, parts, counts) LEDGER_ROW_##kind,
    LEDGER_ROWS(LEDGER_ROW_KIND)
#undef LEDGER_ROW_KIND
        LEDGER_ROW_KINDS
};

enum ledger_peer_count {
    LEDGER_COUNT_SESSIONS,
    LEDGER_COUNT_MESSAGES,
    LEDGER_COUNT_BYTES,
    LEDGER_COUNT_CLEARTEXT_SESSIONS,
    LEDGER_COUNT_CLEARTEXT_MESSAGES,
    LEDGER_COUNT_ESTABLISHED,
    LEDGER_COUNT_FAILED,
    LEDGER_COUNT_RESUMED,
    LEDGER_PEER_COUNTS
};

#define LEDGER_NO_PEER UINT32_MAX

struct ledger_key {
    uint32_t kind;     /* enum ledger_row_kind */
    uint32_t of;       /* of a PEER: bytes of its address; else the peer's row, or none (DAY) */
    uint32_t parts[4]; /* those that the kind does not have are 0 */
};

struct ledger_row {
    struct ledger_key key;
    uint32_t next;   /* in its bucket: a row + 1 */
    uint32_t detail; /* of a PEER: in details. Of a HELLO: in hellos, + 1; 0: bytes not known */
    int64_t first;
    int64_t last;
    int64_t counts[LEDGER_PEER_COUNTS];
    int64_t id; /* in the database, once it is there. For the database's user. */
};

/* What was last known of a peer. Raw bytes; length 0: nothing new. */
struct ledger_detail {
    uint8_t helo_length;
    uint8_t subject_length;
    char helo[255];
    char subject[255];
    char fingerprint[97]; /* both as text */
    char status[17];
};

struct ledger_hello {
    uint8_t *bytes; /* owned */
    size_t length;
};

#define LEDGER_BATCH_ROWS 16384
#define LEDGER_BATCH_PEERS 2048
#define LEDGER_BATCH_HELLOS 256

struct ledger_batch {
    struct siphash_key key;
    struct ledger_names *names; /* owned; outlives what is in the batch */
    uint32_t row_count;
    uint32_t detail_count;
    uint32_t hello_count;
    uint64_t observations; /* that are in it */
    uint32_t buckets[LEDGER_BATCH_ROWS];
    struct ledger_row rows[LEDGER_BATCH_ROWS];
    struct ledger_detail details[LEDGER_BATCH_PEERS];
    struct ledger_hello hellos[LEDGER_BATCH_HELLOS];
};

/* KEY: nobody may know it. NULL: out of memory. */
struct ledger_batch *ledger_batch_new(const struct siphash_key *key);
void ledger_batch_free(struct ledger_batch *batch);

/* Is there room for another observation, whatever it is? */
bool ledger_batch_has_room(const struct ledger_batch *batch);

/* Add OBSERVATION; there must be room. NOW (unix seconds) takes the place of times that cannot be
 * true. */
void ledger_batch_add(struct ledger_batch *batch, const struct observation *observation,
                      int64_t now);

/* Empty it. */
void ledger_batch_clear(struct ledger_batch *batch);

#endif
