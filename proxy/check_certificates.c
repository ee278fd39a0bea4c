#include "proxy/check_certificates.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "policy/text.h"

#include "tls/cert_check.h"

void check_certificates(const char *label, const struct config *config,
                        const struct tls_inventory *inventory, struct diag *diag)
{
    tls_check_chains(inventory, label, config_str(config, PARAM_myhostname), time(NULL), diag);
}

/* Check each file of LIST. Returns whether there are any. */
static bool check_list(const char *label, const char *list, struct diag *diag)
{
    bool any = false;
    size_t length;

    for (const char *name; (name = text_next(&list, TEXT_LIST_SEPARATORS, false, &length)) != NULL;
         any = true) {
        char *file = text_copy_n(name, length);
        tls_check_key_file(file, label, diag);
        free(file);
    }
    return any;
}

void check_key_files(const char *label, const struct config *config, struct diag *diag)
{
    /* Each may hold a key, and several may be the same file. */
    const char *const files[] = {config_str(config, PARAM_smtpd_tls_key_file),
                                 config_str(config, PARAM_smtpd_tls_eckey_file),
                                 config_str(config, PARAM_smtpd_tls_cert_file),
                                 config_str(config, PARAM_smtpd_tls_eccert_file)};

    if (check_list(label, config_str(config, PARAM_smtpd_tls_chain_files), diag))
        return; /* it replaces the others */
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        bool seen = files[i][0] == '\0' || strcasecmp(files[i], "none") == 0;
        for (size_t j = 0; j < i; j++)
            seen = seen || strcmp(files[i], files[j]) == 0;
        if (!seen)
            tls_check_key_file(files[i], label, diag);
    }
}
