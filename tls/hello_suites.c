/*
 * hello_suites.c: see hello_suites.h. What is said is the coarsest thing that is true: that key
 * exchanges differ, else that encryption does, else that certificates do, else the names of what is
 * offered.
 */
#include "tls/hello_suites.h"

#include "tls/hello_words.h"
#include "tls/library.h"
#include "tls/suites.h"

#define LIST_MOST 5 /* names told of a list */
#define NAMES_MAX 64

#define WORDS_ROW(id, words) words,
static const char *const exchange_words[] = {SUITE_EXCHANGES(WORDS_ROW)};
static const char *const encryption_words[] = {SUITE_ENCRYPTIONS(WORDS_ROW)};
#undef WORDS_ROW

/* Sets of bits, by the enumerations of suites.h. */
struct classes {
    unsigned exchanges;
    unsigned encryptions;
    unsigned certificates;
};

#define ALL (~0u)

/* Could SUITE be used with this version? AEAD suites are TLS 1.2's; the library knows about the
 * others that it has. */
static bool is_for(const struct suite *suite, uint16_t version)
{
    bool modern = suite->exchange == SUITE_EXCHANGE_TLS13;
    if (modern || version >= TLS1_3_VERSION) {
        return modern && version >= TLS1_3_VERSION;
    }
    const SSL_CIPHER *cipher = SSL_get_cipher_by_value(suite->number);
    return cipher == NULL || SSL_CIPHER_get_min_version(cipher) <= version;
}

/* TLS 1.3's are not configured: the library has them all. */
static bool server_has(const struct tls_offer *offer, uint16_t number)
{
    for (size_t i = 0; i < offer->suite_count; i++) {
        if (offer->suites[i] == number) {
            return true;
        }
    }
    const SSL_CIPHER *cipher = SSL_get_cipher_by_value(number);
    return cipher != NULL && SSL_CIPHER_get_min_version(cipher) >= TLS1_3_VERSION;
}

static void add_class(struct classes *classes, const struct suite *suite)
{
    classes->exchanges |= 1u << suite->exchange;
    classes->encryptions |= 1u << suite->encryption;
    classes->certificates |= 1u << suite->certificate;
}

/* The classes of those offered suites for VERSION whose key exchange is one of EXCHANGES and whose
 * encryption is one of ENCRYPTIONS. */
static struct classes classes_of_client(CBS suites, uint16_t version, unsigned exchanges,
                                        unsigned encryptions)
{
    struct classes classes = {0};
    for (uint16_t number; CBS_get_u16(&suites, &number);) {
        const struct suite *suite = suite_find(number);
        if (suite != NULL && is_for(suite, version) && (exchanges & 1u << suite->exchange) != 0 &&
            (encryptions & 1u << suite->encryption) != 0) {
            add_class(&classes, suite);
        }
    }
    return classes;
}

/* The same of the server's. */
static struct classes classes_of_server(const struct tls_offer *offer, uint16_t version,
                                        unsigned exchanges)
{
    struct classes classes = {0};
    for (size_t i = 0; i < offer->suite_count; i++) {
        const struct suite *suite = suite_find(offer->suites[i]);
        if (suite != NULL && is_for(suite, version) && (exchanges & 1u << suite->exchange) != 0) {
            add_class(&classes, suite);
        }
    }
    return classes;
}

/* Join the words of the bits in SET. */
static void add_set(struct words *words, unsigned set, const char *const *names, size_t count,
                    const char *joint)
{
    const char *items[32];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if ((set & 1u << i) != 0) {
            items[found++] = names[i];
        }
    }
    words_add_list(words, items, found, joint, LIST_MOST);
}

static void add_exchanges(struct words *words, unsigned set, const char *joint)
{
    add_set(words, set, exchange_words, SUITE_EXCHANGE_COUNT, joint);
}

static void add_encryptions(struct words *words, unsigned set, const char *joint)
{
    add_set(words, set, encryption_words, SUITE_ENCRYPTION_COUNT, joint);
}

/* No key exchange in common. */
static void explain_exchange(const struct classes *client, const struct classes *server,
                             const struct tls_offer *offer, struct tls_failure_reason *reason)
{
    bool only_rsa = client->exchanges == 1u << SUITE_EXCHANGE_RSA;
    struct words words = words_begin(reason, only_rsa ? TLS_FAILURE_ONLY_RSA_KEY_EXCHANGE
                                                      : TLS_FAILURE_NO_SHARED_CIPHER);
    words_add(&words, "offers only ");
    add_exchanges(&words, client->exchanges, "and");
    words_add(&words, " key exchange; ");
    words_add_policy(&words, offer);
    words_add(&words, " needs ");
    add_exchanges(&words, server->exchanges, "or");
}

/* The key exchanges in common go with other encryption on each side. ALL_EXCHANGES: they are all
 * that the client has. */
static void explain_encryption(const struct classes *client, const struct classes *server,
                               bool all_exchanges, const struct tls_offer *offer,
                               struct tls_failure_reason *reason)
{
    struct words words = words_begin(reason, TLS_FAILURE_NO_SHARED_CIPHER);
    words_add(&words, "offers only ");
    add_encryptions(&words, client->encryptions, "and");
    if (!all_exchanges) {
        words_add(&words, " with ");
        add_exchanges(&words, client->exchanges, "or");
    }
    words_add(&words, "; ");
    words_add_policy(&words, offer);
    words_add(&words, " needs ");
    add_encryptions(&words, server->encryptions, "or");
}

/* Nothing else to say than the names of what is offered. */
static void explain_names(CBS suites, uint16_t version, const struct tls_offer *offer,
                          struct tls_failure_reason *reason)
{
    struct words words = words_begin(reason, TLS_FAILURE_NO_SHARED_CIPHER);
    const char *items[NAMES_MAX];
    size_t count = 0;
    for (uint16_t number; count < NAMES_MAX && CBS_get_u16(&suites, &number);) {
        const struct suite *suite = suite_find(number);
        if (suite != NULL && is_for(suite, version)) {
            items[count++] = suite->name;
        }
    }
    if (count == 0) {
        words_add(&words, "offers no cipher suite for %s", hello_version_words(version));
        return;
    }
    words_add(&words, "offers only ");
    words_add_list(&words, items, count, "and", 3);
    words_add(&words, "; ");
    if (version >= TLS1_3_VERSION) {
        words_add(&words, "TLS 1.3 here needs AES-GCM or ChaCha20");
        return;
    }
    words_add_policy(&words, offer);
    words_add(&words, count > 1 ? " has none of them" : " does not have it");
}

void hello_suites_shared(CBS suites, uint16_t version, const struct tls_offer *offer,
                         struct hello_shared *shared)
{
    *shared = (struct hello_shared){0};
    for (uint16_t number; CBS_get_u16(&suites, &number);) {
        const struct suite *suite = suite_find(number);
        if (suite == NULL || !is_for(suite, version) || !server_has(offer, number)) {
            continue;
        }
        bool ecdhe = suite->exchange == SUITE_EXCHANGE_ECDHE;
        shared->without_ecdhe = shared->without_ecdhe || !ecdhe;
        shared->ecdhe_rsa =
            shared->ecdhe_rsa || (ecdhe && suite->certificate == SUITE_CERTIFICATE_RSA);
        shared->ecdhe_ecdsa =
            shared->ecdhe_ecdsa || (ecdhe && suite->certificate == SUITE_CERTIFICATE_ECDSA);
    }
}

bool hello_suites_explain(CBS suites, uint16_t version, const struct tls_offer *offer,
                          struct tls_failure_reason *reason)
{
    struct hello_shared shared;
    hello_suites_shared(suites, version, offer, &shared);
    if (shared.ecdhe_rsa || shared.ecdhe_ecdsa || shared.without_ecdhe) {
        return false;
    }
    struct classes server = classes_of_server(offer, version, ALL);
    struct classes all = classes_of_client(suites, version, ALL, ALL);
    unsigned exchanges = all.exchanges & server.exchanges;
    if (all.exchanges != 0 && exchanges == 0 && server.exchanges != 0) {
        explain_exchange(&all, &server, offer, reason);
        return true;
    }
    struct classes client = classes_of_client(suites, version, exchanges, ALL);
    server = classes_of_server(offer, version, exchanges);
    if (exchanges != 0 && (client.encryptions & server.encryptions) == 0) {
        explain_encryption(&client, &server, exchanges == all.exchanges, offer, reason);
        return true;
    }
    explain_names(suites, version, offer, reason);
    return true;
}
