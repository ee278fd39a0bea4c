/*
 * diag.h: where findings about what an operator wrote are delivered.
 *
 * Everything that reads configuration reports through a struct diag and goes on as far as it
 * can, so that one run shows every mistake. The owner of the struct diag decides where the text
 * goes (terminal, log, a test's buffer). Texts are one line, without a newline, already fit to
 * be shown to a person: non-printable bytes of quoted input are replaced.
 */
#ifndef GATEPOST_POLICY_DIAG_H
#define GATEPOST_POLICY_DIAG_H

#include <stdarg.h>

enum diag_severity {
    DIAG_INFO,    /* worth saying, nothing to do */
    DIAG_WARNING, /* works, but not as literally written (stricter, ignored, deprecated) */
    DIAG_ERROR,   /* cannot be honoured: do not start, do not reload */
};

struct diag {
    void (*sink)(void *ctx, enum diag_severity severity, const char *text); /* may be NULL */
    void *ctx;
    unsigned warnings; /* counted by diag_add */
    unsigned errors;
};

/* Report one finding. The text is formatted into a bounded buffer (4096 bytes, cut with "...") and
 * bytes that do not print become '?'. */
void diag_add(struct diag *diag, enum diag_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define diag_info(diag, ...) diag_add((diag), DIAG_INFO, __VA_ARGS__)
#define diag_warning(diag, ...) diag_add((diag), DIAG_WARNING, __VA_ARGS__)
#define diag_error(diag, ...) diag_add((diag), DIAG_ERROR, __VA_ARGS__)

#endif
