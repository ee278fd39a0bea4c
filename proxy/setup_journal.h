/*
 * setup_journal.h: what "gatepost setup" has changed, so that it can be undone. A text file:
 *
 *     gatepost setup 1
 *     reload postfix reload
 *     stop systemctl disable --now gatepost.socket gatepost.service
 *     listener 127.0.0.1 25
 *     kept 0644 0 0 /etc/postfix/master.cf
 *     made /etc/gatepost/gatepost.cf
 *     complete
 *
 * The Nth file's copies lie beside it, as N.before and N.after. Without "complete" the setup did
 * not come to its end.
 */
#ifndef GATEPOST_PROXY_SETUP_JOURNAL_H
#define GATEPOST_PROXY_SETUP_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "policy/diag.h"

#define SETUP_JOURNAL_MAX_SIZE 65536
#define SETUP_FILES_MAX 16

/* A file that is changed. */
struct setup_file {
    char *path;   /* absolute; owned */
    bool existed; /* and had these: */
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

/* {0} is an empty one. Strings are owned, one line each. */
struct setup_journal {
    char *reload; /* command: Postfix reads its configuration anew */
    char *stop;   /* command: gatepost ends */
    char *host;   /* where gatepost listens, and Postfix did */
    char *port;
    struct setup_file files[SETUP_FILES_MAX];
    size_t count;
    bool complete;
};

/* Parse LENGTH bytes, named FILE_NAME in messages. Returns 0, or -1 after reporting to DIAG; then
 * JOURNAL is empty. */
int setup_journal_parse(const char *file_name, const char *text, size_t length,
                        struct setup_journal *journal, struct diag *diag);

/* Write it to OUT as above. Errors in writing show in OUT. */
void setup_journal_write(const struct setup_journal *journal, FILE *out);

void setup_journal_free(struct setup_journal *journal);

#endif
