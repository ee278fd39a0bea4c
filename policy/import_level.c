/*
 * import_level.c: smtpd_tls_security_level, where main.cf says it, where it says it with the older
 * smtpd_use_tls and smtpd_enforce_tls, and where a restriction refuses what is not encrypted.
 */
#include "policy/import_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEVEL "smtpd_tls_security_level"

/* What a parameter is for a service, should gatepost stand before it. NULL: on port 25. */
static const char *find_value(struct import *import, const struct master_service *service,
                              const char *name)
{
    const struct import_line *line = import_find(import, name, strlen(name));
    const struct master_service *handler = import->handler;
    const char *value = service != NULL ? master_service_option(service, name) : NULL;

    if (value == NULL && service != NULL && service != handler && service != import->front &&
        handler != NULL && master_service_option(handler, name) != NULL)
        value = import_main_value(import, name); /* the option on port 25 is not for the others */
    else if (value == NULL && line != NULL)
        value = line->value;
    return value != NULL ? value : "";
}

/* Whether it is, expanded, a certain value. */
static bool has_value(struct import *import, const struct master_service *service, const char *name,
                      const char *expected)
{
    char *value = import_full_value(import, name, find_value(import, service, name));
    bool same = strcasecmp(value, expected) == 0;

    free(value);
    return same;
}

bool import_is_enforced(struct import *import, const struct master_service *service)
{
    return has_value(import, service, "smtpd_tls_wrappermode", "yes") ||
           has_value(import, service, LEVEL, "encrypt");
}

bool import_is_auth_only(struct import *import, const struct master_service *service)
{
    return import_is_enforced(import, service) ||
           has_value(import, service, "smtpd_tls_auth_only", "yes");
}

/* Give a line another value. */
static void set_value(struct import_line *line, const char *value)
{
    free(line->value);
    line->value = text_copy(value);
}

/* Say with a level what the older parameters say. */
static void replace_booleans(struct import *import, struct import_line *level)
{
    if (has_value(import, NULL, "smtpd_enforce_tls", "yes")) {
        set_value(level, "encrypt");
        import_reason(level, "In place of smtpd_enforce_tls.");
    } else if (has_value(import, NULL, "smtpd_use_tls", "yes")) {
        set_value(level, "may");
        import_reason(level, "In place of smtpd_use_tls.");
    } else {
        import_reason(level, "main.cf sets neither this nor smtpd_use_tls: Postfix offered no TLS "
                             "to its clients. Change it to may and STARTTLS is offered.");
    }
}

/* The older parameters do nothing once there is a level. */
static void drop_boolean(struct import *import, const char *name)
{
    struct import_line *line = import_find(import, name, strlen(name));

    /* With any other value Postfix does not run, and neither shall gatepost. */
    if (line == NULL ||
        !(has_value(import, NULL, name, "yes") || has_value(import, NULL, name, "no")))
        return;
    line->fate = IMPORT_COMMENT;
    import_reason(line, "smtpd_tls_security_level counts.");
}

/* The line with a restriction that refuses what is not encrypted, or NULL. */
static const struct import_line *find_plaintext_check(struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        const struct import_line *line = &import->lines[i];

        if (line->effective && import_checks_plaintext(import, line->name, line->written))
            return line;
    }
    return NULL;
}

/* That restriction cannot work behind gatepost: the level must do it, or less would be protected.
 */
static void raise_level(struct import *import, struct import_line *level)
{
    const struct import_line *check = find_plaintext_check(import);

    if (check == NULL || !has_value(import, NULL, LEVEL, "may"))
        return;
    set_value(level, "encrypt");
    import_reason(level,
                  "Was may. %s in %s, line %u, has reject_plaintext_session, which cannot work "
                  "behind gatepost. This does the same, but for all clients; smtpd_tls_policy_maps "
                  "can name exceptions.",
                  check->name, check->file, check->line);
    diag_warning(import->diag,
                 "%s/%s, line %u: %s: reject_plaintext_session becomes %s = encrypt, which is for "
                 "all clients",
                 import->directory, check->file, check->line, check->name, LEVEL);
}

void import_decide_level(struct import *import)
{
    struct import_line *level = import_find(import, LEVEL, strlen(LEVEL));

    if (level->file == NULL)
        replace_booleans(import, level);
    if (!has_value(import, NULL, LEVEL, "")) {
        drop_boolean(import, "smtpd_use_tls");
        drop_boolean(import, "smtpd_enforce_tls");
    }
    raise_level(import, level);
}
