/* ticket_keys.c: see ticket_keys.h. */
#include "tls/ticket_keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>

#include "tls/file.h"

#define SECRET_LENGTH 32
#define FILE_MAX 4096

/* Which step a key is of, seen from the present one. */
enum place { PREVIOUS, CURRENT, NEXT, PLACES };

struct tls_ticket_keys {
    unsigned references;
    bool shared; /* the secret is of a file, and stays */
    long step;   /* seconds */
    int64_t at;  /* number of the present step; -1: no key is computed yet (shared only) */
    uint8_t secret[SECRET_LENGTH]; /* not shared: of the present step */
    bool has[PLACES];
    struct tls_ticket_key keys[PLACES];
};

/* LENGTH bytes for the use that LABEL names, of step NUMBER. These cannot fail: HKDF does so only
 * if more is wanted than the digest allows, or memory is out, and that ends the process. */
static void derive(const uint8_t secret[SECRET_LENGTH], const char *label, int64_t number,
                   uint8_t *out, size_t length)
{
    uint8_t info[64] = {0};
    size_t used = strlen(label);
    memcpy(info, label, used);
    for (unsigned i = 0; i < 8; i++) {
        info[used + 1 + i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
    if (HKDF_expand(out, length, EVP_sha256(), secret, SECRET_LENGTH, info, used + 9) != 1) {
        abort();
    }
}

/* Compute the key at PLACE for step NUMBER. */
static void make_key(struct tls_ticket_keys *keys, enum place place, int64_t number)
{
    struct tls_ticket_key *key = &keys->keys[place];
    uint8_t bytes[sizeof key->name + sizeof key->cipher_key + sizeof key->mac_key];
    derive(keys->secret, "gatepost ticket key", number, bytes, sizeof bytes);
    memcpy(key->name, bytes, sizeof key->name);
    memcpy(key->cipher_key, bytes + sizeof key->name, sizeof key->cipher_key);
    memcpy(key->mac_key, bytes + sizeof key->name + sizeof key->cipher_key, sizeof key->mac_key);
    keys->has[place] = true;
    OPENSSL_cleanse(bytes, sizeof bytes);
}

/* Wipe the key at PLACE. */
static void drop_key(struct tls_ticket_keys *keys, enum place place)
{
    keys->has[place] = false;
    OPENSSL_cleanse(&keys->keys[place], sizeof keys->keys[place]);
}

/* One step forward with a secret of our own: the old one is gone. */
static void take_step(struct tls_ticket_keys *keys)
{
    uint8_t next[SECRET_LENGTH];
    keys->keys[PREVIOUS] = keys->keys[CURRENT];
    keys->has[PREVIOUS] = true;
    derive(keys->secret, "gatepost ticket secret", keys->at, next, sizeof next);
    memcpy(keys->secret, next, sizeof next);
    OPENSSL_cleanse(next, sizeof next);
    keys->at++;
    make_key(keys, CURRENT, keys->at);
}

/* The three keys around step NUMBER, with the secret of a file. */
static void compute_around(struct tls_ticket_keys *keys, int64_t number)
{
    keys->at = number;
    make_key(keys, CURRENT, number);
    make_key(keys, NEXT, number + 1);
    if (number > 0) {
        make_key(keys, PREVIOUS, number - 1);
    } else {
        drop_key(keys, PREVIOUS);
    }
}

void tls_ticket_keys_advance(struct tls_ticket_keys *keys, time_t now)
{
    int64_t number = now > 0 ? (int64_t)now / keys->step : 0;
    if (keys->shared && number != keys->at) {
        compute_around(keys, number);
    }
    while (!keys->shared && keys->at < number) {
        take_step(keys);
    }
}

long tls_ticket_keys_step(long timeout)
{
    return timeout > 1 ? timeout / 2 : 1;
}

/* Keys without a secret yet. */
static struct tls_ticket_keys *allocate(bool shared, long step)
{
    struct tls_ticket_keys *keys = calloc(1, sizeof *keys);
    if (keys != NULL) {
        keys->references = 1;
        keys->shared = shared;
        keys->step = step;
        keys->at = -1;
    }
    return keys;
}

struct tls_ticket_keys *tls_ticket_keys_new(long step, time_t now)
{
    struct tls_ticket_keys *keys = allocate(false, step);
    if (keys == NULL) {
        return NULL;
    }
    if (getrandom(keys->secret, sizeof keys->secret, 0) != (ssize_t)sizeof keys->secret) {
        abort(); /* cannot happen for so few bytes (getrandom(2)), and must not go unseen */
    }
    keys->at = now > 0 ? (int64_t)now / step : 0;
    make_key(keys, CURRENT, keys->at);
    return keys;
}

/* Everybody who can read the file can decrypt; who can change it can make tickets. */
static void check_mode(const char *file, struct diag *diag)
{
    struct stat info;
    if (stat(file, &info) == 0 && (info.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        diag_warning(diag, "%s: others may read or change this file (mode %04o): chmod 600", file,
                     (unsigned)info.st_mode & 07777U);
    }
}

struct tls_ticket_keys *tls_ticket_keys_read(const char *file, long step, struct diag *diag)
{
    static const char salt[] = "gatepost ticket key file";
    uint8_t *bytes;
    uint8_t extracted[EVP_MAX_MD_SIZE];
    size_t length, made = 0;
    if (tls_file_read(file, FILE_MAX, &bytes, &length, diag) != 0) {
        return NULL;
    }
    struct tls_ticket_keys *keys = NULL;
    if (length < SECRET_LENGTH) {
        diag_error(diag, "%s: has %zu bytes: %d random ones are the least", file, length,
                   SECRET_LENGTH);
    } else if ((keys = allocate(true, step)) == NULL ||
               HKDF_extract(extracted, &made, EVP_sha256(), bytes, length, (const uint8_t *)salt,
                            sizeof salt - 1) != 1) {
        diag_error(diag, "%s: out of memory", file);
        tls_ticket_keys_unref(keys);
        keys = NULL;
    } else {
        /* Another step makes other keys, even where the numbers of steps happen to agree. */
        derive(extracted, "gatepost ticket step", step, keys->secret, sizeof keys->secret);
        check_mode(file, diag);
    }
    OPENSSL_cleanse(extracted, sizeof extracted);
    tls_file_free(bytes, length);
    return keys;
}

struct tls_ticket_keys *tls_ticket_keys_ref(struct tls_ticket_keys *keys)
{
    keys->references++;
    return keys;
}

void tls_ticket_keys_unref(struct tls_ticket_keys *keys)
{
    if (keys != NULL && --keys->references == 0) {
        OPENSSL_cleanse(keys, sizeof *keys);
        free(keys);
    }
}

bool tls_ticket_keys_serve(const struct tls_ticket_keys *keys, long step)
{
    return !keys->shared && keys->step == step;
}

time_t tls_ticket_keys_clock(bool shared)
{
    struct timespec now = {0};
    clock_gettime(shared ? CLOCK_REALTIME : CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

time_t tls_ticket_keys_now(const struct tls_ticket_keys *keys)
{
    return tls_ticket_keys_clock(keys->shared);
}

const struct tls_ticket_key *tls_ticket_keys_current(struct tls_ticket_keys *keys, time_t now)
{
    tls_ticket_keys_advance(keys, now);
    return &keys->keys[CURRENT];
}

const struct tls_ticket_key *tls_ticket_keys_find(struct tls_ticket_keys *keys,
                                                  const uint8_t name[TLS_TICKET_NAME_LENGTH],
                                                  time_t now)
{
    tls_ticket_keys_advance(keys, now);
    for (int place = 0; place < PLACES; place++) {
        if (keys->has[place] && memcmp(name, keys->keys[place].name, TLS_TICKET_NAME_LENGTH) == 0) {
            return &keys->keys[place];
        }
    }
    return NULL;
}
