/*
 * report_options.h: what "gatepost report" was asked for.
 */
#ifndef GATEPOST_PROXY_REPORT_OPTIONS_H
#define GATEPOST_PROXY_REPORT_OPTIONS_H

#include <stdint.h>

#include "proxy/ledger_read.h"

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_CSV, REPORT_HTML };

struct report_options {
    struct ledger_filter filter;
    enum report_format format;
    const char *file; /* REPORT_HTML: where to; "-": standard output */
    int64_t limit;    /* how many peers to show; 0: as many as the format usually shows */
};

/*
 * Read ARGV, whose first is the command's name. NOW is unix seconds, for "7d". Strings are borrowed
 * from ARGV. Returns NULL, or what is wrong with it (in ERROR, of ERROR_SIZE bytes).
 */
const char *report_options_parse(int argc, char **argv, int64_t now, struct report_options *options,
                                 char *error, size_t error_size);

/* "2026-11-01" (UTC), or "7d" before NOW, as unix seconds; -1: it is neither. */
int64_t report_since_parse(const char *text, int64_t now);

#endif
