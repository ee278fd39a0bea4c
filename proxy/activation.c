#include "proxy/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* One socket that was passed. */
struct passed {
    int fd;
    char *name; /* owned */
    struct sockaddr_storage address;
    socklen_t length;
    bool used;
};

static struct passed *passed;
static size_t passed_count;

/* Make FD one of ours, if it is of use. Returns NULL, or what is wrong with it. */
static const char *take_one(int fd, char *name)
{
    struct passed *one = &passed[passed_count];
    int flags = fcntl(fd, F_GETFL);

    *one = (struct passed){.fd = fd, .name = name, .length = sizeof(one->address)};
    if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) <= 0)
        return "not a listening TCP socket (a socket unit for gatepost has Accept=no)";
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        getsockname(fd, (struct sockaddr *)&one->address, &one->length) != 0)
        return strerror(errno);
    passed_count++;
    return NULL;
}

void activation_take(struct diag *diag)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);

    if (count < 0)
        diag_error(diag, "cannot take over systemd's sockets: %s", strerror(-count));
    if (count <= 0)
        return;
    passed = calloc((size_t)count, sizeof(*passed));
    if (passed == NULL)
        abort();
    for (int i = 0; i < count; i++) {
        const char *wrong = take_one(SD_LISTEN_FDS_START + i, names[i]);
        if (wrong != NULL) {
            diag_warning(diag, "socket %s of systemd: %s", names[i], wrong);
            close(SD_LISTEN_FDS_START + i);
            free(names[i]);
        }
    }
    free(names);
}

/* A duplicate, for a listener. */
static int lend(struct passed *one)
{
    int fd = fcntl(one->fd, F_DUPFD_CLOEXEC, 0);

    one->used = one->used || fd >= 0;
    return fd;
}

int activation_by_address(const struct sockaddr *address, socklen_t length)
{
    for (size_t i = 0; i < passed_count; i++)
        if (passed[i].length == length && memcmp(&passed[i].address, address, length) == 0)
            return lend(&passed[i]);
    return -1;
}

int activation_by_name(const char *name, size_t *cursor)
{
    while (*cursor < passed_count) {
        struct passed *one = &passed[(*cursor)++];
        if (strcmp(one->name, name) == 0)
            return lend(one);
    }
    return -1;
}

bool activation_covers(const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

    for (size_t i = 0; address->sa_family == AF_INET && i < passed_count; i++) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&passed[i].address;
        int only = 1;
        socklen_t length = sizeof(only);
        if (in6->sin6_family == AF_INET6 && in6->sin6_port == in->sin_port &&
            in->sin_addr.s_addr == htonl(INADDR_ANY) && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) &&
            getsockopt(passed[i].fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) == 0 && only == 0)
            return true;
    }
    return false;
}

void activation_report_unused(struct diag *diag)
{
    for (size_t i = 0; i < passed_count; i++) {
        char host[NI_MAXHOST], port[NI_MAXSERV];
        if (passed[i].used ||
            getnameinfo((struct sockaddr *)&passed[i].address, passed[i].length, host, sizeof(host),
                        port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
            continue;
        diag_warning(diag,
                     "socket %s of systemd, port %s of %s, is no element of gatepost_listen: its "
                     "clients wait in vain",
                     passed[i].name, port, host);
    }
}

void activation_forget(void)
{
    for (size_t i = 0; i < passed_count; i++) {
        close(passed[i].fd);
        free(passed[i].name);
    }
    free(passed);
    passed = NULL;
    passed_count = 0;
}
