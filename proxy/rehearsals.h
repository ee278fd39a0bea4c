/*
 * rehearsals.h: what ClientHellos of the ledger come to, each rehearsed once with each of the
 * contexts that want it, however many peers sent it; on all processors, if there are many.
 */
#ifndef GATEPOST_PROXY_REHEARSALS_H
#define GATEPOST_PROXY_REHEARSALS_H

#include <stdint.h>

#include "tls/rehearsal.h"

#include "proxy/ledger_read.h"

struct rehearsals;

/* LABEL, what policies are called in reasons, and LEDGER are borrowed. NULL after reporting. */
struct rehearsals *rehearsals_new(struct ledger_read *ledger, const char *label);
void rehearsals_free(struct rehearsals *rehearsals); /* NULL does no harm */

/* HELLO (its id) with CONTEXT, which keeps its NUMBER; NULL: the hello's bytes are not known. What
 * it returns lives as long as REHEARSALS. */
const struct tls_rehearsal *rehearsals_get(struct rehearsals *rehearsals,
                                           struct tls_context *context, unsigned number,
                                           int64_t hello);

/* The same will be asked: note it, for rehearsals_perform. */
void rehearsals_expect(struct rehearsals *rehearsals, struct tls_context *context, unsigned number,
                       int64_t hello);

/*
 * Rehearse all that is expected, in as many processes as there are processors. What cannot be done
 * that way is done when it is asked for. Contexts must not be freed between rehearsals_expect and
 * this.
 */
void rehearsals_perform(struct rehearsals *rehearsals);

#endif
