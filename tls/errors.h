/*
 * errors.h: BoringSSL's error queue in the words that OpenSSL and Postfix log, so that scripts
 * which read mail logs keep working.
 */
#ifndef GATEPOST_TLS_ERRORS_H
#define GATEPOST_TLS_ERRORS_H

#include <stdint.h>

struct tls_error {
    char reason[96]; /* "no shared cipher" */
    char text[320];  /* "error:100000B8:SSL routines::no shared cipher:../ssl/...cc:825:" */
};

/*
 * Take the error that says most from the queue (the oldest of the SSL library, else the oldest),
 * and empty the queue. An empty queue gives "unknown error". Numbers in TEXT are BoringSSL's own.
 */
void tls_error_take(struct tls_error *error);

/* The library refuses a malformed ClientHello without a word: say it for it, in the queue. */
void tls_error_put_malformed_hello(void);

#endif
