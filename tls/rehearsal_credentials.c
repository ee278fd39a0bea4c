/* rehearsal_credentials.c: certificates without their keys, for rehearsals: see rehearsal.h. */
#include <stdlib.h>
#include <unistd.h>

#include <errno.h>

#include "policy/text.h"
#include "tls/credentials.h"
#include "tls/key_client.h"
#include "tls/rehearsal.h"
#include "tls/selfsigned.h"
#include "tls/sni.h"

/* No way leads to any key, so nothing is ever sent. */
static int never_sent(void *arg, const uint8_t *packet, size_t length)
{
    (void)arg;
    (void)packet;
    (void)length;
    errno = ENOTCONN;
    return -1;
}

/* A visitor of paths: keep the first that is there and that this user may not read. */
static void note_unreadable(void *ctx, const char *path)
{
    char **unreadable = ctx;
    if (*unreadable == NULL && access(path, R_OK) != 0 && errno == EACCES) {
        *unreadable = text_copy(path);
    }
}

/* An ECDSA and an RSA credential, which is what tls_credentials_make writes, too. */
static struct tls_credentials *make_up(struct diag *diag)
{
    static const enum tls_key_kind kinds[] = {TLS_KEY_ECDSA_P256, TLS_KEY_RSA_2048};
    const size_t count = sizeof kinds / sizeof kinds[0];
    struct tls_credentials *credentials = calloc(1, sizeof *credentials);
    bool good = credentials != NULL &&
                (credentials->items = calloc(count, sizeof *credentials->items)) != NULL;
    for (size_t i = 0; good && i < count; i++) {
        good = tls_selfsigned_make(kinds[i], "localhost", 1, &credentials->items[i]) &&
               tls_key_name(credentials->items[i].key, credentials->items[i].key_name);
        credentials->count += good ? 1 : 0;
    }
    if (!good) {
        diag_error(diag, "cannot make certificates: out of memory");
        tls_credentials_free(credentials);
        return NULL;
    }
    return credentials;
}

/* Those of CONFIG, or made up ones. */
static struct tls_credentials *load(const struct config *config, const struct tls_sni_list *names,
                                    struct diag *diag)
{
    unsigned errors = diag->errors;
    char *unreadable = NULL;
    struct tls_credentials *credentials = NULL;
    tls_credentials_each_path(config, names, note_unreadable, &unreadable);
    if (unreadable != NULL) {
        diag_warning(diag,
                     "%s: cannot be read: an ECDSA (P-256) and an RSA certificate are "
                     "assumed (run this as root)",
                     unreadable);
    } else {
        credentials = tls_credentials_load(config, names, diag);
    }
    if (credentials == NULL && diag->errors == errors) {
        credentials = make_up(diag);
    }
    free(unreadable);
    return credentials;
}

struct tls_credentials *tls_rehearsal_credentials(const struct config *config,
                                                  const struct tls_sni_list *names,
                                                  struct diag *diag)
{
    struct tls_credentials *credentials = load(config, names, diag);
    if (credentials == NULL) {
        return NULL;
    }
    credentials->keys = tls_key_client_new(never_sent, NULL);
    if (credentials->keys == NULL) {
        diag_error(diag, "cannot load certificates: out of memory");
        tls_credentials_free(credentials);
        return NULL;
    }
    struct tls_sni_table *sni = credentials->sni;
    for (size_t i = 0; sni != NULL && i < sni->set_count; i++) {
        sni->sets[i].credentials->keys = credentials->keys;
    }
    return credentials;
}

void tls_rehearsal_credentials_free(struct tls_credentials *credentials)
{
    struct tls_key_client *keys = credentials != NULL ? credentials->keys : NULL;
    tls_credentials_free(credentials);
    tls_key_client_free(keys);
}
