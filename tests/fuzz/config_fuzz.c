/*
 * config_fuzz.c: arbitrary bytes as a gatepost.cf, and as the lists inside of it. Whatever is
 * written, values stay within their bounds, and what is accepted can be derived from and listed.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/endpoint.h"
#include "policy/expand.h"
#include "policy/params.h"
#include "policy/tls_options.h"
#include "policy/tls_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop where a promise is broken. */
static void require(int truth)
{
    if (!truth)
        abort();
}

/* Findings are short, printable lines. */
static void check_finding(void *ctx, enum diag_severity severity, const char *text)
{
    (void)ctx;
    (void)severity;
    require(strlen(text) < 4096);
    for (; *text != '\0'; text++)
        require(*text >= ' ' && *text <= '~');
}

/* Every value of an accepted configuration keeps what its type promises. */
static void check_values(const struct config *config)
{
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        const struct param_row *row = &param_table[i];
        const char *text = config_str(config, (enum param)i);

        require(strlen(text) <= EXPAND_MAX_OUTPUT);
        if (row->type == PARAM_TYPE_INT)
            require(config_int(config, (enum param)i) >= row->min);
        else if (row->type == PARAM_TYPE_TIME)
            require(config_time(config, (enum param)i) >= row->min);
        else if (row->type != PARAM_TYPE_BOOL && row->type != PARAM_TYPE_AUTO)
            require(row->max == 0 || strlen(text) <= (size_t)row->max);
    }
}

/* Listings do not crash. */
static void check_listings(const struct config *config, struct diag *diag)
{
    static FILE *nowhere;

    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    require(nowhere != NULL);
    config_print(config, CONFIG_ALL, NULL, 0, nowhere, diag);
    config_print(config, CONFIG_NON_DEFAULT, NULL, 0, nowhere, diag);
}

/* The bytes as a file. */
static void try_file(const char *text, size_t size, struct diag *diag)
{
    struct config *config = config_parse("/etc/gatepost/gatepost.cf", text, size, NULL, 0, diag);
    struct listen_list list;

    if (config == NULL) {
        require(diag->errors > 0);
        return;
    }
    check_values(config);
    check_listings(config, diag);
    tls_policy_free(tls_policy_from_config(config, diag));
    if (listen_list_parse(config, &list, diag) == 0)
        require(list.count > 0);
    listen_list_free(&list);

    unsigned errors = diag->errors;
    struct config *same = config_derive(config, NULL, 0, diag);
    require(same != NULL && diag->errors == errors);
    for (size_t i = 0; i < PARAM_COUNT; i++)
        require(strcmp(config_str(same, (enum param)i), config_str(config, (enum param)i)) == 0);
    config_free(same);
    config_free(config);
}

/* The bytes as single values. */
static void try_values(const char *text, struct diag *diag)
{
    const struct config_override listen[] = {{"gatepost_listen", text}};
    struct endpoint endpoint;
    struct listen_list list;
    uint16_t min = 0;
    uint16_t max = 0;
    struct tls_options options;

    if (endpoint_parse(text, "gatepost_backend", &endpoint, diag) == 0)
        require(endpoint.kind == ENDPOINT_UNIX ? endpoint.path != NULL
                                               : endpoint.host != NULL && endpoint.port != NULL);
    endpoint_free(&endpoint);
    if (tls_protocols_parse(text, "smtpd_tls_protocols", &min, &max, diag) == 0)
        require(min >= TLS_VERSION_1_0 && min <= max && max <= TLS_VERSION_1_3);
    tls_options_parse(text, "tls_ssl_options", &options, diag);
    struct config *config = config_parse("F", "", 0, listen, 1, diag);
    if (config != NULL) {
        listen_list_parse(config, &list, diag);
        listen_list_free(&list);
    }
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag = {.sink = check_finding};
    char *text = malloc(size + 1);

    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    try_file((const char *)data, size, &diag);
    try_values(text, &diag);
    free(text);
    return 0;
}
