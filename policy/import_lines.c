/*
 * import_lines.c: what stands in main.cf, and in master.cf for port 25, becomes a list of lines.
 */
#include "policy/import_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/config.h"
#include "policy/known.h"
#include "policy/params.h"

#define MAX_NEAREST 100 /* looking for the nearest name takes time */
/* No reference in a value can name it. */
#define NO_NAME "\001"

/* Gatepost's own parameters that need more than being copied. */
static const struct {
    const char *name;
    enum import_fate fate;
    const char *reason;
} special[] = {
    {"maillog_file", IMPORT_KEEP, "Postfix's postlogd(8) goes on writing to this file too."},
    {"smtpd_tls_received_header", IMPORT_KEEP,
     "Postfix's Received: cannot say any more what it does not see; gatepost says it in a header "
     "field of its own, Received-TLS:."},
    {"smtpd_upstream_proxy_protocol", IMPORT_COMMENT,
     "If the proxy is to stand in front of gatepost, set this and "
     "gatepost_upstream_proxy_networks; "
     "see the manual, \"Behind a load balancer\"."},
    {"syslog_name", IMPORT_COMMENT,
     "Left to Postfix: with the same name in the log, each connection would be counted twice."},
};

/* Old names that gatepost's defaults refer to, as Postfix's do. */
static const char *const old_names[] = {"smtpd_client_connection_limit_exceptions",
                                        "smtpd_per_record_deadline"};

/* Postfix's TLS parameters that need no note elsewhere (noted.def), by the beginning of a name. */
static const struct {
    const char *prefix;
    const char *reason;
} tls_reasons[] = {
    {"postscreen_enforce_tls", "For clients of postscreen(8): it sees no TLS behind gatepost."},
    {"postscreen_tls_", "For clients of postscreen(8), which sees no TLS behind gatepost; "
                        "smtpd_tls_* here holds for all clients."},
    {"postscreen_use_tls", "For clients of postscreen(8): it sees no TLS behind gatepost."},
    {"smtpd_tls_trace_size_limit", "gatepost writes no TLS traces."},
    {"smtpd_tls_", "gatepost does not need it."},
    {"tls_daemon_random_bytes", "BoringSSL gets random numbers from the kernel, getrandom(2)."},
    {"tls_dane_", "For Postfix's SMTP client only."},
    {"tls_legacy_public_key_fingerprints", "Removed from Postfix 3.12; of no use here."},
    {"tls_random_", "BoringSSL gets random numbers from the kernel, getrandom(2)."},
    {"tls_wildcard_matches_multiple_labels", "For Postfix's SMTP client only."},
    {"tls_", "gatepost does not need it."},
    {"tlsproxy_client_", NULL},
    {"tlsproxy_",
     "tlsproxy(8) serves postscreen(8), which sees no TLS behind gatepost; smtpd_tls_* "
     "here holds for all clients."},
};

void import_reason(struct import_line *line, const char *format, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, format);
    int length = vasprintf(&text, format, ap);
    va_end(ap);
    if (length >= 0)
        text_format(&line->reasons, "%s\n", text);
    free(text);
}

bool import_is_param(const char *name, size_t length)
{
    return param_row_find(name, length) != NULL;
}

struct import_line *import_find(struct import *import, const char *name, size_t length)
{
    const struct setting *setting = settings_find(&import->settings, name, length);

    if (setting == NULL || (size_t)(setting - import->settings.all) >= import->count)
        return NULL;
    return &import->lines[setting - import->settings.all];
}

const char *import_value(struct import *import, const char *name)
{
    const struct import_line *line = import_find(import, name, strlen(name));

    return line != NULL && line->file != NULL ? line->written : NULL;
}

const char *import_main_value(const struct import *import, const char *name)
{
    const struct setting *setting = settings_find(&import->main_settings, name, strlen(name));

    return setting != NULL ? setting->value : NULL;
}

bool import_counts_in_main(const struct import *import, size_t index)
{
    const struct setting *setting = &import->main_settings.all[index];

    return settings_find(&import->main_settings, setting->name, strlen(setting->name)) == setting;
}

/* Append one setting and its line; the line is completed when all are there. */
static void add_line(struct import *import, const char *name, const char *value, const char *file,
                     unsigned line)
{
    if (import->count == 0 || (import->count >= 64 && (import->count & (import->count - 1)) == 0))
        import->lines = text_resize(import->lines, import->count == 0 ? 64 : import->count * 2,
                                    sizeof(*import->lines));
    settings_add(&import->settings, name, value, "", false);
    import->lines[import->count++] = (struct import_line){.file = file, .line = line};
}

/* Append the -o options of a service, which win over main.cf. */
static void add_options(struct import *import, const struct master_service *service)
{
    for (size_t i = 0; i < service->option_count; i++)
        add_line(import, service->options[i].name, service->options[i].value, "master.cf",
                 service->line);
}

/* Whether NAME was appended already. */
static bool is_given(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->count; i++) {
        if (strcmp(import->settings.all[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Whether one of gatepost's parameters depends on the compatibility level. */
static bool uses_level(const struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        const struct setting *setting = &import->settings.all[i];

        if (import_is_param(setting->name, strlen(setting->name)) &&
            strstr(setting->value, "compatibility_level") != NULL)
            return true;
    }
    return false;
}

/* Append what holds in Postfix without being said, and would not hold here. */
static void add_defaults(struct import *import)
{
    if (uses_level(import) && !is_given(import, "compatibility_level"))
        add_line(import, "compatibility_level", "0", NULL, 0);
    if (!is_given(import, "smtpd_tls_security_level"))
        add_line(import, "smtpd_tls_security_level", "none", NULL, 0);
}

/* Append everything in master.cf under no name: what it refers to is no typing error. */
static void add_references(struct import *import)
{
    for (size_t i = 0; i < import->master.count; i++) {
        const struct master_service *service = &import->master.services[i];

        settings_add(&import->settings, NO_NAME, service->others, "", false);
        for (size_t k = 0; k < service->option_count; k++)
            settings_add(&import->settings, NO_NAME, service->options[k].value, "", false);
    }
}

/* What is to be said of a parameter of Postfix that is about TLS, or NULL. */
static const char *tls_reason(const char *name)
{
    for (size_t i = 0; i < sizeof(tls_reasons) / sizeof(tls_reasons[0]); i++) {
        if (strncmp(name, tls_reasons[i].prefix, strlen(tls_reasons[i].prefix)) == 0)
            return tls_reasons[i].reason;
    }
    return NULL;
}

/* Decide on one of gatepost's own parameters. */
static void judge_param(struct import_line *line)
{
    line->fate = IMPORT_KEEP;
    if (strcmp(line->name, "stress") == 0 && strcmp(line->file, "main.cf") == 0) {
        line->fate = IMPORT_COMMENT;
        import_reason(line, "master(8) sets it with -o, so that it had no effect in main.cf; here "
                            "it would switch stress mode off or on for good.");
    }
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (strcmp(special[i].name, line->name) == 0) {
            line->fate = special[i].fate;
            import_reason(line, "%s", special[i].reason);
        }
    }
}

/* Decide on a parameter of Postfix that gatepost does not have. */
static void judge_foreign(struct import_line *line)
{
    const struct known_note *note = known_note_find(line->name);
    const char *reason = note == NULL ? tls_reason(line->name) : NULL;

    for (size_t i = 0; i < sizeof(old_names) / sizeof(old_names[0]); i++) {
        if (strcmp(old_names[i], line->name) == 0) {
            line->fate = IMPORT_KEEP;
            return;
        }
    }
    if (note == NULL && reason == NULL) {
        line->fate = IMPORT_STAYS;
        return;
    }
    line->fate = IMPORT_COMMENT;
    if (reason != NULL)
        import_reason(line, "%s", reason);
    else if (known_note_harmless(note, line->written))
        import_reason(line, "It is like that in gatepost anyway.");
}

/* Decide on a name that means nothing. */
static void judge_unused(struct import *import, struct import_line *line, size_t *searched)
{
    const char *nearest = (*searched)++ < MAX_NEAREST ? config_nearest_name(line->name) : NULL;

    line->fate = IMPORT_COMMENT;
    if (nearest == NULL) {
        import_reason(line, "Not a parameter, and no value refers to it: it had no effect.");
        return;
    }
    import_reason(line, "Not a parameter: it had no effect. Did you mean %s?", nearest);
    diag_warning(import->diag, "%s/%s, line %u: %.100s is not a parameter; did you mean \"%s\"?",
                 import->directory, line->file, line->line, line->name, nearest);
}

/* Say where a line that counts comes from, if that is not its place in main.cf. */
static void judge_origin(struct import *import, struct import_line *line)
{
    if (line->file == NULL && strcmp(line->name, "compatibility_level") == 0) {
        line->fate = IMPORT_KEEP;
        import_reason(line, "Not set in main.cf, where it is 0 by default, not as here.");
    } else if (line->file == NULL) {
        line->fate = IMPORT_KEEP;
    } else if (strcmp(line->file, "master.cf") == 0 && line->fate != IMPORT_STAYS) {
        const char *before = import_main_value(import, line->name);

        import_reason(line, "From master.cf, line %u: an -o option of the service on port 25%s%s%s",
                      line->line, before != NULL ? "; main.cf says \"" : ".",
                      before != NULL ? before : "", before != NULL ? "\"." : "");
    }
}

/* Decide on a line that a later one overrides. */
static void judge_overridden(struct import *import, struct import_line *line)
{
    const struct import_line *later = import_find(import, line->name, strlen(line->name));

    line->fate = IMPORT_COMMENT;
    if (later->fate == IMPORT_STAYS || line->role == SETTING_USER)
        line->fate = IMPORT_STAYS;
    else
        import_reason(line, "%s, line %u says something else, and that is what counts.",
                      later->file, later->line);
}

/* Decide what becomes of a line that counts. */
static void judge_effective(struct import *import, struct import_line *line, size_t *searched)
{
    switch (line->role) {
    case SETTING_PARAM:
        judge_param(line);
        break;
    case SETTING_FOREIGN:
        judge_foreign(line);
        break;
    case SETTING_USER:
        line->fate = IMPORT_STAYS; /* unless a value that is kept refers to it */
        break;
    case SETTING_UNUSED:
        judge_unused(import, line, searched);
        break;
    }
    judge_origin(import, line);
}

/* Complete all lines. */
static void judge(struct import *import)
{
    struct diag silent = {0};
    size_t searched = 0;

    settings_index(&import->settings);
    names_classify(&import->settings, &silent);
    for (size_t i = 0; i < import->count; i++) {
        struct import_line *line = &import->lines[i];
        const struct setting *setting = &import->settings.all[i];

        line->name = setting->name;
        line->written = setting->value;
        line->value = text_copy(setting->value);
        line->role = setting->role;
        line->effective = import_find(import, line->name, strlen(line->name)) == line;
        if (line->effective)
            judge_effective(import, line, &searched);
    }
    for (size_t i = 0; i < import->count; i++) {
        if (!import->lines[i].effective)
            judge_overridden(import, &import->lines[i]);
    }
}

void import_make_lines(struct import *import)
{
    for (size_t i = 0; i < import->main.count; i++)
        add_line(import, import->main.entries[i].name, import->main.entries[i].value, "main.cf",
                 import->main.entries[i].line);
    if (import->postscreen)
        add_options(import, import->front);
    if (import->handler != NULL)
        add_options(import, import->handler);
    add_defaults(import);
    add_references(import);
    judge(import);
}
