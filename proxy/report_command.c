#include "proxy/report_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy_table.h"
#include "policy/text.h"

#include "proxy/report_write.h"

static bool (*const writers[])(const struct report_view *view) = {
    [REPORT_TEXT] = report_text_write,
    [REPORT_JSON] = report_json_write,
    [REPORT_CSV] = report_csv_write,
    [REPORT_HTML] = report_html_write};

double report_percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

enum report_order report_view_order(const struct report_view *view)
{
    return view->options->filter.failing ? REPORT_BY_FAILURES : REPORT_BY_MESSAGES;
}

const char *report_filter_text(const struct ledger_filter *filter, char *out, size_t size)
{
    struct text text = {0};
    char part[PREFIX_TEXT_SIZE];

    if (filter->since > 0) {
        time_t since = (time_t)filter->since;
        struct tm date;
        if (gmtime_r(&since, &date) != NULL && strftime(part, sizeof(part), "%Y-%m-%d", &date) > 0)
            text_format(&text, ", since %s", part);
    }
    if (filter->has_network) {
        prefix_format(&filter->network, part);
        text_format(&text, ", peers in %s", part);
    }
    if (filter->failing)
        text_format(&text, ", peers that failed");
    if (filter->protocol != NULL && strcmp(filter->protocol, "none") == 0)
        text_format(&text, ", peers that came without TLS");
    else if (filter->protocol != NULL)
        text_format(&text, ", peers that used %s", filter->protocol);
    snprintf(out, size, "%s", text.length > 0 ? text.data + 2 : "");
    text_free(&text);
    return out;
}

/* Collect and write. False after an error, which has been reported; but not one of OUT's. */
static bool write_report(struct report_view *view, const struct policy_table *table)
{
    const struct report_options *options = view->options;
    struct report *report = NULL;

    if (!ledger_read_choose(view->read, &options->filter))
        return false;
    if (options->format != REPORT_CSV) {
        report = report_collect(view->read, &options->filter, table);
        if (report == NULL)
            return false;
    }
    view->report = report;
    bool good = writers[options->format](view);
    report_free(report);
    return good;
}

/* Write to FILE by way of a new file beside it, so that nobody sees half a page. */
static bool write_file(struct report_view *view, const struct policy_table *table, const char *file,
                       struct diag *diag)
{
    struct text name = {0};
    struct stat there;
    bool good = false;
    mode_t mask = umask(0);

    umask(mask);
    /* A device or a pipe is written to as it is. */
    bool replace = stat(file, &there) != 0 || S_ISREG(there.st_mode);
    text_format(&name, replace ? "%s.XXXXXX" : "%s", file);
    int fd = replace ? mkstemp(name.data) : -1;
    view->out = replace ? (fd >= 0 ? fdopen(fd, "w") : NULL) : fopen(file, "w");
    if (view->out == NULL) {
        diag_error(diag, "%s: cannot be written: %s", file, strerror(errno));
        text_free(&name);
        return false;
    }
    bool written = write_report(view, table);
    int failed = ferror(view->out);
    if (replace && written && !failed && fchmod(fd, 0666 & ~mask) != 0)
        failed = 1;
    failed |= fclose(view->out);
    if (failed == 0 && written && replace)
        failed = rename(name.data, file);
    good = written && failed == 0;
    if (written && failed != 0)
        diag_error(diag, "%s: cannot be written: %s", file, strerror(errno));
    if (!good && replace)
        unlink(name.data);
    text_free(&name);
    return good;
}

int report_command(const struct config *config, const struct report_options *options, FILE *out,
                   struct diag *diag)
{
    struct report_view view = {.options = options,
                               .host = config_str(config, PARAM_myhostname),
                               .now = time(NULL),
                               .out = out};
    struct policy_table *table = policy_table_load(config, view.now, diag);
    int status = EX_NOINPUT;

    if (table == NULL)
        return EX_CONFIG;
    view.read = ledger_read_open(config, diag);
    if (view.read != NULL) {
        bool good;

        if (options->format == REPORT_HTML && strcmp(options->file, "-") != 0)
            good = write_file(&view, table, options->file, diag);
        else
            good = write_report(&view, table) && fflush(out) == 0;
        ledger_read_close(view.read);
        status = good ? 0 : 1;
    }
    policy_table_free(table);
    return status;
}
