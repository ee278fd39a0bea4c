#include "proxy/policy_service.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/unix_connect.h"

/* Findings about rules that cannot work with what is asked of clients. */
static void check_ccert(const struct config *config, const struct mail_policy *policy,
                        struct diag *diag)
{
    if (config_bool(config, PARAM_smtpd_tls_ask_ccert))
        return;
    for (size_t i = 0; i < mail_policy_size(policy); i++) {
        const struct mail_rule *rule = mail_policy_rule(policy, i);
        if (rule->demand != MAIL_DEMAND_CCERT)
            continue;
        diag_warning(
            diag,
            "%s: %s demands a client certificate, which only those clients are asked for "
            "whose line in smtpd_tls_policy_maps says ccert=ask: smtpd_tls_ask_ccert is no",
            rule->place, rule->pattern);
        return;
    }
}

int policy_service_new(const struct config *config, struct policy_service **service,
                       struct diag *diag)
{
    const enum param param = PARAM_gatepost_policy_service;
    const char *address = config_str(config, param);
    struct policy_service made = {0};

    *service = NULL;
    if (*address == '\0') {
        if (*config_str(config, PARAM_gatepost_policy_service_maps) != '\0')
            diag_warning(diag,
                         "%s: gatepost_policy_service_maps is not used, since "
                         "gatepost_policy_service is empty",
                         config_origin(config, PARAM_gatepost_policy_service_maps));
        return 0;
    }
    made.policy = mail_policy_load(config, diag);
    int status = endpoint_parse(address, config_param_name(param), &made.endpoint, diag);
    if (status != 0 || made.policy == NULL) {
        mail_policy_free(made.policy);
        if (status == 0)
            endpoint_free(&made.endpoint);
        return -1;
    }
    made.reject_code = (unsigned)config_int(config, PARAM_plaintext_reject_code);
    check_ccert(config, made.policy, diag);
    *service = malloc(sizeof(**service));
    if (*service == NULL)
        abort();
    **service = made;
    return 0;
}

void policy_service_free(struct policy_service *service)
{
    if (service == NULL)
        return;
    endpoint_free(&service->endpoint);
    mail_policy_free(service->policy);
    free(service);
}

/* --- sockets --------------------------------------------------------------------------------- */

/* A socket for ADDRESS, shared or new. Returns -1 with errno. */
static int listen_on(const struct addrinfo *address, const struct listener_sockets *previous)
{
    int fd = listener_share(previous, address);

    return fd >= 0 ? fd : listener_bind(address);
}

/* Addresses of this host only: whoever else could ask would learn who sends mail here. */
static bool is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int listen_inet(const struct endpoint *endpoint, const struct listener_sockets *previous,
                       struct listener_sockets *sockets, struct diag *diag)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int status = 0;
    int failure = getaddrinfo(endpoint->host, endpoint->port, &hints, &found);

    if (failure != 0) {
        diag_error(diag, "gatepost_policy_service: %s:%s: %s", endpoint->host, endpoint->port,
                   gai_strerror(failure));
        return -1;
    }
    for (const struct addrinfo *one = found; one != NULL && status == 0; one = one->ai_next) {
        int fd = listen_on(one, previous);
        if (fd < 0) {
            diag_error(diag, "gatepost_policy_service: cannot listen on %s:%s: %s", endpoint->host,
                       endpoint->port, strerror(errno));
            status = -1;
            continue;
        }
        listener_add(sockets, fd, 0);
        if (!is_local(one->ai_addr))
            diag_warning(diag,
                         "gatepost_policy_service: %s:%s can be reached from other hosts: whoever "
                         "does so can ask about sessions",
                         endpoint->host, endpoint->port);
    }
    freeaddrinfo(found);
    return status;
}

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

static int listen_unix(const struct endpoint *endpoint, const struct listener_sockets *previous,
                       struct listener_sockets *sockets, struct diag *diag)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const size_t length = strlen(endpoint->path); /* endpoint_parse has seen that it fits */
    const struct addrinfo address = {
        .ai_family = AF_UNIX,
        .ai_addr = (struct sockaddr *)&name,
        .ai_addrlen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1)};

    memcpy(name.sun_path, endpoint->path, length);
    int fd = listener_share(previous, &address);
    if (fd < 0) {
        remove_stale(endpoint->path);
        mode_t mask = umask(0111);
        fd = listener_bind(&address);
        int error = errno;
        umask(mask);
        errno = error;
    }
    if (fd >= 0) {
        listener_add(sockets, fd, 0);
        return 0;
    }
    diag_error(diag, "gatepost_policy_service: cannot listen on unix:%s: %s", endpoint->path,
               strerror(errno));
    return -1;
}

int policy_service_listen(const struct policy_service *service,
                          const struct listener_sockets *previous, struct listener_sockets *sockets,
                          struct diag *diag)
{
    *sockets = (struct listener_sockets){0};
    if (service == NULL)
        return 0;
    int status = service->endpoint.kind == ENDPOINT_UNIX
                     ? listen_unix(&service->endpoint, previous, sockets, diag)
                     : listen_inet(&service->endpoint, previous, sockets, diag);
    if (status != 0)
        listener_close(sockets);
    return status;
}
