/*
 * request_clock.h: how long a client has kept a session waiting, in two ways: since the last byte
 * that moved (smtpd_timeout), and in all of this request (smtpd_per_request_deadline). A request is
 * all from the end of a command to the end of the next: its reply is taken, the next command
 * comes. Message content is a request of its own, to which each byte gives time
 * (smtpd_min_data_rate). Only waiting for the client counts, not waiting for the backend or for
 * gatepost itself.
 *
 * Pure: the time is given, in seconds of a clock that does not jump.
 */
#ifndef GATEPOST_PROXY_REQUEST_CLOCK_H
#define GATEPOST_PROXY_REQUEST_CLOCK_H

#include <stdbool.h>
#include <stddef.h>

struct request_clock {
    bool waiting;
    double moved; /* when the last byte came or went, or the wait began, if that was later */
    double since; /* while waiting: the time up to which SPENT has been counted */
    double spent; /* of the request's time; bytes of content give some back */
};

/* From now on the client is waited for, or not any more. Returns true if that was otherwise before.
 */
bool request_clock_wait(struct request_clock *clock, bool waiting, double now);

/* The next request begins. */
void request_clock_begin(struct request_clock *clock, double now);

/* Bytes came or went. */
void request_clock_moved(struct request_clock *clock, double now);

/* BYTES of content came, RATE (at least 1) of which are worth a second. */
void request_clock_earned(struct request_clock *clock, double now, size_t bytes, double rate);

/* When the client has waited for too long: TIMEOUT seconds, for the whole request (WHOLE) or for
 * the next byte. While the client is waited for. */
double request_clock_end(const struct request_clock *clock, double timeout, bool whole);

#endif
