#include "proxy/unix_listen.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/unix_connect.h"

/* Remove a socket at PATH that nobody listens on. */
static void remove_stale(const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = unix_connect(path);
    if (fd >= 0)
        close(fd);
    else if (errno == ECONNREFUSED)
        (void)unlink(path);
}

int unix_listen(const char *path, mode_t mask, const struct listener_sockets *previous)
{
    struct sockaddr_un name;

    if (!unix_address(path, &name))
        return -1;
    /* As long as getsockname(2) says that it is. */
    const socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    const struct addrinfo address = {
        .ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&name, .ai_addrlen = length};
    int fd = listener_share(previous, &address);
    if (fd >= 0)
        return fd;
    remove_stale(path);
    const mode_t before = umask(mask);
    fd = listener_bind(&address);
    int error = errno;
    umask(before);
    errno = error;
    return fd;
}
