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
