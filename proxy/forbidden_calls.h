/*
 * forbidden_calls.h: only in programs built with --define=test_hooks=1, for the tests of the
 * sandbox.
 */
#ifndef GATEPOST_PROXY_FORBIDDEN_CALLS_H
#define GATEPOST_PROXY_FORBIDDEN_CALLS_H

#include <ev.h>

/* At SIGUSR1, do what the environment's GATEPOST_TEST_FORBIDDEN names; a word in the log if the
 * process is still there then. */
void forbidden_calls_watch(struct ev_loop *loop);

#endif
