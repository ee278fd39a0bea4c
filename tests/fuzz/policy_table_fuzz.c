/*
 * policy_table_fuzz.c: a table from any bytes, as a file and as the value of smtpd_tls_policy_maps:
 * what was read is found again, and never only a part of it without an error.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/policy_line.h"
#include "policy/policy_table.h"

#define NOW ((time_t)1900000000)

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "policy_table: %s\n", what);
        abort();
    }
}

static void check_text(void *ctx, enum diag_severity severity, const char *text)
{
    (void)ctx;
    (void)severity;
    check(*text != '\0', "empty finding");
}

struct seen {
    const struct policy_table *table;
    size_t valid;
    unsigned line;
    const char *file;
};

/* Its own address leads to each line, or to a longer prefix. */
static void check_line(void *ctx, const struct policy_match *line, bool expired)
{
    struct seen *seen = ctx;
    struct policy_match found;
    char address[64];
    uint8_t bytes[16];
    int family = strchr(line->prefix, ':') != NULL ? AF_INET6 : AF_INET;

    snprintf(address, sizeof(address), "%.*s", (int)strcspn(line->prefix, "/"), line->prefix);
    check(inet_pton(family, address, bytes) == 1, "prefix");
    check(line->settings < policy_table_settings_count(seen->table), "settings");
    check(line->file != seen->file || line->line > seen->line, "order");
    seen->file = line->file;
    seen->line = line->line;
    if (expired) {
        check(line->until != 0 && line->until <= NOW, "expired");
        return;
    }
    seen->valid++;
    check(line->until == 0 || line->until > NOW, "not expired");
    check(policy_table_lookup(seen->table, family, bytes, NOW, &found), "not found");
    check(atoi(strchr(found.prefix, '/') + 1) >= atoi(strchr(line->prefix, '/') + 1), "shorter");
}

static void check_settings(const struct policy_settings *settings)
{
    bool has_tls = settings->level == POLICY_LEVEL_MAY || settings->level == POLICY_LEVEL_ENCRYPT;

    check(settings->level >= POLICY_LEVEL_NONE && settings->level <= POLICY_LEVEL_REJECT, "level");
    check(has_tls ||
              (settings->protocols == NULL && settings->ciphers == NULL &&
               settings->exclude == NULL && settings->curves == NULL &&
               settings->cipherlist == NULL && settings->match == NULL &&
               settings->ccert == POLICY_CCERT_INHERIT && settings->tickets == POLICY_INHERIT),
          "attributes without TLS");
    check(settings->match == NULL ||
              (settings->ccert == POLICY_CCERT_REQUIRE && settings->level == POLICY_LEVEL_ENCRYPT),
          "match");
}

static void check_table(const char *maps)
{
    struct diag diag = {.sink = check_text};
    struct config_override override = {"smtpd_tls_policy_maps", maps};
    struct config *config = config_parse("F", "", 0, &override, 1, &diag);

    if (config == NULL)
        return;
    unsigned errors = diag.errors;
    struct policy_table *table = policy_table_load(config, NOW, &diag);
    check((table == NULL) == (diag.errors > errors), "error without a message, or the reverse");
    if (table != NULL) {
        struct seen seen = {.table = table};

        policy_table_each(table, check_line, &seen);
        check(seen.valid == policy_table_size(table), "size");
        for (size_t i = 0; i < policy_table_settings_count(table); i++)
            check_settings(policy_table_settings(table, i));
    }
    policy_table_free(table);
    config_free(config);
}

/* One line, from memory that ends with it. */
static void check_exact_line(const uint8_t *data, size_t size)
{
    static struct policy_line line;
    char error[256] = "";
    char *exact = malloc(size > 0 ? size : 1);

    check(exact != NULL, "out of memory");
    memcpy(exact, data, size);
    int status = policy_line_parse(exact, size, &line, error, sizeof(error));
    check(status == 0 || *error != '\0', "no message");
    if (status == 0)
        check_settings(&line.settings);
    free(exact);
}

static void check_file(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("table", MFD_CLOEXEC);

    check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "memfd");
    snprintf(path, sizeof(path), "cidr:/proc/self/fd/%d", fd);
    check_table(path);
    close(fd);
}

/* As a parameter, but without files that this process has nothing to do with. */
static void check_value(const uint8_t *data, size_t size)
{
    char *value = malloc(size + 1);

    check(value != NULL, "out of memory");
    memcpy(value, data, size);
    value[size] = '\0';
    if (strstr(value, ":/") == NULL && strchr(value, '$') == NULL)
        check_table(value);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8192)
        return 0;
    check_exact_line(data, size);
    check_file(data, size);
    check_value(data, size);
    return 0;
}
