/*
 * errors.c: see errors.h. BoringSSL gives reasons as NAMES_LIKE_THIS; OpenSSL's texts are the same
 * words in lower case, apart from the few in the table.
 */
#include "tls/errors.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "tls/library.h"

/* Reasons that OpenSSL calls otherwise. */
static const struct {
    const char *library;
    const char *openssl;
} renamed[] = {
    {"CLIENTHELLO_PARSE_FAILED", "decode error"},
    {"NO_SHARED_GROUP", "no suitable key share"},
    {"NO_COMMON_SIGNATURE_ALGORITHMS", "no suitable signature algorithm"},
    {"TLSV1_ALERT_CERTIFICATE_REQUIRED", "tlsv13 alert certificate required"},
    {"TLSV1_ALERT_MISSING_EXTENSION", "tlsv13 alert missing extension"},
    {"TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE", "tlsv1 certificate unobtainable"},
    {"TLSV1_ALERT_UNSUPPORTED_EXTENSION", "tlsv1 unsupported extension"},
    {"TLSV1_ALERT_UNRECOGNIZED_NAME", "tlsv1 unrecognized name"},
    {"TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE", "tlsv1 bad certificate status response"},
    {"TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE", "tlsv1 bad certificate hash value"},
};

/* The reason of a packed error code, in lower case and OpenSSL's words, into OUT (SIZE bytes). */
static void write_reason(uint32_t packed, char *out, unsigned long size)
{
    const char *symbol = ERR_reason_error_string(packed);
    if (symbol == NULL) {
        snprintf(out, size, "reason(%d)", (int)ERR_GET_REASON(packed));
        return;
    }
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        if (strcmp(symbol, renamed[i].library) == 0) {
            snprintf(out, size, "%s", renamed[i].openssl);
            return;
        }
    }
    snprintf(out, size, "%s", symbol);
    for (char *p = out; *p != '\0'; p++) {
        *p = *p == '_' ? ' ' : (char)tolower((unsigned char)*p);
    }
}

/* The source file as OpenSSL's packages show it: "../ssl/...", not where the library was built. */
static const char *source_path(const char *file)
{
    const char *found = NULL;
    static const char *const rooms[] = {"ssl/", "crypto/"};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0] && found == NULL; i++) {
        for (const char *p = file; (p = strstr(p, rooms[i])) != NULL; p++) {
            if (p == file || p[-1] == '/') {
                found = p;
            }
        }
    }
    return found != NULL ? found : file;
}

/* Write ERROR for one entry of the queue. */
static void describe(struct tls_error *error, uint32_t packed, const char *file, int line,
                     const char *data)
{
    write_reason(packed, error->reason, sizeof error->reason);
    const char *library = ERR_lib_error_string(packed);
    snprintf(error->text, sizeof error->text, "error:%08X:%s::%s:../%s:%d:%s", (unsigned)packed,
             library != NULL ? library : "unknown library", error->reason, source_path(file), line,
             data);
}

void tls_error_take(struct tls_error *error)
{
    const char *file, *data;
    int line, flags;
    bool found = false, found_ssl = false;
    uint32_t packed;
    while ((packed = ERR_get_error_line_data(&file, &line, &data, &flags)) != 0) {
        bool is_ssl = ERR_GET_LIB(packed) == ERR_LIB_SSL;
        if (!found || (is_ssl && !found_ssl)) {
            bool has_text = data != NULL && (flags & ERR_FLAG_STRING) != 0;
            describe(error, packed, file, line, has_text ? data : "");
        }
        found = true;
        found_ssl = found_ssl || is_ssl;
    }
    if (!found) {
        snprintf(error->reason, sizeof error->reason, "unknown error");
        snprintf(error->text, sizeof error->text, "error:00000000:lib(0)::unknown error:::");
    }
}

void tls_error_put_malformed_hello(void)
{
    ERR_put_error(ERR_LIB_SSL, 0, SSL_R_CLIENTHELLO_PARSE_FAILED, "ssl/handshake_server.cc", 0);
}
