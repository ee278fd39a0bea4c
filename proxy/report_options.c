#include "proxy/report_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "policy/decimal.h"
#include "policy/text.h"

#define DAY_SECONDS 86400

int64_t report_since_parse(const char *text, int64_t now)
{
    struct tm date = {0};
    int length = 0;
    char *end;

    if (!text_is_digit(text[0]))
        return -1;
    errno = 0;
    long days = strtol(text, &end, 10);
    if (errno == 0 && end[0] == 'd' && end[1] == '\0' && days <= now / DAY_SECONDS)
        return now - (int64_t)days * DAY_SECONDS;
    /* Each is of four digits at most. NOLINTNEXTLINE(cert-err34-c) */
    if (sscanf(text, "%4d-%2d-%2d%n", &date.tm_year, &date.tm_mon, &date.tm_mday, &length) != 3 ||
        text[length] != '\0' || length != 10 || date.tm_year < 1970)
        return -1;
    const struct tm asked = date;
    date.tm_year -= 1900;
    date.tm_mon -= 1;
    time_t when = timegm(&date);
    /* The 31st of February would be a day in March. */
    return date.tm_mday == asked.tm_mday && date.tm_mon == asked.tm_mon - 1 ? (int64_t)when : -1;
}

/* Protocols under the names that the ledger has, however they are spelt. */
static const char *protocol_name(const char *text)
{
    static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "none"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(text, names[i]) == 0)
            return names[i];
    return strcasecmp(text, "TLSv1.0") == 0 ? names[0] : NULL;
}

/* One option with its value. False: ERROR says what is wrong. */
static bool take(struct report_options *options, int option, const char *value, int64_t now,
                 char *error, size_t size)
{
    struct ledger_filter *filter = &options->filter;
    uint64_t limit;

    switch (option) {
    case 's':
        filter->since = report_since_parse(value, now);
        snprintf(error, size, "report --since wants a date such as 2026-11-01, or days such as 7d");
        return filter->since >= 0;
    case 'p':
        filter->has_network = true;
        return prefix_parse(value, strlen(value), &filter->network, error, size) == 0;
    case 'f':
        filter->failing = true;
        return true;
    case 'P':
        filter->protocol = protocol_name(value);
        snprintf(error, size, "report --protocol wants TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 or none");
        return filter->protocol != NULL;
    case 'l':
        snprintf(error, size, "report --limit wants a number of peers");
        if (!decimal_read(value, INT64_MAX, &limit))
            return false;
        options->limit = (int64_t)limit;
        return limit > 0;
    default:
        snprintf(error, size, "report takes one of --json, --csv and --html FILE");
        if (options->format != REPORT_TEXT)
            return false;
        options->format = option == 'j' ? REPORT_JSON : option == 'c' ? REPORT_CSV : REPORT_HTML;
        options->file = value;
        return true;
    }
}

const char *report_options_parse(int argc, char **argv, int64_t now, struct report_options *options,
                                 char *error, size_t error_size)
{
    static const struct option known[] = {{"since", required_argument, NULL, 's'},
                                          {"peer", required_argument, NULL, 'p'},
                                          {"failing", no_argument, NULL, 'f'},
                                          {"protocol", required_argument, NULL, 'P'},
                                          {"limit", required_argument, NULL, 'l'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"csv", no_argument, NULL, 'c'},
                                          {"html", required_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;

    *options = (struct report_options){.format = REPORT_TEXT};
    optind = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?')
            return "report takes --since DATE|Nd, --peer CIDR, --failing, --protocol P, --limit N, "
                   "and --json, --csv or --html FILE";
        if (!take(options, option, optarg, now, error, error_size))
            return error;
    }
    return optind == argc ? NULL : "report takes no arguments but options";
}
