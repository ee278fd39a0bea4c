/*
 * groups.c: see groups.h. One name that BoringSSL does not know makes it refuse the whole list, and
 * the newer one refuses duplicates as well, so each name is tried by itself on a scratch context.
 */
#include "tls/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>

#include "tls/names.h"

#define GROUP_NAME_MAX 32
#define SEPARATORS " \t\r\n,:/"

struct group_list {
    SSL_CTX *scratch;
    char names[TLS_GROUPS_MAX][GROUP_NAME_MAX];
    size_t count;
    char foreign[256]; /* names of groups that BoringSSL lacks, ", " between them */
    char unknown[256]; /* names of nothing */
};

/* Add NAME to a text of the form "a, b"; what does not fit is left out, and so are repetitions. */
static void note(char *text, size_t size, const char *name)
{
    size_t used = strlen(text), length = strlen(name);
    for (const char *p = text; (p = strcasestr(p, name)) != NULL; p++) {
        if ((p == text || p[-1] == ' ') && (p[length] == '\0' || p[length] == ',')) {
            return;
        }
    }
    if (used + length + 3 <= size) {
        snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
    }
}

static bool library_knows(struct group_list *groups, const char *name)
{
    bool known = strlen(name) < GROUP_NAME_MAX && strchr(name, ':') == NULL &&
                 SSL_CTX_set1_curves_list(groups->scratch, name) == 1;
    ERR_clear_error();
    return known;
}

static size_t find(const struct group_list *groups, const char *name)
{
    size_t i = 0;
    while (i < groups->count && strcmp(groups->names[i], name) != 0) {
        i++;
    }
    return i;
}

/* Append a name that the library knows, unless it is there already. */
static void add(struct group_list *groups, const char *name)
{
    if (groups->count < TLS_GROUPS_MAX && find(groups, name) == groups->count) {
        snprintf(groups->names[groups->count++], GROUP_NAME_MAX, "%s", name);
    }
}

static void drop(struct group_list *groups, const char *name)
{
    size_t place = find(groups, name);
    if (place < groups->count) {
        groups->count--;
        memmove(groups->names[place], groups->names[place + 1],
                (groups->count - place) * sizeof groups->names[0]);
    }
}

/* Add or drop what the library would use if it were not told: no getter for it exists. */
static void take_defaults(struct group_list *groups,
                          void (*take)(struct group_list *groups, const char *name))
{
    static const char *const names[] = {"X25519MLKEM768", "X25519", "P-256", "P-384"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (library_knows(groups, names[i])) {
            take(groups, names[i]);
        }
    }
}

/* One element of the operator's list. */
static void take_element(struct group_list *groups, const char *element)
{
    size_t prefix = strspn(element, "?*-");
    bool optional = memchr(element, '?', prefix) != NULL;
    bool removed = memchr(element, '-', prefix) != NULL;
    const char *spelling = element + prefix;
    if (strcasecmp(spelling, "DEFAULT") == 0) {
        take_defaults(groups, removed ? drop : add);
        return;
    }
    const char *name = tls_group_library_name(spelling);
    name = name != NULL ? name : spelling;
    if (*spelling == '\0' || !library_knows(groups, name)) {
        if (!optional && !removed) {
            bool foreign = tls_group_is_foreign(spelling) || tls_group_library_name(spelling);
            note(foreign ? groups->foreign : groups->unknown, sizeof groups->foreign,
                 *spelling != '\0' ? spelling : element);
        }
    } else if (removed) {
        drop(groups, name);
    } else {
        add(groups, name);
    }
}

/* Tell what of the list is not there. */
static void report(const struct group_list *groups, struct diag *diag)
{
    if (*groups->foreign != '\0') {
        diag_info(diag, "tls_eecdh_auto_curves: BoringSSL does not have %s; clients use another",
                  groups->foreign);
    }
    if (*groups->unknown != '\0') {
        diag_warning(diag, "tls_eecdh_auto_curves: no such group: %s", groups->unknown);
    }
}

/* Hand the collected names to CONTEXT. */
static bool install(SSL_CTX *context, const struct group_list *groups)
{
    char text[TLS_GROUPS_MAX * (GROUP_NAME_MAX + 1)] = "";
    size_t used = 0;
    for (size_t i = 0; i < groups->count; i++) {
        int length =
            snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ":" : "", groups->names[i]);
        used += (size_t)length;
    }
    return SSL_CTX_set1_curves_list(context, text) == 1;
}

bool tls_groups_apply(SSL_CTX *context, const char *list, struct tls_groups *result,
                      struct diag *diag)
{
    char *copy = strdup(list);
    struct group_list groups = {.scratch = SSL_CTX_new(TLS_server_method())};
    bool good = copy != NULL && groups.scratch != NULL;
    if (!good) {
        diag_error(diag, "tls_eecdh_auto_curves: out of memory");
    } else if (list[strspn(list, SEPARATORS)] == '\0') {
        take_defaults(&groups, add);
    } else {
        char *rest = NULL;
        for (char *element = strtok_r(copy, SEPARATORS, &rest); element != NULL;
             element = strtok_r(NULL, SEPARATORS, &rest)) {
            take_element(&groups, element);
        }
        report(&groups, diag);
    }
    if (good && (groups.count == 0 || !install(context, &groups))) {
        diag_error(diag, "tls_eecdh_auto_curves: BoringSSL has none of the groups \"%s\"", list);
        good = false;
    }
    result->count = groups.count;
    for (size_t i = 0; i < groups.count; i++) {
        result->ids[i] = tls_group_id(groups.names[i]);
    }
    ERR_clear_error();
    SSL_CTX_free(groups.scratch);
    free(copy);
    return good;
}
