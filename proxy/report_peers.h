/*
 * report_peers.h: the peers of a report, one after the other, each with what it used, why it failed
 * and which lines of the policy applied to it. Strings are as in report_data.h.
 */
#ifndef GATEPOST_PROXY_REPORT_PEERS_H
#define GATEPOST_PROXY_REPORT_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/ledger_prune.h"
#include "proxy/ledger_read.h"
#include "proxy/report_data.h"

/* X(field): integers of the table "peer", in the order in which they are shown. */
#define REPORT_PEER_NUMBERS(X)                                                                     \
    X(first)                                                                                       \
    X(last)                                                                                        \
    X(sessions)                                                                                    \
    X(messages)                                                                                    \
    X(bytes)                                                                                       \
    X(cleartext_sessions)                                                                          \
    X(cleartext_messages)                                                                          \
    X(established)                                                                                 \
    X(resumed)                                                                                     \
    X(failed)

/* X(field): its texts; NULL: not known. */
#define REPORT_PEER_TEXTS(X)                                                                       \
    X(helo)                                                                                        \
    X(ccert_status)                                                                                \
    X(ccert_subject)                                                                               \
    X(ccert_fingerprint)

/* What a peer has several of, most sessions first; fields that a kind does not have are NULL. */
struct report_peer_row {
    char *words[4]; /* TLS: protocol, cipher, group, signature. Failure: kind, text, policy.
                     * Policy: file, level, line, listener */
    int64_t sessions;
    int64_t last;
};

struct report_peer_rows {
    size_t count;
    struct report_peer_row rows[LEDGER_CHILDREN_MAX];
};

struct report_peer {
    char address[LEDGER_PEER_TEXT_MAX];
#define REPORT_PEER_NUMBER(field) int64_t field;
    REPORT_PEER_NUMBERS(REPORT_PEER_NUMBER)
#undef REPORT_PEER_NUMBER
#define REPORT_PEER_TEXT(field) char *field;
    REPORT_PEER_TEXTS(REPORT_PEER_TEXT)
#undef REPORT_PEER_TEXT
    struct report_peer_rows tls;
    struct report_peer_rows failures; /* the last one first */
    struct report_peer_rows policies;
    struct report_chances chances; /* LAST 0: it never had one */
};

enum report_order {
    REPORT_BY_ADDRESS,
    REPORT_BY_MESSAGES, /* most first */
    REPORT_BY_FAILURES  /* most first */
};

/*
 * Call EACH for the first LIMIT peers (0: all) of those that SINCE and ledger_read_choose let
 * through. False after an error, which has been reported.
 */
bool report_peers(struct ledger_read *read, int64_t since, enum report_order order, int64_t limit,
                  void (*each)(void *ctx, const struct report_peer *peer), void *ctx);

#endif
