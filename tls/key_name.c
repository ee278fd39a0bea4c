/* key_name.c: see key_name.h. */
#include "tls/key_name.h"

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

bool tls_key_name(const EVP_PKEY *key, uint8_t name[TLS_KEY_NAME_SIZE])
{
    CBB info;
    uint8_t *der = NULL;
    size_t length = 0;
    if (!CBB_init(&info, 512)) {
        return false;
    }
    if (!EVP_marshal_public_key(&info, key) || !CBB_finish(&info, &der, &length)) {
        CBB_cleanup(&info);
        return false;
    }
    SHA256(der, length, name);
    OPENSSL_free(der);
    return true;
}
