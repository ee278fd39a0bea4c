/*
 * handshake_bench.c: what the server's side of a TLS handshake costs in BoringSSL alone: two
 * connections in one process that pass bytes through memory. Only the server's part is timed:
 * making the connection, its steps of the handshake, tickets included, and freeing it.
 *
 * handshake_bench CHAIN_FILE [HANDSHAKES]: CHAIN_FILE has a key and its certificate. Prints one
 * line of JSON: microseconds for each kind of handshake, medians of SLICES parts.
 */
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SLICES 10

struct kind {
    const char *name;
    uint16_t version;
    int resumed;
};

static const struct kind kinds[] = {
    {"full13", TLS1_3_VERSION, 0},
    {"full12", TLS1_2_VERSION, 0},
    {"resume13", TLS1_3_VERSION, 1},
    {"resume12", TLS1_2_VERSION, 1},
};

static SSL_SESSION *ticket;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "handshake_bench: %s\n", what);
    exit(1);
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (ticket != NULL)
        return 0;
    ticket = session;
    return 1;
}

static SSL_CTX *make_context(const struct kind *kind)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());

    if (context == NULL || !SSL_CTX_set_min_proto_version(context, kind->version) ||
        !SSL_CTX_set_max_proto_version(context, kind->version) ||
        !SSL_CTX_set1_curves_list(context, "X25519:P-256"))
        give_up("no context");
    return context;
}

static SSL_CTX *make_server(const struct kind *kind, const char *chain_file)
{
    SSL_CTX *context = make_context(kind);

    if (!SSL_CTX_use_certificate_chain_file(context, chain_file) ||
        !SSL_CTX_use_PrivateKey_file(context, chain_file, SSL_FILETYPE_PEM))
        give_up("the key or certificate cannot be read");
    return context;
}

static SSL_CTX *make_client(const struct kind *kind)
{
    SSL_CTX *context = make_context(kind);

    if (!SSL_CTX_set_strict_cipher_list(
            context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"))
        give_up("no ciphers");
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_ticket);
    return context;
}

/* One step of the handshake; whether it is complete. */
static int step(SSL *ssl)
{
    int result = SSL_do_handshake(ssl);

    if (result != 1 && SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ)
        give_up("a handshake failed");
    return result == 1;
}

/* A handshake; microseconds of the server. */
static double shake_hands(SSL_CTX *server_context, SSL_CTX *client_context, int resumed)
{
    double spent;
    double start = now_us();
    SSL *server = SSL_new(server_context);
    SSL *client;
    BIO *server_end, *client_end;
    int server_done = 0;
    int client_done = 0;
    char byte;

    spent = now_us() - start;
    client = SSL_new(client_context);
    if (server == NULL || client == NULL ||
        !BIO_new_bio_pair(&server_end, 32768, &client_end, 32768))
        give_up("no connection");
    SSL_set_bio(server, server_end, server_end);
    SSL_set_bio(client, client_end, client_end);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    if (resumed)
        SSL_set_session(client, ticket);
    while (!server_done || !client_done) {
        client_done = client_done || step(client);
        start = now_us();
        server_done = server_done || step(server);
        spent += now_us() - start;
    }
    if (SSL_write(server, "x", 1) != 1 || SSL_read(client, &byte, 1) != 1) /* brings the tickets */
        give_up("a connection does not work");
    if (SSL_session_reused(server) != resumed)
        give_up("the server did not resume, or did");
    SSL_set_quiet_shutdown(server, 1);
    SSL_free(client);
    start = now_us();
    SSL_free(server);
    return spent + now_us() - start;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double measure(const struct kind *kind, const char *chain_file, unsigned count)
{
    SSL_CTX *server = make_server(kind, chain_file);
    SSL_CTX *client = make_client(kind);
    double slices[SLICES];

    ticket = NULL;
    for (int i = 0; i < 10; i++) /* warm up, and get a ticket */
        shake_hands(server, client, 0);
    if (ticket == NULL)
        give_up("no ticket");
    for (int slice = 0; slice < SLICES; slice++) {
        double sum = 0;

        for (unsigned i = 0; i < count / SLICES; i++)
            sum += shake_hands(server, client, kind->resumed);
        slices[slice] = sum / (count / SLICES);
    }
    SSL_SESSION_free(ticket);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    qsort(slices, SLICES, sizeof *slices, compare);
    return slices[SLICES / 2];
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;

    if (argc < 2 || count < SLICES || count > 1000000) {
        fprintf(stderr, "usage: handshake_bench CHAIN_FILE [HANDSHAKES]\n");
        return 64;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        printf("%s\"%s\": %.1f", i == 0 ? "{" : ", ", kinds[i].name,
               measure(&kinds[i], argv[1], (unsigned)count));
    puts("}");
    return 0;
}
