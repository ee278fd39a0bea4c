/*
 * key_client.c: see key_client.h and key_use.h.
 *
 * An operation belongs to its connection, and is in the client's list until it is answered. The
 * list is in the order of asking, which is also the order of answers. What cannot be sent yet is at
 * its end.
 */
#include "tls/key_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/mem.h>

#include "tls/key_name.h"
#include "tls/key_use.h"
#include "tls/sni.h"

enum client_state {
    CLIENT_WAITING, /* for a way to the keys */
    CLIENT_CONNECTED,
    CLIENT_GIVEN_UP
};

enum operation_state { OPERATION_UNSENT, OPERATION_SENT, OPERATION_DONE, OPERATION_FAILED };

struct tls_key_operation {
    struct tls_key_client *client; /* NULL: answered, and out of the list */
    struct tls_key_operation *next, *previous;
    struct tls_key_use *use;
    uint32_t id;
    enum operation_state state;
    enum tls_key_status status; /* why it failed */
    uint8_t *bytes;             /* the request, then the output; owned */
    size_t length;
};

struct tls_key_client {
    tls_key_send *send;
    void *arg;
    enum client_state state;
    uint32_t last_id;
    struct tls_key_operation *first, *last;
    size_t count;
};

struct tls_key_client *tls_key_client_new(tls_key_send *send, void *arg)
{
    struct tls_key_client *client = calloc(1, sizeof *client);
    if (client != NULL) {
        *client = (struct tls_key_client){.send = send, .arg = arg};
    }
    return client;
}

void tls_key_client_free(struct tls_key_client *client)
{
    free(client);
}

size_t tls_key_client_pending(const struct tls_key_client *client)
{
    return client->count;
}

/* ---- the list ---- */

static void append(struct tls_key_client *client, struct tls_key_operation *operation)
{
    operation->client = client;
    operation->previous = client->last;
    *(client->last != NULL ? &client->last->next : &client->first) = operation;
    client->last = operation;
    client->count++;
}

static void detach(struct tls_key_operation *operation)
{
    struct tls_key_client *client = operation->client;
    if (client == NULL) {
        return;
    }
    *(operation->previous != NULL ? &operation->previous->next : &client->first) = operation->next;
    *(operation->next != NULL ? &operation->next->previous : &client->last) = operation->previous;
    operation->next = operation->previous = NULL;
    operation->client = NULL;
    client->count--;
}

/* It is over: the connection can go on. OPERATION may be gone afterwards. */
static void finish(struct tls_key_operation *operation, enum operation_state state)
{
    struct tls_key_use *use = operation->use;
    detach(operation);
    operation->state = state;
    if (use->ready != NULL) {
        use->ready(use->arg);
    }
}

/* ---- the way to the keys ---- */

bool tls_key_client_flush(struct tls_key_client *client)
{
    struct tls_key_operation *operation = client->last;
    if (client->state != CLIENT_CONNECTED || operation == NULL ||
        operation->state != OPERATION_UNSENT) {
        return false;
    }
    while (operation->previous != NULL && operation->previous->state == OPERATION_UNSENT) {
        operation = operation->previous;
    }
    for (; operation != NULL; operation = operation->next) {
        if (client->send(client->arg, operation->bytes, operation->length) != 0) {
            return true;
        }
        operation->state = OPERATION_SENT;
    }
    return false;
}

void tls_key_client_connected(struct tls_key_client *client)
{
    client->state = CLIENT_CONNECTED;
    tls_key_client_flush(client);
}

/* Fail what is in STATE, first come first. What is started meanwhile is behind it, or fails by
 * itself. */
static void fail_all(struct tls_key_client *client, enum operation_state state)
{
    while (client->first != NULL && client->first->state == state) {
        client->first->status = TLS_KEY_FAILED;
        finish(client->first, OPERATION_FAILED);
    }
}

void tls_key_client_lost(struct tls_key_client *client)
{
    client->state = CLIENT_WAITING;
    fail_all(client, OPERATION_SENT);
}

void tls_key_client_give_up(struct tls_key_client *client)
{
    client->state = CLIENT_GIVEN_UP;
    fail_all(client, OPERATION_SENT);
    fail_all(client, OPERATION_UNSENT);
}

/* Keep what came for OPERATION. */
static bool keep(struct tls_key_operation *operation, const struct tls_key_answer *answer)
{
    operation->status = answer->status;
    if (answer->status != TLS_KEY_DONE) {
        return false;
    }
    uint8_t *bytes = OPENSSL_malloc(answer->output_length);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, answer->output, answer->output_length);
    OPENSSL_free(operation->bytes);
    operation->bytes = bytes;
    operation->length = answer->output_length;
    return true;
}

void tls_key_client_receive(struct tls_key_client *client, const uint8_t *packet, size_t length)
{
    struct tls_key_answer answer;
    if (!tls_key_answer_parse(packet, length, &answer)) {
        return;
    }
    struct tls_key_operation *operation = client->first;
    while (operation != NULL && operation->state == OPERATION_SENT && operation->id != answer.id) {
        operation = operation->next;
    }
    if (operation != NULL && operation->state == OPERATION_SENT) {
        bool kept = keep(operation, &answer);
        finish(operation, kept ? OPERATION_DONE : OPERATION_FAILED);
    }
}

/* ---- one connection ---- */

/* Where a connection has its tls_key_use. */
static int use_index(void)
{
    static int index = -1;
    if (index < 0) {
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }
    return index;
}

static struct tls_key_use *use_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, use_index());
}

void tls_key_use_begin(struct tls_key_use *use, SSL *ssl)
{
    SSL_set_ex_data(ssl, use_index(), use);
}

static void drop_operation(struct tls_key_use *use)
{
    struct tls_key_operation *operation = use->operation;
    if (operation == NULL) {
        return;
    }
    detach(operation);
    OPENSSL_free(operation->bytes); /* wipes */
    free(operation);
    use->operation = NULL;
}

void tls_key_use_end(struct tls_key_use *use)
{
    drop_operation(use);
}

void tls_key_use_choose(SSL *ssl, const struct tls_credential *credential)
{
    struct tls_key_use *use = use_of(ssl);
    if (use != NULL) {
        use->chosen = credential;
    }
}

/* Which credential the handshake on SSL uses. */
static const struct tls_credential *presented(const struct tls_key_use *use, const SSL *ssl)
{
#ifdef HAVE_SSL_CREDENTIAL_new_x509
    const SSL_CREDENTIAL *selected = SSL_get0_selected_credential(ssl);
    const struct tls_credentials *credentials = tls_sni_choose(use->credentials, ssl);
    for (size_t i = 0; selected != NULL && i < credentials->count; i++) {
        if (credentials->items[i].made == selected) {
            return &credentials->items[i];
        }
    }
    return NULL;
#else
    (void)ssl;
    return use->chosen != NULL ? use->chosen
                               : &use->credentials->items[use->credentials->count - 1];
#endif
}

/* A new operation of USE; it has no request yet. NULL: no memory. */
static struct tls_key_operation *operation_new(struct tls_key_use *use, size_t length)
{
    struct tls_key_operation *operation = calloc(1, sizeof *operation);
    if (operation == NULL || (operation->bytes = OPENSSL_malloc(length)) == NULL) {
        free(operation);
        return NULL;
    }
    operation->use = use;
    use->operation = operation;
    return operation;
}

/* Ask for an operation on SSL. */
static enum ssl_private_key_result_t start(SSL *ssl, struct tls_key_request *request)
{
    struct tls_key_use *use = use_of(ssl);
    if (use == NULL || use->operation != NULL || request->input_length == 0 ||
        request->input_length > TLS_KEY_INPUT_MAX) {
        return ssl_private_key_failure;
    }
    struct tls_key_client *client = use->credentials->keys;
    const struct tls_credential *credential = presented(use, ssl);
    if (credential == NULL || client->state == CLIENT_GIVEN_UP ||
        client->count >= TLS_KEY_PENDING_MAX) {
        return ssl_private_key_failure;
    }
    struct tls_key_operation *operation =
        operation_new(use, TLS_KEY_REQUEST_HEAD + request->input_length);
    if (operation == NULL) {
        return ssl_private_key_failure;
    }
    request->id = operation->id = ++client->last_id;
    request->key = credential->key_name;
    operation->length = tls_key_request_write(request, operation->bytes);
    append(client, operation);
    tls_key_client_flush(client);
    return ssl_private_key_retry;
}

static enum ssl_private_key_result_t sign(SSL *ssl, uint8_t *out, size_t *out_length, size_t max,
                                          uint16_t scheme, const uint8_t *in, size_t in_length)
{
    struct tls_key_request request = {
        .task = TLS_KEY_SIGN, .scheme = scheme, .input = in, .input_length = in_length};
    (void)out;
    (void)out_length;
    (void)max;
    return start(ssl, &request);
}

static enum ssl_private_key_result_t decrypt(SSL *ssl, uint8_t *out, size_t *out_length, size_t max,
                                             const uint8_t *in, size_t in_length)
{
    struct tls_key_request request = {
        .task = TLS_KEY_DECRYPT, .input = in, .input_length = in_length};
    (void)out;
    (void)out_length;
    (void)max;
    return start(ssl, &request);
}

static enum ssl_private_key_result_t complete(SSL *ssl, uint8_t *out, size_t *out_length,
                                              size_t max)
{
    struct tls_key_use *use = use_of(ssl);
    const struct tls_key_operation *operation = use->operation;
    if (operation == NULL) {
        return ssl_private_key_failure;
    }
    if (operation->client != NULL) {
        return ssl_private_key_retry;
    }
    bool good = operation->state == OPERATION_DONE && operation->length <= max;
    if (good) {
        memcpy(out, operation->bytes, operation->length);
        *out_length = operation->length;
    }
    drop_operation(use);
    return good ? ssl_private_key_success : ssl_private_key_failure;
}

const SSL_PRIVATE_KEY_METHOD *tls_key_method(const struct tls_credentials *credentials)
{
    static const SSL_PRIVATE_KEY_METHOD method = {sign, decrypt, complete};
    return credentials->keys != NULL ? &method : NULL;
}
