/*
 * report_data.h: what "gatepost report" shows, but for the peers one by one (report_peers.h): added
 * up by the database or while it is read through, so that memory does not grow with the number of
 * peers. Strings are what the ledger has, with any bytes but NUL: report_escape.h.
 */
#ifndef GATEPOST_PROXY_REPORT_DATA_H
#define GATEPOST_PROXY_REPORT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy_table.h"

#include "proxy/ledger_read.h"

#define REPORT_DAYS_MAX 1000  /* of the trend, the last ones */
#define REPORT_SERIES_MAX 12  /* lines of a trend; the last takes up the rest */
#define REPORT_SHARES_MAX 128 /* different ciphers and so on; the last takes up the rest */
#define REPORT_FAILURES_MAX 200
#define REPORT_POLICIES_MAX 16384
#define REPORT_CHANCES_MAX 200

struct report_totals {
    int64_t peers;    /* single addresses */
    int64_t networks; /* rows for a whole network, of peers that fell out of the ledger's bounds */
    int64_t first;
    int64_t last;
    int64_t sessions;
    int64_t messages;
    int64_t bytes;
    int64_t cleartext_peers;
    int64_t cleartext_sessions;
    int64_t cleartext_messages;
    int64_t established;
    int64_t resumed;
    int64_t failed;
    int64_t failing_peers;
};

/* Which part of a session's protection a list of shares is about. */
#define REPORT_PARTS(X)                                                                            \
    X(PROTOCOL, "protocols", "Protocols")                                                          \
    X(CIPHER, "ciphers", "Ciphers")                                                                \
    X(GROUP, "groups", "Key exchange groups")                                                      \
    X(SIGNATURE, "signatures", "Server signatures")

enum report_part {
#define REPORT_PART(part, key, title) REPORT_##part,
    REPORT_PARTS(REPORT_PART)
#undef REPORT_PART
        REPORT_PART_COUNT
};

struct report_share {
    int64_t name_id;
    int64_t last_peer; /* while it is counted */
    char *name;
    int64_t peers;
    int64_t sessions;
    int64_t messages;
};

/* Most sessions first. */
struct report_shares {
    size_t count;
    struct report_share shares[REPORT_SHARES_MAX];
};

/* One reason, under one line of the policy. */
struct report_failure {
    char *kind;
    char *text;
    char *policy;
    int64_t count;
    int64_t peers;
    int64_t last;
    char peer[LEDGER_PEER_TEXT_MAX]; /* the one that failed last */
    char *helo;
};

/* A line that applied, compared with today's table. X(STATE, name in JSON, words) */
#define REPORT_LINES(X)                                                                            \
    X(MAIN, NULL, "")              /* the main configuration, or a second chance: no line */       \
    X(PRESENT, "present", "")      /* it is there */                                               \
    X(CHANGED, "changed", "now: ") /* its pattern is there, with something else behind it */       \
    X(GONE, "gone", "not in the table today")                                                      \
    X(UNKNOWN, "unknown", "what it said was not recorded then") /* by a ledger of version 1 */

enum report_line {
#define REPORT_LINE(state, name, words) REPORT_LINE_##state,
    REPORT_LINES(REPORT_LINE)
#undef REPORT_LINE
};

/* What applied to somebody. */
struct report_policy {
    char *file;  /* "main configuration", "gatepost_second_chance", or where the line is */
    char *line;  /* what it said: "192.0.2.17/32 may protocols=>=TLSv1"; main: "" */
    char *where; /* FILE, with the line's number if it is in today's table */
    char *level;
    enum report_line state;
    char *now; /* CHANGED: what it says today; else NULL */
    int64_t peers;
    int64_t sessions;
    int64_t established;
    int64_t failed;
    int64_t messages;
    int64_t last;
    char peer[LEDGER_PEER_TEXT_MAX]; /* the one to whom it applied last */
};

/* One that got gatepost_second_chance. */
struct report_chance {
    char peer[LEDGER_PEER_TEXT_MAX];
    char *helo;
    struct report_chances {
        int64_t begun;
        int64_t sessions; /* that it held in; and of them: */
        int64_t established;
        int64_t failed;
        int64_t messages;
        int64_t first; /* when one began */
        int64_t last;  /* when one began or held */
    } counts;
};

/* A line of today's table that has applied to nobody. */
struct report_unused {
    char *where;
    char *prefix;
    char *note; /* NULL: none */
};

/* Sessions a day, report.day_count of them. */
struct report_series {
    char *name;
    int64_t *days;
    int64_t total;
};

struct report_trend {
    size_t count;
    struct report_series series[REPORT_SERIES_MAX];
};

struct report {
    struct report_totals totals;
    struct report_shares parts[REPORT_PART_COUNT];
    struct report_failure *failures; /* most frequent first */
    size_t failure_count;
    struct report_shares kinds;     /* of failures; sessions: handshakes */
    struct report_policy *policies; /* main configuration first, then most sessions first */
    size_t policy_count;
    struct report_chance *chances; /* the last one first */
    size_t chance_count;
    int64_t chance_peers; /* how many there are */
    bool whole;           /* about everybody: the following are there */
    struct report_unused *unused;
    size_t unused_count;
    int64_t day_first; /* unix time / 86400 */
    size_t day_count;
    struct report_trend protocols; /* newest first, cleartext last */
    struct report_trend failed;    /* by kind */
};

/* "present"; NULL: it is no line. And what is to be said of it, behind its text; "": nothing. */
const char *report_line_name(enum report_line state);
const char *report_line_words(enum report_line state);

static inline const char *report_part_title(enum report_part part)
{
    static const char *const titles[] = {
#define REPORT_PART(part, key, title) title,
        REPORT_PARTS(REPORT_PART)
#undef REPORT_PART
    };
    return titles[part];
}

static inline const char *report_part_key(enum report_part part)
{
    static const char *const keys[] = {
#define REPORT_PART(part, key, title) key,
        REPORT_PARTS(REPORT_PART)
#undef REPORT_PART
    };
    return keys[part];
}

/*
 * Add up what READ has, for whom FILTER says (ledger_read_choose has been called with it); TABLE is
 * today's policy table. Returns what the caller gives to report_free, or NULL after an error, which
 * has been reported.
 */
struct report *report_collect(struct ledger_read *read, const struct ledger_filter *filter,
                              const struct policy_table *table);
void report_free(struct report *report);

#endif
