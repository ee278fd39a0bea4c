#include "policy/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int regular_file_open(const char *path, struct diag *diag)
{
    struct stat status;
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) != 0) {
        diag_error(diag, "open %s: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        diag_error(diag, "open %s: %s, not a regular file", path,
                   S_ISDIR(status.st_mode) ? "a directory" : "something special");
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

int regular_file_read(const char *path, size_t max, struct text *text, struct diag *diag)
{
    int fd = regular_file_open(path, diag);
    char buffer[16384];
    ssize_t count = 1;

    if (fd < 0)
        return -1;
    while (text->length <= max && count != 0) {
        count = read(fd, buffer, sizeof(buffer));
        if (count > 0) {
            text_add(text, buffer, (size_t)count);
        } else if (count < 0 && errno != EINTR) {
            diag_error(diag, "read %s: %s", path, strerror(errno));
            close(fd);
            return -1;
        }
    }
    close(fd);
    return 0;
}
