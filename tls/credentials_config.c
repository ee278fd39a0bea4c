/*
 * credentials_config.c: from a configuration to the files that credentials.c reads, and the
 * self-signed certificate of a daemon that has none. What is read, and what
 * tls_credentials_each_path tells, must be the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "policy/config.h"
#include "policy/text.h"
#include "tls/credentials.h"
#include "tls/selfsigned.h"
#include "tls/sni_maps.h"

#define SELFSIGNED_DAYS 3650

/* Does smtpd_tls_chain_files name anything? */
static bool has_chain_files(const struct config *config)
{
    const char *chains = config_str(config, PARAM_smtpd_tls_chain_files);
    size_t length;
    return text_next(&chains, TEXT_LIST_SEPARATORS, false, &length) != NULL;
}

/* Does CONFIG name a certificate, or say that there shall be none? */
static bool is_configured(const struct config *config)
{
    return has_chain_files(config) || *config_str(config, PARAM_smtpd_tls_cert_file) != '\0' ||
           *config_str(config, PARAM_smtpd_tls_eccert_file) != '\0';
}

/* Where the self-signed certificate is; owned by the caller. */
static char *selfsigned_path(const struct config *config)
{
    struct text path = {0};
    text_format(&path, "%s/%s", config_str(config, PARAM_gatepost_state_directory),
                TLS_SELFSIGNED_FILE);
    return text_take(&path);
}

int tls_credentials_make(const struct config *config, bool *made, struct diag *diag)
{
    static const enum tls_key_kind kinds[] = {TLS_KEY_ECDSA_P256, TLS_KEY_RSA_2048};
    struct stat info;
    bool written = false;
    int status = 0;
    char *path = selfsigned_path(config);
    if (!is_configured(config) && lstat(path, &info) != 0) {
        status = tls_selfsigned_write(path, config_str(config, PARAM_myhostname), SELFSIGNED_DAYS,
                                      kinds, sizeof kinds / sizeof kinds[0], diag);
        written = status == 0;
    }
    if (made != NULL) {
        *made = written;
    }
    free(path);
    return status;
}

struct tls_credentials *tls_credentials_load(const struct config *config,
                                             const struct tls_sni_list *sni, struct diag *diag)
{
    struct stat info;
    char *own = selfsigned_path(config);
    struct tls_credential_files files = {
        .chain_files = config_str(config, PARAM_smtpd_tls_chain_files),
        .cert_file = config_str(config, PARAM_smtpd_tls_cert_file),
        .key_file = config_str(config, PARAM_smtpd_tls_key_file),
        .eccert_file = config_str(config, PARAM_smtpd_tls_eccert_file),
        .eckey_file = config_str(config, PARAM_smtpd_tls_eckey_file),
        .sni = sni,
        .ocsp_suffix = config_str(config, PARAM_gatepost_ocsp_suffix),
    };
    if (!is_configured(config) && (lstat(own, &info) == 0 || errno != ENOENT)) {
        files.chain_files = own;
        diag_warning(diag,
                     "no certificate is configured (smtpd_tls_chain_files): using the self-signed "
                     "one in %s, which senders that verify certificates do not accept",
                     own);
    }
    struct tls_credentials *credentials = tls_credentials_from_files(&files, diag);
    free(own);
    return credentials;
}

/* Who is told paths, and what is appended to find OCSP responses. */
struct teller {
    tls_path_visitor *each;
    void *ctx;
    const char *ocsp_suffix;
};

/* A file with certificates, and the response that may be beside it. */
static void tell_chain_file(const struct teller *teller, const char *path)
{
    struct text response = {0};
    teller->each(teller->ctx, path);
    if (*teller->ocsp_suffix != '\0') {
        text_format(&response, "%s%s", path, teller->ocsp_suffix);
        teller->each(teller->ctx, response.data);
        text_free(&response);
    }
}

/* All files of LIST. */
static void tell_chain_files(const struct teller *teller, const char *list)
{
    const char *name;
    size_t length;
    while ((name = text_next(&list, TEXT_LIST_SEPARATORS, false, &length)) != NULL) {
        char *path = text_copy_n(name, length);
        tell_chain_file(teller, path);
        free(path);
    }
}

/* A certificate's file, and its key's. */
static void tell_pair(const struct teller *teller, const char *certificate, const char *key)
{
    if (*certificate == '\0' || strcasecmp(certificate, "none") == 0) {
        return;
    }
    tell_chain_file(teller, certificate);
    if (*key != '\0') {
        teller->each(teller->ctx, key);
    }
}

void tls_credentials_each_path(const struct config *config, const struct tls_sni_list *sni,
                               tls_path_visitor *each, void *ctx)
{
    const struct teller teller = {each, ctx, config_str(config, PARAM_gatepost_ocsp_suffix)};
    char *own = selfsigned_path(config);
    if (has_chain_files(config)) {
        tell_chain_files(&teller, config_str(config, PARAM_smtpd_tls_chain_files));
    } else if (is_configured(config)) {
        tell_pair(&teller, config_str(config, PARAM_smtpd_tls_cert_file),
                  config_str(config, PARAM_smtpd_tls_key_file));
        tell_pair(&teller, config_str(config, PARAM_smtpd_tls_eccert_file),
                  config_str(config, PARAM_smtpd_tls_eckey_file));
    } else {
        tell_chain_file(&teller, own);
    }
    for (size_t i = 0; sni != NULL && i < sni->count; i++) {
        tell_chain_files(&teller, sni->entries[i].files);
    }
    free(own);
}
