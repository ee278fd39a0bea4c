/*
 * master_cf_fuzz.c: a master.cf, and behind a NUL byte a main.cf, through "gatepost import".
 * Whatever comes out must have the syntax of a gatepost.cf, and if the import found no error,
 * gatepost must take it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/import.h"
#include "policy/import_master.h"
#include "policy/maincf.h"
#include "policy/tls_policy.h"

static void check(int truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "import: %s\n", what);
        abort();
    }
}

/* The parser alone: the lines of services grow, and an error is reported if and only if it says so.
 */
static void parse(const char *text, size_t length)
{
    struct diag diag = {0};
    struct master_cf file;
    unsigned line = 0;
    int status = master_cf_parse("F", text, length, &file, &diag);

    check((status == 0) == (diag.errors == 0), "result and errors differ");
    for (size_t i = 0; i < file.count; i++) {
        check(file.services[i].line > line, "order of lines");
        line = file.services[i].line;
        for (size_t k = 0; k < file.services[i].option_count; k++)
            check(master_service_option(&file.services[i], file.services[i].options[k].name) !=
                      NULL,
                  "an option is not found");
    }
    master_cf_free(&file);
}

/* The output, read back. */
static void check_output(const char *output, size_t length, int status)
{
    struct diag diag = {0};
    struct maincf file;

    if (length == 0) {
        check(status == -1, "no output and no error");
        return;
    }
    check(maincf_parse("gatepost.cf", output, length, &file, &diag) == 0, "syntax");
    maincf_free(&file);
    if (status != 0)
        return;
    struct config *config = config_parse("gatepost.cf", output, length, NULL, 0, &diag);
    check(config != NULL, "not accepted");
    struct tls_policy *policy = tls_policy_from_config(config, &diag);
    check(policy != NULL, "no TLS policy");
    tls_policy_free(policy);
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *nul = size > 0 ? memchr(text, '\0', size) : NULL;
    size_t length = nul != NULL ? (size_t)(nul - text) : size;
    const struct import_source source = {"/p", nul != NULL ? nul + 1 : "",
                                         nul != NULL ? size - length - 1 : 0, text, length};
    struct diag diag = {0};
    char *output = NULL;
    size_t output_length = 0;

    parse(text, size);
    FILE *out = open_memstream(&output, &output_length);
    check(out != NULL, "memory");
    int status = import_text(&source, out, &diag);
    check(fclose(out) == 0, "memory");
    check((status == 0) == (diag.errors == 0), "result and errors differ");
    check_output(output, output_length, status);
    free(output);
    return 0;
}
