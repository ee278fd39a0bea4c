/*
 * stage.h: a configuration on which the ledger's ClientHellos are rehearsed, and what would become
 * of a peer's sessions under it (rehearsals.h).
 */
#ifndef GATEPOST_PROXY_STAGE_H
#define GATEPOST_PROXY_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/config.h"
#include "policy/diag.h"

#include "tls/rehearsal.h"

#include "proxy/ledger_read.h"
#include "proxy/peer_walk.h"
#include "proxy/rehearsals.h"
#include "proxy/service.h"

/* Everything to do with the configuration of one or more listeners. */
struct stage {
    struct service *service;             /* with contexts that only rehearse. Owned. */
    struct tls_credentials *credentials; /* owned */
    struct rehearsals *rehearsals;       /* owned */
};

/* LABEL is what its policies are called in reasons. TWIN (or NULL) is another stage whose policy
 * table is used if it is the same. All must outlive it. False after reporting to DIAG; stage_end is
 * to be called in both cases. */
bool stage_begin(struct stage *stage, const char *label, const struct config *config,
                 const struct stage *twin, struct ledger_read *ledger, struct diag *diag);
void stage_end(struct stage *stage);

/* What becomes of a session. */
enum fate_kind {
    FATE_TLS,       /* the server agrees to a handshake */
    FATE_CLEARTEXT, /* it goes on without TLS */
    FATE_FAILED,    /* the handshake is refused */
    FATE_REFUSED,   /* nothing is accepted without TLS */
    FATE_CCERT,     /* a client certificate is demanded that this peer has not shown */
    FATE_REJECTED,  /* the policy says reject */
    FATE_UNKNOWN    /* the hello is not in the ledger */
};

struct fate {
    enum fate_kind kind;
    const struct tls_rehearsal *tls; /* FATE_TLS, FATE_FAILED, FATE_CCERT; owned by the stage */
};

/* Can mail be delivered? */
bool fate_delivers(const struct fate *fate);
/* Would anybody see a difference? */
bool fate_same(const struct fate *left, const struct fate *right);
/* FATE_FAILED: why, in words. */
const char *fate_reason(const struct fate *fate);
#define FATE_TEXT_MAX 256
/* "TLSv1.2 ECDHE-RSA-AES128-SHA x25519, RSA (2048 bits)", "fails: no shared cipher". Returns OUT.
 */
const char *fate_text(const struct fate *fate, char out[FATE_TEXT_MAX]);

/* The rule for PEER, and the line that says so (LINE 0: the main configuration). */
const struct tls_rule *stage_rule(const struct stage *stage, const struct walked_peer *peer,
                                  struct policy_match *match);

/* Its sessions without TLS; its sessions with HELLO. */
struct fate stage_cleartext(const struct stage *stage, const struct tls_rule *rule);
struct fate stage_hello(struct stage *stage, const struct tls_rule *rule,
                        const struct walked_peer *peer, int64_t hello);

/* stage_hello will be asked about it: for rehearsals_perform. */
void stage_expect(struct stage *stage, const struct tls_rule *rule, int64_t hello);

/* HELLO with CONTEXT, which keeps its NUMBER (those below 2 + the service's rules are taken); NULL:
 * the hello is not known. */
const struct tls_rehearsal *stage_rehearse(struct stage *stage, struct tls_context *context,
                                           unsigned number, int64_t hello);

#endif
