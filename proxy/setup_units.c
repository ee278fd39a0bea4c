#include "proxy/setup_units.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/endpoint.h"
#include "policy/text.h"

#include "tls/context.h"
#include "tls/file.h"

#include "proxy/setup_shell.h"

#define SYSTEMD_RUNS "/run/systemd/system" /* sd_booted(3) */
#define SOCKET_DROP_IN "/etc/systemd/system/gatepost.socket.d/setup.conf"
#define SERVICE_DROP_IN "/etc/systemd/system/gatepost.service.d/setup.conf"
#define AS_ROOT "/usr/share/gatepost/as-root.conf" /* where the package has that drop-in */
#define DROP_IN_MAX 65536
#define HEAD "# Made by gatepost setup; gatepost setup --undo removes it.\n"

/* Add a file with its TEXT. */
static void add_text(struct setup_plan *plan, const char *path, struct text *text)
{
    plan->texts[plan->text_count++] = (struct setup_text){text_copy(path), text_take(text)};
}

/* "ListenStream=" for each address that ENDPOINT stands for. Returns -1 after reporting. */
static int add_streams(struct text *text, const struct endpoint *endpoint, struct diag *diag)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    const bool any = *endpoint->host == '\0' || strcmp(endpoint->host, "*") == 0;
    struct addrinfo *list;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int error = getaddrinfo(any ? NULL : endpoint->host, endpoint->port, &hints, &list);

    if (error != 0) {
        diag_error(diag, "gatepost_listen: %s:%s: %s", endpoint->host, endpoint->port,
                   gai_strerror(error));
        return -1;
    }
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        const bool v6 = a->ai_family == AF_INET6;

        if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0)
            text_format(text, v6 ? "ListenStream=[%s]:%s\n" : "ListenStream=%s:%s\n", host, port);
    }
    freeaddrinfo(list);
    return 0;
}

/* The socket unit listens where gatepost_listen says. */
static int add_socket(struct setup_plan *plan, struct diag *diag)
{
    struct listen_list listeners;
    struct text text = {0};
    int status = 0;

    if (listen_list_parse(plan->config, &listeners, diag) != 0)
        return -1;
    text_add_string(&text, HEAD "[Socket]\nListenStream=\n");
    for (size_t i = 0; i < listeners.count && status == 0; i++)
        status = add_streams(&text, &listeners.specs[i].endpoint, diag);
    listen_list_free(&listeners);
    if (status == 0)
        add_text(plan, SOCKET_DROP_IN, &text);
    text_free(&text);
    return status;
}

/* In the child that tries: one file. */
static void try_path(void *ctx, const char *path)
{
    bool *readable = ctx;

    if (access(path, R_OK) != 0 && errno == EACCES)
        *readable = false;
}

/* Whether gatepost_user can read all files of CONFIG's certificates. Yes if there is no such user:
 * what that means is said by "gatepost check". */
static bool user_can_read(const struct config *config)
{
    const struct passwd *user = getpwnam(config_str(config, PARAM_gatepost_user));

    if (user == NULL || geteuid() != 0)
        return true;
    pid_t child = fork();
    if (child == 0) {
        bool readable = initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
                        setuid(user->pw_uid) == 0;
        tls_credentials_each_path(config, NULL, try_path, &readable);
        _exit(readable ? 0 : 1);
    }
    return child > 0 && setup_shell_wait(child) == 0;
}

/* The service is started as root if it must read what only root can. */
static int add_service(struct setup_plan *plan, struct diag *diag)
{
    struct text text = {0};
    uint8_t *bytes;
    size_t length;

    if (user_can_read(plan->config))
        return 0;
    if (tls_file_read(AS_ROOT, DROP_IN_MAX, &bytes, &length, diag) != 0)
        return -1;
    text_add_string(&text, HEAD);
    text_add(&text, (const char *)bytes, length);
    tls_file_free(bytes, length);
    add_text(plan, SERVICE_DROP_IN, &text);
    text_free(&text);
    return 0;
}

int setup_units_plan(struct setup_plan *plan, struct diag *diag)
{
    if (access(SYSTEMD_RUNS, F_OK) != 0) {
        diag_error(diag, "systemd does not run here: tell with --start COMMAND and --stop COMMAND "
                         "how gatepost is started and stopped");
        return -1;
    }
    if (!setup_shell_run("systemctl cat gatepost.service gatepost.socket", diag))
        return -1;
    plan->start = text_copy("systemctl daemon-reload && "
                            "systemctl stop gatepost.socket gatepost.service && "
                            "systemctl enable --now gatepost.socket gatepost.service");
    plan->stop = text_copy("systemctl disable --now gatepost.socket gatepost.service");
    return add_socket(plan, diag) == 0 ? add_service(plan, diag) : -1;
}
