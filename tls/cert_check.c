#include "tls/cert_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "policy/text.h"

#include "tls/name_match.h"
#include "tls/pem.h"

#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256
#define DNS_NAME_MAX 255
#define DATE_SIZE 32

/* What all findings of one call have in common. */
struct cert_check {
    const char *label;
    const char *hostname;
    time_t now;
    struct diag *diag;
};

/* "2027-01-31 12:00 UTC". */
static const char *date_text(time_t when, char out[DATE_SIZE])
{
    struct tm fields;
    if (gmtime_r(&when, &fields) == NULL ||
        strftime(out, DATE_SIZE, "%Y-%m-%d %H:%M UTC", &fields) == 0) {
        snprintf(out, DATE_SIZE, "an unknown date");
    }
    return out;
}

/* Not yet valid, expired, or about to: the leaf, or another certificate of the chain. */
static void check_dates(const struct cert_check *check, const struct tls_inventory_chain *chain)
{
    const time_t soon = check->now + (time_t)TLS_CERT_EXPIRES_SOON_DAYS * 24 * 3600;
    bool leaf = chain->not_after <= chain->chain_ends;
    time_t end = leaf ? chain->not_after : chain->chain_ends;
    const char *what = leaf ? "" : "an issuer's certificate in its chain ";
    char date[DATE_SIZE];

    if (check->now < chain->not_before) {
        diag_warning(check->diag, "%s: certificate %s is not valid before %s", check->label,
                     chain->subject, date_text(chain->not_before, date));
    }
    if (check->now > end) {
        diag_warning(check->diag, "%s: certificate %s: %sexpired on %s", check->label,
                     chain->subject, what, date_text(end, date));
    } else if (end < soon) {
        diag_warning(check->diag, "%s: certificate %s: %sexpires on %s", check->label,
                     chain->subject, what, date_text(end, date));
    }
}

/* Order and completeness. */
static void check_chain(const struct cert_check *check, const struct tls_inventory_chain *chain)
{
    if (!chain->in_order) {
        diag_warning(check->diag,
                     "%s: certificate %s: the chain is in the wrong order: each certificate has to"
                     " be followed by that of its issuer, or clients cannot verify it",
                     check->label, chain->subject);
    }
    if (chain->length == 1 && !chain->self_signed) {
        diag_warning(check->diag,
                     "%s: certificate %s: the chain is incomplete: its issuer's certificate is not"
                     " in the file, and nothing adds it, as OpenSSL does from smtpd_tls_CAfile",
                     check->label, chain->subject);
    }
}

/* Whether one of NAMES, separated by blanks, stands for HOST. */
static bool names_cover(const char *names, const char *host)
{
    size_t length;
    for (const char *name; (name = text_next(&names, " ", false, &length)) != NULL;) {
        if (tls_name_match(name, length, host)) {
            return true;
        }
    }
    return false;
}

/* Does the certificate stand for the host that clients connect to? */
static void check_names(const struct cert_check *check, const struct tls_inventory_chain *chain)
{
    const char *host = chain->sni[0] != '\0' ? chain->sni : check->hostname;
    bool below = host[0] == '.'; /* a server name map's entry for all names below a domain */
    char sample[DNS_NAME_MAX + 2];

    snprintf(sample, sizeof sample, "%s%s", below ? "x" : "", host);
    if (names_cover(chain->names, sample)) {
        return;
    }
    if (chain->names[0] == '\0') {
        diag_warning(check->diag,
                     "%s: certificate %s has no DNS names in its subjectAltName extension, where"
                     " clients look for %s",
                     check->label, chain->subject, host);
    } else if (strlen(chain->names) + DNS_NAME_MAX >= sizeof chain->names) {
        diag_info(check->diag,
                  "%s: certificate %s has too many DNS names to say whether one covers %s",
                  check->label, chain->subject, host);
    } else {
        diag_warning(check->diag, "%s: certificate %s does not cover %s%s, only: %s", check->label,
                     chain->subject, below ? "all names below " : "", host + (below ? 1 : 0),
                     chain->names);
    }
}

/* Key and signature. */
static void check_strength(const struct cert_check *check, const struct tls_inventory_chain *chain)
{
    bool rsa = strncmp(chain->key, "RSA", 3) == 0;
    bool ec = strncmp(chain->key, "ECDSA", 5) == 0;
    if ((rsa && chain->key_bits < RSA_BITS_MIN) || (ec && chain->key_bits < EC_BITS_MIN)) {
        diag_warning(check->diag, "%s: certificate %s: the key is weak: %s, less than %d bits",
                     check->label, chain->subject, chain->key, rsa ? RSA_BITS_MIN : EC_BITS_MIN);
    }
    /* Nobody relies on what a certificate says of itself. */
    if (!chain->self_signed && (strcasestr(chain->signature, "sha1") != NULL ||
                                strcasestr(chain->signature, "md5") != NULL)) {
        diag_warning(check->diag,
                     "%s: certificate %s is signed with %s, which clients do not accept any more",
                     check->label, chain->subject, chain->signature);
    }
}

/* Whether chain number INDEX is the first one for its server name and none for it has an RSA key.
 */
static bool lacks_rsa(const struct tls_inventory *inventory, size_t index)
{
    for (size_t i = 0; i < inventory->chain_count; i++) {
        if (strcasecmp(inventory->chains[i].sni, inventory->chains[index].sni) != 0) {
            continue;
        }
        if (i < index || strncmp(inventory->chains[i].key, "RSA", 3) == 0) {
            return false;
        }
    }
    return true;
}

void tls_check_chains(const struct tls_inventory *inventory, const char *label,
                      const char *hostname, time_t now, struct diag *diag)
{
    const struct cert_check check = {
        .label = label, .hostname = hostname, .now = now, .diag = diag};

    for (size_t i = 0; i < inventory->chain_count; i++) {
        const struct tls_inventory_chain *chain = &inventory->chains[i];
        check_dates(&check, chain);
        check_chain(&check, chain);
        check_names(&check, chain);
        check_strength(&check, chain);
        if (lacks_rsa(inventory, i)) {
            diag_warning(diag,
                         "%s: no RSA certificate%s%s, only %s (%s): clients that cannot verify such"
                         " a signature cannot use TLS",
                         label, chain->sni[0] != '\0' ? " for " : "", chain->sni, chain->key,
                         chain->subject);
        }
    }
}

/* Whether FILE holds a private key; what is wrong with the file is not said here. */
static bool has_key(const char *file)
{
    struct tls_pem_list list = {0};
    struct diag silent = {0};
    bool found = false;

    (void)tls_pem_load(&list, file, &silent);
    for (size_t i = 0; i < list.count; i++) {
        found = found || list.objects[i].key != NULL;
    }
    tls_pem_list_free(&list);
    return found;
}

void tls_check_key_file(const char *file, const char *label, struct diag *diag)
{
    struct stat status;
    if (stat(file, &status) != 0 || (status.st_mode & (S_IRGRP | S_IROTH)) == 0 || !has_key(file)) {
        return;
    }
    diag_warning(diag, "%s: %s has mode %04o: the private key in it can be read by %s", label, file,
                 (unsigned)(status.st_mode & 07777),
                 (status.st_mode & S_IROTH) != 0 ? "everybody" : "its group");
}
