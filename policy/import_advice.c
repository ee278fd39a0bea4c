/*
 * import_advice.c: the commands that make the Postfix of this configuration the one behind
 * gatepost. postconf(1) -M takes a whole service in one argument, so that no half-made service ever
 * runs; its -P would not take values with blanks.
 */
#include "policy/import_internal.h"

#include <stdlib.h>
#include <string.h>

#define PROMPT "#$ "

/* Append an argument for a POSIX shell. */
static void add_quoted(struct text *out, const char *text)
{
    text_add_char(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            text_add_string(out, "'\\''");
        else
            text_add_char(out, *text);
    }
    text_add_char(out, '\'');
}

/* Append a command of Postfix with the directory that it is about. */
static void add_command(const struct import *import, const char *command, struct text *out)
{
    text_add_string(out, command);
    if (strcmp(import->directory, "/etc/postfix") == 0)
        return;
    text_add_string(out, " -c ");
    add_quoted(out, import->directory);
}

/* Whether braces in VALUE are balanced, so that it can stand in braces itself. */
static bool is_balanced(const char *value)
{
    unsigned level = 0;

    for (; *value != '\0'; value++) {
        if (*value == '{')
            level++;
        else if (*value == '}' && level-- == 0)
            return false;
    }
    return level == 0;
}

/* Append " -o name=value". */
static void add_option(const char *name, const char *value, struct text *out)
{
    if (!is_balanced(value))
        return;
    if (strpbrk(value, TEXT_LIST_SEPARATORS "{}") != NULL)
        text_format(out, " -o { %s = %s }", name, value);
    else
        text_format(out, " -o %s=%s", name, value);
}

bool import_is_carried(const char *name)
{
    static const char *const replaced[] = {
        "smtpd_enforce_tls",
        "smtpd_forbid_bare_newline",
        "smtpd_starttls_timeout",
        "smtpd_use_tls",
        "smtpd_upstream_proxy_protocol",
        "postscreen_enforce_tls",
        "postscreen_starttls_timeout",
        "postscreen_upstream_proxy_protocol",
        "postscreen_use_tls",
    };
    static const char *const prefixes[] = {"smtpd_tls_", "tls_", "postscreen_tls_", "tlsproxy_"};

    for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
        if (strcmp(name, replaced[i]) == 0)
            return false;
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return false;
    }
    return true;
}

/* Append a list of restrictions, without the one that gatepost has taken over. */
static void add_restrictions(struct import *import, const struct master_service *service,
                             const char *name, const char *value, struct text *out)
{
    if (import_checks_plaintext(import, name, value) && import_is_enforced(import, service)) {
        char *without = import_without_plaintext_check(import, name, value);

        add_option(name, without, out);
        free(without);
    } else {
        add_option(name, value, out);
    }
}

/* Append the options that a service had and that are not about TLS. */
static void add_carried(struct import *import, const struct master_service *service,
                        struct text *out)
{
    for (size_t i = 0; i < service->option_count; i++) {
        const struct master_option *option = &service->options[i];

        if (!import_is_carried(option->name) ||
            master_service_option(service, option->name) != option->value)
            continue;
        add_restrictions(import, service, option->name, option->value, out);
    }
    if (*service->others != '\0')
        text_format(out, " %s", service->others);
}

/* Append what main.cf says for all services and must not hold for this one. */
static void add_corrections(struct import *import, const struct master_service *service,
                            struct text *out)
{
    const char *sasl = import_main_value(import, "smtpd_sasl_tls_security_options");
    const char *wrapper = import_main_value(import, "smtpd_tls_wrappermode");

    if (wrapper != NULL && strcmp(wrapper, "no") != 0)
        add_option("smtpd_tls_wrappermode", "no", out);
    if (sasl != NULL && *sasl != '\0' && strchr(sasl, '$') == NULL &&
        import_is_auth_only(import, service) &&
        master_service_option(service, "smtpd_sasl_security_options") == NULL)
        add_option("smtpd_sasl_security_options", sasl, out);
    for (size_t i = 0; i < import->main.count; i++) {
        const struct import_line *line = &import->lines[i];

        if (import_counts_in_main(import, i) && import_is_enforced(import, service) &&
            master_service_option(service, line->name) == NULL &&
            import_checks_plaintext(import, line->name, line->written))
            add_restrictions(import, service, line->name, line->written, out);
    }
}

/* Append the options of an smtpd(8) behind gatepost. */
static void add_smtpd_options(struct import *import, const struct master_service *service,
                              bool proxied, struct text *out)
{
    if (proxied)
        add_option("smtpd_upstream_proxy_protocol", "haproxy", out);
    add_option("smtpd_tls_security_level", "none", out);
    add_option("smtpd_tls_auth_only", "no", out);
    add_option("smtpd_forbid_bare_newline", "normalize", out);
    add_corrections(import, service, out);
    add_carried(import, service, out);
}

/* Append "name type - - - - - ", with the columns of SERVICE. */
static void add_columns(const char *name, const struct master_service *service, const char *maxproc,
                        struct text *out)
{
    text_format(out, "%s %s", name, service->type);
    for (int i = 0; i < MASTER_MAXPROC; i++)
        text_format(out, " %s", service->columns[i]);
    text_format(out, " %s", maxproc != NULL ? maxproc : service->columns[MASTER_MAXPROC]);
}

/* Write the command that makes SPEC the service NAME/TYPE. */
static void write_service(const struct import *import, const char *prompt, const char *name,
                          const char *type, const struct text *spec, FILE *out)
{
    struct text command = {0};
    struct text argument = {0};

    add_command(import, "postconf", &command);
    text_add_string(&command, " -M ");
    text_format(&argument, "%s/%s=%s", name, type, spec->data);
    add_quoted(&command, argument.data);
    fprintf(out, "%s%s\n", prompt, command.data);
    text_free(&argument);
    text_free(&command);
}

/* Write the command that takes a service out of use. */
static void write_removal(const struct import *import, const char *prompt,
                          const struct master_service *service, FILE *out)
{
    struct text command = {0};
    struct text argument = {0};

    add_command(import, "postconf", &command);
    text_format(&argument, "%s/%s", service->name, service->type);
    text_add_string(&command, " -M# ");
    add_quoted(&command, argument.data);
    fprintf(out, "%s%s\n", prompt, command.data);
    text_free(&argument);
    text_free(&command);
}

/* Write the command for an smtpd(8) at PORT that takes over from SERVICE, whose columns are those
 * of COLUMNS. */
static void write_smtpd(struct import *import, const char *prompt,
                        const struct master_service *service, const struct master_service *columns,
                        unsigned port, FILE *out)
{
    struct text spec = {0};
    struct text name = {0};
    /* postscreen(8) is one process; the smtpd in its place is as many as are needed. */
    const char *maxproc = strcmp(columns->command, "postscreen") == 0 ? "-" : NULL;

    text_format(&name, "%s:%u", import->backend_host, port);
    add_columns(name.data, columns, maxproc, &spec);
    text_add_string(&spec, " smtpd");
    add_smtpd_options(import, service, true, &spec);
    write_service(import, prompt, name.data, "inet", &spec, out);
    text_free(&name);
    text_free(&spec);
}

/* Write the commands for the case that postscreen(8) stands on port 25. */
static void write_postscreen(struct import *import, const struct master_service *smtpd, FILE *out)
{
    struct text spec = {0};
    struct text name = {0};

    text_format(&name, "%s:%u", import->backend_host, import->backend_port);
    add_columns(name.data, import->front, NULL, &spec);
    text_add_string(&spec, " postscreen");
    add_option("postscreen_upstream_proxy_protocol", "haproxy", &spec);
    add_option("postscreen_tls_security_level", "none", &spec);
    add_carried(import, import->front, &spec);
    write_service(import, PROMPT, name.data, "inet", &spec, out);
    text_free(&spec);
    if (smtpd != NULL) {
        add_columns(smtpd->name, smtpd, NULL, &spec);
        text_format(&spec, " %s", smtpd->command);
        add_smtpd_options(import, smtpd, false, &spec);
        write_service(import, PROMPT, smtpd->name, smtpd->type, &spec, out);
    }
    text_free(&name);
    text_free(&spec);
}

/* Say what is different behind gatepost for postscreen(8). */
static void explain_postscreen(struct import *import, FILE *out)
{
    import_comment(
        out, "postscreen(8) keeps its place, behind gatepost: the PROXY protocol tells it the "
             "client's address, so its access list, DNS block lists and cache work as before. What "
             "changes: it has no TLS. gatepost connects to it late, at the client's first MAIL, so "
             "the wait of postscreen_greet_wait comes there, and only for clients that are not in "
             "its cache. Its tests of what the client sends (PREGREET, pipelining, non-SMTP "
             "commands, bare newlines) see gatepost, which behaves, and not the client.");
    if (import->handler == NULL)
        import_comment(out, "master.cf has no service smtpd/pass, which postscreen(8) needs.");
}

/* Write the commands for a master.cf without a service on port 25. */
static void write_new(struct import *import, const char *reload, FILE *out)
{
    static const struct master_service none = {.name = "",
                                               .type = "inet",
                                               .columns = {"n", "-", "n", "-", "-"},
                                               .command = "smtpd",
                                               .others = ""};

    write_smtpd(import, PROMPT, &none, &none, import->backend_port, out);
    fprintf(out, PROMPT "%s\n", reload);
    import_comment(out, "And start gatepost.");
}

/* Write the commands for an smtpd(8) on port 25: first one for gatepost is set up beside it. */
static void write_plain_front(struct import *import, const char *reload, FILE *out)
{
    write_smtpd(import, PROMPT, import->front, import->front, import->backend_port, out);
    fprintf(out, PROMPT "%s\n", reload);
    import_comment(out, "When gatepost check has nothing against it, the one on port 25 goes:");
    write_removal(import, PROMPT, import->front, out);
    fprintf(out, PROMPT "%s\n", reload);
    import_comment(out, "And gatepost is started at once.");
}

/* Write the commands for postscreen(8) on port 25, with the choice to do without it. */
static void write_screened_front(struct import *import, const char *reload, FILE *out)
{
    const struct master_service *smtpd = import->handler;

    /* Two of them at once would quarrel over the cache. */
    write_postscreen(import, smtpd, out);
    write_removal(import, PROMPT, import->front, out);
    fprintf(out, PROMPT "%s\n", reload);
    import_comment(out, "And gatepost is started at once.");
    fputs("#\n", out);
    import_comment(out, "Or, without postscreen(8), instead of the postconf lines above:");
    write_smtpd(import, "#   ", smtpd != NULL ? smtpd : import->front, import->front,
                import->backend_port, out);
    write_removal(import, "#   ", import->front, out);
}

/* Write the commands for the service on port 25. */
static void write_front(struct import *import, const char *reload, FILE *out)
{
    if (import->postscreen)
        write_screened_front(import, reload, out);
    else
        write_plain_front(import, reload, out);
}

void import_write_service_commands(struct import *import, const struct master_service *service,
                                   unsigned port, FILE *out)
{
    import_comment(out, "For %s/inet, if gatepost is to stand before it too:", service->name);
    write_smtpd(import, "#   ", service, service, port, out);
    write_removal(import, "#   ", service, out);
}

/* Write "cp" with master.cf and its copy in the one order or the other. */
static void write_copy(const struct import *import, const char *prompt, bool back, FILE *out)
{
    struct text names[2] = {{0}, {0}};
    struct text path = {0};

    text_format(&path, "%s/master.cf", import->directory);
    add_quoted(&names[0], path.data);
    text_add_string(&path, ".before-gatepost");
    add_quoted(&names[1], path.data);
    fprintf(out, "%scp -p %s %s\n", prompt, names[back].data, names[!back].data);
    text_free(&path);
    text_free(&names[0]);
    text_free(&names[1]);
}

void import_write_commands(struct import *import, FILE *out)
{
    struct text reload = {0};

    add_command(import, "postfix", &reload);
    text_add_string(&reload, " reload");
    import_comment(
        out, "The commands that put this Postfix behind gatepost. They change master.cf only; "
             "main.cf stays as it is, and so does the mail that Postfix sends.");
    if (import->postscreen)
        explain_postscreen(import, out);
    fputs("#\n", out);
    write_copy(import, PROMPT, false, out);
    if (import->front != NULL)
        write_front(import, reload.data, out);
    else
        write_new(import, reload.data, out);
    fputs("#\n", out);
    import_comment(out, "And back: stop gatepost, and");
    write_copy(import, "#   ", true, out);
    fprintf(out, "#   %s\n", reload.data);
    for (size_t i = 0; i < import->master.count; i++) {
        if (import->ports[i] == 0)
            continue;
        fputs("#\n", out);
        import_write_service_commands(import, &import->master.services[i], import->ports[i], out);
    }
    text_free(&reload);
}
