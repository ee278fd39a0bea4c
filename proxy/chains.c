#include "proxy/chains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Write all of BYTES to FD. */
static int write_all(int fd, const struct tls_chain_bytes *bytes)
{
    size_t done = 0;

    while (done < bytes->length) {
        ssize_t count = write(fd, bytes->bytes + done, bytes->length - done);
        if (count < 0 && errno != EINTR)
            return -1;
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

int chains_seal(const struct tls_chain_bytes *bytes)
{
    int fd = memfd_create("gatepost-chains", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (write_all(fd, bytes) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

uint32_t chains_digest(const struct tls_chain_bytes *bytes)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a: against chance, nobody attacks it */

    for (size_t i = 0; i < bytes->length; i++)
        hash = (hash ^ bytes->bytes[i]) * 0x100000001b3u;
    return (uint32_t)(hash ^ (hash >> 32));
}

/* All that is behind FD, in new memory; NULL with errno. The descriptor's offset is shared with
 * other workers and stays as it is. */
static uint8_t *read_all(int fd, size_t *length)
{
    struct stat info;
    size_t done = 0;

    if (fstat(fd, &info) != 0)
        return NULL;
    if (info.st_size <= 0 || (uintmax_t)info.st_size > TLS_CHAINS_MAX) {
        errno = EFBIG;
        return NULL;
    }
    *length = (size_t)info.st_size;
    uint8_t *bytes = malloc(*length);
    while (bytes != NULL && done < *length) {
        ssize_t count = pread(fd, bytes + done, *length - done, (off_t)done);
        if (count <= 0) {
            free(bytes);
            errno = count == 0 ? EIO : errno;
            return NULL;
        }
        done += (size_t)count;
    }
    return bytes;
}

/* One service. */
static int load_service(struct service *service, const uint8_t **cursor, size_t *left,
                        struct tls_key_client *keys, struct diag *diag)
{
    struct tls_credentials *credentials;

    if (!tls_chains_read(cursor, left, keys, &credentials)) {
        diag_error(diag, "cannot understand the certificate chains from the key process");
        return -1;
    }
    int status = credentials != NULL ? service_set_credentials(service, credentials, diag) : 0;
    tls_credentials_free(credentials);
    return status;
}

int chains_load(int fd, struct service **services, size_t count, struct tls_key_client *keys,
                struct diag *diag)
{
    size_t left = 0;
    int status = 0;
    uint8_t *bytes = read_all(fd, &left);

    if (bytes == NULL) {
        diag_error(diag, "cannot read the certificate chains from the key process: %s",
                   strerror(errno));
        return -1;
    }
    const uint8_t *cursor = bytes;
    for (size_t i = 0; i < count && status == 0; i++)
        status = load_service(services[i], &cursor, &left, keys, diag);
    free(bytes);
    return status;
}
