/*
 * describe.c: see describe.h. Which signature the server made can be asked of the newest libraries
 * only, and only during the handshake; the messages it sends show it with all of them.
 */
#include "tls/describe.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include "tls/names.h"
#include "tls/sni.h"

/* The message callback: look at what this side sends in TLS 1.3. (The older versions have messages
 * of the same types in another layout; nothing is reported for them.) */
static void on_message(int is_write, int version, int content_type, const void *bytes,
                       size_t length, SSL *ssl, void *arg)
{
    struct tls_handshake_notes *notes = arg;
    CBS message, body;
    uint8_t type;
    (void)version;
    tls_trace_message(notes->trace, is_write, content_type, bytes, length);
    if (!is_write || content_type != SSL3_RT_HANDSHAKE || SSL_version(ssl) != TLS1_3_VERSION) {
        return;
    }
    CBS_init(&message, bytes, length);
    if (!CBS_get_u8(&message, &type) || !CBS_get_u24_length_prefixed(&message, &body)) {
        return;
    }
    if (type == SSL3_MT_CERTIFICATE) {
        notes->presented = tls_sni_presented(notes->credentials, ssl, body);
    } else if (type == SSL3_MT_CERTIFICATE_VERIFY) {
        uint16_t scheme;
        notes->own_scheme = CBS_get_u16(&body, &scheme) ? scheme : 0;
    }
}

void tls_notes_begin(struct tls_handshake_notes *notes, SSL *ssl)
{
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, notes);
}

void tls_notes_end(SSL *ssl)
{
    SSL_set_msg_callback(ssl, NULL);
    SSL_set_msg_callback_arg(ssl, NULL);
}

/* Copy at most SIZE - 1 bytes of a text, always ending it. */
static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text != NULL ? text : "");
}

/* The first attribute NID of NAME as UTF-8; "" if there is none. One with a NUL inside would read
 * differently for different readers, and counts as absent. */
static void name_attribute(const X509_NAME *name, int nid, char *out, size_t size)
{
    *out = '\0';
    int place = X509_NAME_get_index_by_NID(name, nid, -1);
    const X509_NAME_ENTRY *entry = place >= 0 ? X509_NAME_get_entry(name, place) : NULL;
    if (entry == NULL) {
        return;
    }
    unsigned char *utf8 = NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (length > 0 && memchr(utf8, '\0', (size_t)length) == NULL) {
        snprintf(out, size, "%.*s", length, (const char *)utf8);
    }
    OPENSSL_free(utf8);
}

/* Names and standing of the client's certificate, and how it signed. */
static void describe_client(const SSL *ssl, X509 *certificate, struct tls_summary *summary)
{
    summary->peer = SSL_get_verify_result(ssl) == X509_V_OK ? TLS_PEER_TRUSTED : TLS_PEER_UNTRUSTED;
    name_attribute(X509_get_subject_name(certificate), NID_commonName, summary->client_cn,
                   sizeof summary->client_cn);
    const X509_NAME *issuer = X509_get_issuer_name(certificate);
    name_attribute(issuer, NID_commonName, summary->client_issuer, sizeof summary->client_issuer);
    if (*summary->client_issuer == '\0') {
        name_attribute(issuer, NID_organizationName, summary->client_issuer,
                       sizeof summary->client_issuer);
    }
    uint16_t scheme = SSL_get_peer_signature_algorithm(ssl);
    if (summary->resumed || scheme == 0 || SSL_version(ssl) != TLS1_3_VERSION) {
        return;
    }
    EVP_PKEY *key = X509_get_pubkey(certificate);
    tls_signature_name(scheme, key, summary->client_signature);
    copy_text(summary->client_digest, sizeof summary->client_digest, tls_signature_digest(scheme));
    EVP_PKEY_free(key);
}

/* What Postfix prints of TLS 1.3 only: group, and the server's signature if it made one. */
static void describe_exchange(const struct tls_handshake_notes *notes, struct tls_summary *summary)
{
    copy_text(summary->key_exchange, sizeof summary->key_exchange, summary->group);
    if (notes->own_scheme == 0 || summary->resumed) {
        return;
    }
    const EVP_PKEY *key = notes->presented != NULL ? notes->presented->key : NULL;
    tls_signature_name(notes->own_scheme, key, summary->server_signature);
    copy_text(summary->server_digest, sizeof summary->server_digest,
              tls_signature_digest(notes->own_scheme));
}

void tls_describe(const SSL *ssl, const struct tls_handshake_notes *notes,
                  struct tls_summary *summary)
{
    *summary = (struct tls_summary){.peer = TLS_PEER_ANONYMOUS};
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    summary->resumed = SSL_session_reused(ssl) != 0;
    copy_text(summary->protocol, sizeof summary->protocol, SSL_get_version(ssl));
    if (cipher != NULL) {
        copy_text(summary->cipher, sizeof summary->cipher, SSL_CIPHER_get_name(cipher));
        summary->cipher_bits = SSL_CIPHER_get_bits(cipher, &summary->cipher_algorithm_bits);
    }
    copy_text(summary->group, sizeof summary->group, tls_group_printed_name(SSL_get_curve_id(ssl)));
    if (SSL_version(ssl) == TLS1_3_VERSION) {
        describe_exchange(notes, summary);
    }
    X509 *certificate = SSL_get_peer_certificate(ssl);
    if (certificate != NULL) {
        describe_client(ssl, certificate, summary);
        X509_free(certificate);
    }
}
