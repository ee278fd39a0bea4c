/*
 * ticket_keys.h: the keys that session tickets are encrypted with (RFC 5077 section 4), for all
 * processes of a daemon, or of several hosts behind one name, without a message between them.
 *
 * Time is cut into steps. Each step has a key: new tickets are made under that of the present step,
 * tickets of the step before are still understood, as Postfix's tlsmgr(8) does it. The keys are
 * computed, by one of two rules (HKDF, RFC 5869):
 *
 * - a secret made here, which each step replaces with one derived from it. Processes that were
 *   forked from each other agree by the clock. What has been replaced cannot be computed again, so
 *   that who reads a process's memory learns nothing of older tickets.
 * - the secret of a file and the number of the step since 1970. Hosts that have the file agree by
 *   the clock; the next step's tickets are understood too, since clocks differ a little. Who has
 *   the file can read every ticket; it is for the operator to replace it.
 */
#ifndef GATEPOST_TLS_TICKET_KEYS_H
#define GATEPOST_TLS_TICKET_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "policy/diag.h"

#define TLS_TICKET_NAME_LENGTH 16

struct tls_ticket_key {
    uint8_t name[TLS_TICKET_NAME_LENGTH];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
};

/* Reference counted. */
struct tls_ticket_keys;

/* How long each key is for new tickets, in seconds, if sessions may be resumed for TIMEOUT (above
 * 0). */
long tls_ticket_keys_step(long timeout);

/* A secret made now, with steps of STEP seconds; NOW is of tls_ticket_keys_clock(false). One
 * reference belongs to the caller. NULL: out of memory. */
struct tls_ticket_keys *tls_ticket_keys_new(long step, time_t now);

/*
 * The secret of FILE: 32 bytes at least, random ones, and 4096 at most. Warns of a file that others
 * may read or change. Returns NULL after reporting to DIAG.
 */
struct tls_ticket_keys *tls_ticket_keys_read(const char *file, long step, struct diag *diag);

struct tls_ticket_keys *tls_ticket_keys_ref(struct tls_ticket_keys *keys);
/* Wipes them with the last reference. NULL is fine. */
void tls_ticket_keys_unref(struct tls_ticket_keys *keys);

/* Could KEYS be used by a process with steps of STEP seconds and no file? */
bool tls_ticket_keys_serve(const struct tls_ticket_keys *keys, long step);

/* The clock that the steps are counted by, in seconds: since 1970 with a SHARED secret (one of a
 * file), since the machine's start without. */
time_t tls_ticket_keys_clock(bool shared);

/* The time by KEYS' own clock. */
time_t tls_ticket_keys_now(const struct tls_ticket_keys *keys);

/* Forget what is too old at NOW. The functions below do the same; this one is for processes that
 * have no use for a key for a long time. */
void tls_ticket_keys_advance(struct tls_ticket_keys *keys, time_t now);

/* The key for new tickets at NOW. */
const struct tls_ticket_key *tls_ticket_keys_current(struct tls_ticket_keys *keys, time_t now);

/* The key of this name, if tickets under it are still understood at NOW, or NULL. */
const struct tls_ticket_key *tls_ticket_keys_find(struct tls_ticket_keys *keys,
                                                  const uint8_t name[TLS_TICKET_NAME_LENGTH],
                                                  time_t now);

#endif
