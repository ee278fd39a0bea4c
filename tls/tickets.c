/* tickets.c: see tickets.h. Keys are made when they are needed: no timer runs. */
#include "tls/tickets.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#define IV_LENGTH 16

/* What the library wants to hear. */
enum answer { TICKET_ERROR = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_RENEW = 2 };

struct tls_tickets {
    const EVP_CIPHER *cipher;
    time_t half; /* how long a key is used for new tickets */
    bool has_current, has_previous;
    struct tls_ticket_key current, previous;
};

struct tls_tickets *tls_tickets_new(const char *cipher, long timeout)
{
    static const struct {
        const char *name;
        const EVP_CIPHER *(*cipher)(void);
    } ciphers[] = {{"aes-256-cbc", EVP_aes_256_cbc},
                   {"aes-192-cbc", EVP_aes_192_cbc},
                   {"aes-128-cbc", EVP_aes_128_cbc}};
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    for (size_t i = 0; tickets != NULL && i < sizeof ciphers / sizeof ciphers[0]; i++) {
        if (strcmp(cipher, ciphers[i].name) == 0) {
            tickets->cipher = ciphers[i].cipher();
            tickets->half = timeout > 1 ? timeout / 2 : 1;
            return tickets;
        }
    }
    free(tickets);
    return NULL;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets != NULL) {
        OPENSSL_cleanse(tickets, sizeof *tickets);
    }
    free(tickets);
}

/* Forget what is too old at NOW. */
static void retire(struct tls_tickets *tickets, time_t now)
{
    if (tickets->has_current && now - tickets->current.made >= tickets->half) {
        tickets->previous = tickets->current;
        tickets->has_previous = true;
        tickets->has_current = false;
        OPENSSL_cleanse(&tickets->current, sizeof tickets->current);
    }
    if (tickets->has_previous && now - tickets->previous.made >= 2 * tickets->half) {
        tickets->has_previous = false;
        OPENSSL_cleanse(&tickets->previous, sizeof tickets->previous);
    }
}

const struct tls_ticket_key *tls_tickets_current(struct tls_tickets *tickets, time_t now)
{
    struct tls_ticket_key *key = &tickets->current;
    retire(tickets, now);
    if (!tickets->has_current) {
        /* The library's random generator ends the process rather than fail. */
        RAND_bytes(key->name, sizeof key->name);
        RAND_bytes(key->cipher_key, sizeof key->cipher_key);
        RAND_bytes(key->mac_key, sizeof key->mac_key);
        key->made = now;
        tickets->has_current = true;
    }
    return key;
}

const struct tls_ticket_key *tls_tickets_find(struct tls_tickets *tickets,
                                              const uint8_t name[TLS_TICKET_NAME_LENGTH],
                                              time_t now)
{
    retire(tickets, now);
    if (tickets->has_current &&
        memcmp(name, tickets->current.name, sizeof tickets->current.name) == 0) {
        return &tickets->current;
    }
    if (tickets->has_previous &&
        memcmp(name, tickets->previous.name, sizeof tickets->previous.name) == 0) {
        return &tickets->previous;
    }
    return NULL;
}

/* Seconds since the machine started. */
static time_t seconds(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

int tls_tickets_callback(struct tls_tickets *tickets, uint8_t *name, uint8_t *iv,
                         EVP_CIPHER_CTX *cipher, HMAC_CTX *mac, int encrypt)
{
    const struct tls_ticket_key *key = encrypt ? tls_tickets_current(tickets, seconds())
                                               : tls_tickets_find(tickets, name, seconds());
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
    return encrypt || key == &tickets->current ? TICKET_GOOD : TICKET_RENEW;
}
