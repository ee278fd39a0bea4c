/* tickets.c: see tickets.h. */
#include "tls/tickets.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define IV_LENGTH 16

/* What the library wants to hear. */
enum answer { TICKET_ERROR = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_RENEW = 2 };

struct tls_tickets {
    const EVP_CIPHER *cipher;
    struct tls_ticket_keys *keys; /* owned reference */
};

/* AES-CBC by its OpenSSL name, or NULL. */
static const EVP_CIPHER *find_cipher(const char *name)
{
    static const struct {
        const char *name;
        const EVP_CIPHER *(*cipher)(void);
    } ciphers[] = {{"aes-256-cbc", EVP_aes_256_cbc},
                   {"aes-192-cbc", EVP_aes_192_cbc},
                   {"aes-128-cbc", EVP_aes_128_cbc}};
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
        if (strcmp(name, ciphers[i].name) == 0) {
            return ciphers[i].cipher();
        }
    }
    return NULL;
}

struct tls_tickets *tls_tickets_new(const char *cipher, long timeout)
{
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    if (tickets == NULL || (tickets->cipher = find_cipher(cipher)) == NULL ||
        (tickets->keys = tls_ticket_keys_new(tls_ticket_keys_step(timeout),
                                             tls_ticket_keys_clock(false))) == NULL) {
        free(tickets);
        return NULL;
    }
    return tickets;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets != NULL) {
        tls_ticket_keys_unref(tickets->keys);
    }
    free(tickets);
}

void tls_tickets_set_keys(struct tls_tickets *tickets, struct tls_ticket_keys *keys)
{
    struct tls_ticket_keys *old = tickets->keys;
    tickets->keys = tls_ticket_keys_ref(keys);
    tls_ticket_keys_unref(old);
}

int tls_tickets_callback(struct tls_tickets *tickets, uint8_t *name, uint8_t *iv,
                         EVP_CIPHER_CTX *cipher, HMAC_CTX *mac, int encrypt)
{
    time_t now = tls_ticket_keys_now(tickets->keys);
    const struct tls_ticket_key *current = tls_ticket_keys_current(tickets->keys, now);
    const struct tls_ticket_key *key =
        encrypt ? current : tls_ticket_keys_find(tickets->keys, name, now);
    if (key == NULL) {
        return TICKET_UNKNOWN;
    }
    if (encrypt) {
        memcpy(name, key->name, sizeof key->name);
        RAND_bytes(iv, IV_LENGTH);
    }
    if (EVP_CipherInit_ex(cipher, tickets->cipher, NULL, key->cipher_key, iv, encrypt) != 1 ||
        HMAC_Init_ex(mac, key->mac_key, sizeof key->mac_key, EVP_sha256(), NULL) != 1) {
        return TICKET_ERROR;
    }
    return encrypt || key == current ? TICKET_GOOD : TICKET_RENEW;
}
