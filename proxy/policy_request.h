/*
 * policy_request.h: what Postfix asks a policy service (SMTPD_POLICY_README): lines of name=value,
 * ended by an empty line. Pure and bounded.
 */
#ifndef GATEPOST_PROXY_POLICY_REQUEST_H
#define GATEPOST_PROXY_POLICY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/mail_policy.h"

#include "proxy/client_address.h"

#define POLICY_REQUEST_MAX 65536 /* bytes of a request */
#define POLICY_STATE_MAX 24      /* bytes of protocol_state, with the NUL */

/* What is of interest here. */
struct policy_request {
    struct client_address client; /* family 0: not told */
    struct client_address server;
    char state[POLICY_STATE_MAX]; /* "RCPT"; "": not told */
    uint32_t recipient_count;
    char sender[MAIL_ADDRESS_MAX];
    char recipient[MAIL_ADDRESS_MAX];
    size_t length;     /* bytes of the request, if it is complete */
    const char *error; /* constant; what is wrong with it */
};

enum policy_request_result {
    POLICY_REQUEST_MORE, /* it is not complete */
    POLICY_REQUEST_DONE,
    POLICY_REQUEST_BAD /* nothing can be answered: hang up */
};

/* Parse the request at the beginning of LENGTH bytes. MORE is never said of POLICY_REQUEST_MAX
 * bytes or more. An attribute that comes twice has its last value. */
enum policy_request_result policy_request_parse(const char *text, size_t length,
                                                struct policy_request *request);

#endif
