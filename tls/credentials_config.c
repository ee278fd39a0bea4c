/* credentials_config.c: from a configuration to the files that credentials.c reads. */
#include "policy/config.h"

#include "tls/credentials.h"

struct tls_credentials *tls_credentials_load(const struct config *config, struct diag *diag)
{
    const struct tls_credential_files files = {
        .chain_files = config_str(config, PARAM_smtpd_tls_chain_files),
        .cert_file = config_str(config, PARAM_smtpd_tls_cert_file),
        .key_file = config_str(config, PARAM_smtpd_tls_key_file),
        .eccert_file = config_str(config, PARAM_smtpd_tls_eccert_file),
        .eckey_file = config_str(config, PARAM_smtpd_tls_eckey_file),
    };
    return tls_credentials_from_files(&files, diag);
}
