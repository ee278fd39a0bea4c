/* ocsp.c: see ocsp.h. */
#include "tls/ocsp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include "tls/file.h"

#define OCSP_FILE_MAX 65536
#define EXPLICIT(number) (CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | (number))
#define IMPLICIT(number) (CBS_ASN1_CONTEXT_SPECIFIC | (number))

static const char not_ocsp[] = "not an OCSP response in DER form";

/* A GeneralizedTime as RFC 5280 section 4.1.2.5.2 wants it, YYYYMMDDHHMMSSZ, or 0. */
static time_t read_time(CBS text)
{
    char copy[16];
    struct tm when = {0};
    if (CBS_len(&text) != sizeof copy - 1) {
        return 0;
    }
    memcpy(copy, CBS_data(&text), sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    const char *end = strptime(copy, "%Y%m%d%H%M%SZ", &when);
    return end != NULL && *end == '\0' ? timegm(&when) : 0;
}

/* Get to the list of SingleResponses inside RESPONSE (RFC 6960 section 4.2.1). NULL, or why not. */
static const char *open_response(CBS response, CBS *list)
{
    static const uint8_t basic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
    CBS outer, status, wrapped, bytes, type, octets, signed_response, data, name;
    unsigned tag;
    if (!CBS_get_asn1(&response, &outer, CBS_ASN1_SEQUENCE) || CBS_len(&response) != 0 ||
        !CBS_get_asn1(&outer, &status, CBS_ASN1_ENUMERATED) || CBS_len(&status) != 1) {
        return not_ocsp;
    }
    if (CBS_data(&status)[0] != 0) {
        return "the responder did not answer successfully";
    }
    if (!CBS_get_asn1(&outer, &wrapped, EXPLICIT(0)) ||
        !CBS_get_asn1(&wrapped, &bytes, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&bytes, &type, CBS_ASN1_OBJECT) ||
        !CBS_get_asn1(&bytes, &octets, CBS_ASN1_OCTETSTRING)) {
        return not_ocsp;
    }
    if (!CBS_mem_equal(&type, basic, sizeof basic)) {
        return "not a basic OCSP response";
    }
    if (!CBS_get_asn1(&octets, &signed_response, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&signed_response, &data, CBS_ASN1_SEQUENCE) ||
        !CBS_get_optional_asn1(&data, NULL, NULL, EXPLICIT(0)) ||
        !CBS_get_any_asn1(&data, &name, &tag) || /* responderID */
        !CBS_get_asn1(&data, NULL, CBS_ASN1_GENERALIZEDTIME) ||
        !CBS_get_asn1(&data, list, CBS_ASN1_SEQUENCE)) {
        return not_ocsp;
    }
    return NULL;
}

/* Read the certStatus and the times of SINGLE. */
static bool read_status(CBS single, struct tls_ocsp *out)
{
    CBS status, next, when;
    unsigned tag;
    int has_next;
    if (!CBS_get_any_asn1(&single, &status, &tag) ||
        !CBS_get_asn1(&single, NULL, CBS_ASN1_GENERALIZEDTIME) ||
        !CBS_get_optional_asn1(&single, &next, &has_next, EXPLICIT(0))) {
        return false;
    }
    out->status = tag == IMPLICIT(0)   ? TLS_OCSP_GOOD
                  : tag == EXPLICIT(1) ? TLS_OCSP_REVOKED
                                       : TLS_OCSP_UNKNOWN;
    if (has_next && !CBS_get_asn1(&next, &when, CBS_ASN1_GENERALIZEDTIME)) {
        return false;
    }
    out->next_update = has_next ? read_time(when) : 0;
    return true;
}

const char *tls_ocsp_read(const uint8_t *der, size_t length, const uint8_t *serial,
                          size_t serial_length, struct tls_ocsp *out)
{
    CBS response, list, single, id, number;
    CBS_init(&response, der, length);
    const char *why = open_response(response, &list);
    if (why != NULL) {
        return why;
    }
    while (CBS_len(&list) > 0) {
        if (!CBS_get_asn1(&list, &single, CBS_ASN1_SEQUENCE) ||
            !CBS_get_asn1(&single, &id, CBS_ASN1_SEQUENCE) ||
            !CBS_get_asn1(&id, NULL, CBS_ASN1_SEQUENCE) ||
            !CBS_get_asn1(&id, NULL, CBS_ASN1_OCTETSTRING) ||
            !CBS_get_asn1(&id, NULL, CBS_ASN1_OCTETSTRING) ||
            !CBS_get_asn1_element(&id, &number, CBS_ASN1_INTEGER)) {
            return not_ocsp;
        }
        if (CBS_mem_equal(&number, serial, serial_length)) {
            return read_status(single, out) ? NULL : not_ocsp;
        }
    }
    return "it is for another certificate";
}

/* tls_ocsp_read for the leaf of CREDENTIAL. */
static const char *read_for(const struct tls_credential *credential, const uint8_t *der,
                            size_t length, struct tls_ocsp *out)
{
    uint8_t *serial = NULL;
    X509 *leaf = X509_parse_from_buffer(credential->chain[0]);
    int serial_length = leaf != NULL ? i2d_ASN1_INTEGER(X509_get_serialNumber(leaf), &serial) : -1;
    const char *why = serial_length > 0
                          ? tls_ocsp_read(der, length, serial, (size_t)serial_length, out)
                          : "the certificate's serial number cannot be read";
    OPENSSL_free(serial);
    X509_free(leaf);
    ERR_clear_error();
    return why;
}

/* Say what of a usable response may displease clients. */
static void report(const struct tls_ocsp *response, const char *path, struct diag *diag)
{
    if (response->status != TLS_OCSP_GOOD) {
        diag_warning(diag,
                     "%s: the response says that the certificate is %s: clients may refuse it",
                     path, response->status == TLS_OCSP_REVOKED ? "revoked" : "unknown");
    }
    if (response->next_update != 0 && response->next_update < time(NULL)) {
        diag_warning(diag, "%s: the response is out of date: clients may refuse it", path);
    }
}

/* Give the response at PATH to the leaf, from FILE, that it is for. */
static bool attach_file(struct tls_credentials *credentials, const char *file, const char *path,
                        struct diag *diag)
{
    uint8_t *der = NULL;
    size_t length = 0;
    const char *why = NULL;
    bool attached = false;
    if (tls_file_read(path, OCSP_FILE_MAX, &der, &length, diag) != 0) {
        return false;
    }
    for (size_t i = 0; i < credentials->count; i++) {
        struct tls_credential *credential = &credentials->items[i];
        struct tls_ocsp response;
        if (credential->file == NULL || strcmp(credential->file, file) != 0) {
            continue;
        }
        const char *why_not = read_for(credential, der, length, &response);
        if (why_not != NULL) {
            why = why_not;
        } else if ((credential->ocsp = CRYPTO_BUFFER_new(der, length, NULL)) != NULL) {
            attached = true;
            report(&response, path, diag);
        }
    }
    if (!attached) {
        diag_error(diag, "%s: cannot be stapled: %s", path, why != NULL ? why : "out of memory");
    }
    tls_file_free(der, length);
    return attached;
}

/* Has an earlier credential the same file as the one at INDEX? */
static bool seen_before(const struct tls_credentials *credentials, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (credentials->items[i].file != NULL &&
            strcmp(credentials->items[i].file, credentials->items[index].file) == 0) {
            return true;
        }
    }
    return false;
}

bool tls_ocsp_attach(struct tls_credentials *credentials, const char *suffix, struct diag *diag)
{
    bool good = true;
    for (size_t i = 0; i < credentials->count; i++) {
        const char *file = credentials->items[i].file;
        char *path = NULL;
        struct stat info;
        if (file == NULL || seen_before(credentials, i)) {
            continue;
        }
        if (asprintf(&path, "%s%s", file, suffix) < 0) {
            diag_error(diag, "%s: out of memory", file);
            return false;
        }
        bool absent = stat(path, &info) != 0 && errno == ENOENT;
        if (!absent) {
            good = attach_file(credentials, file, path, diag) && good;
        }
        free(path);
    }
    return good;
}
