/* key_name.h: how a key is named between processes: by the SHA-256 of its SubjectPublicKeyInfo. */
#ifndef GATEPOST_TLS_KEY_NAME_H
#define GATEPOST_TLS_KEY_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/base.h>

#include "tls/key_message.h"

/* The name of KEY, of which the public half is enough. False only if memory is out. */
bool tls_key_name(const EVP_PKEY *key, uint8_t name[TLS_KEY_NAME_SIZE]);

#endif
