/* file.c: see file.h. */
#include "tls/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/mem.h>

/* Read up to ROOM bytes of FD to BUFFER. Returns how many, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *buffer, size_t room)
{
    size_t used = 0;
    while (used < room) {
        ssize_t count = read(fd, buffer + used, room - used);
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        used += count > 0 ? (size_t)count : 0;
    }
    return (ssize_t)used;
}

/* Read descriptor FD into a new buffer. Returns 0 or an errno. */
static int read_descriptor(int fd, size_t max, uint8_t **bytes, size_t *length)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return errno;
    }
    if (!S_ISREG(info.st_mode)) {
        return S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    }
    if ((uintmax_t)info.st_size > max) {
        return EFBIG;
    }
    size_t room = (size_t)info.st_size;
    uint8_t *buffer = malloc(room + 1);
    if (buffer == NULL) {
        return ENOMEM;
    }
    ssize_t used = read_all(fd, buffer, room);
    if (used < 0) {
        int error = errno;
        tls_file_free(buffer, room);
        return error;
    }
    *bytes = buffer;
    *length = (size_t)used;
    return 0;
}

int tls_file_read(const char *file, size_t max, uint8_t **bytes, size_t *length, struct diag *diag)
{
    /* O_NONBLOCK: a FIFO must not hang us. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int error = errno;
    if (fd >= 0) {
        error = read_descriptor(fd, max, bytes, length);
        close(fd);
    }
    if (fd >= 0 && error == 0) {
        return 0;
    }
    const char *why = error == EINVAL ? "not a regular file" : strerror(error);
    diag_error(diag, "%s: cannot read: %s", file, why);
    return -1;
}

void tls_file_free(uint8_t *bytes, size_t length)
{
    if (bytes != NULL) {
        OPENSSL_cleanse(bytes, length);
    }
    free(bytes);
}
