#include "proxy/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "policy/diag_once.h"

#include "proxy/log.h"

/* Findings while certificates are loaded. Warnings come from the first worker only, since all would
 * say the same; what is merely worth knowing is for "gatepost check". */
static void child_diag(void *ctx, enum diag_severity severity, const char *text)
{
    const struct child *child = ctx;

    if (severity == DIAG_ERROR)
        log_error("%s", text);
    else if (severity == DIAG_WARNING && child->outspoken)
        log_warning("%s", text);
}

/* Signals as a worker wants them; its loop sets SIGTERM. */
static void child_signals(void)
{
    sigset_t none;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* of the terminal: the master decides */
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN); /* until its loop runs */
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The life of a worker. */
static void __attribute__((noreturn))
child_main(struct child *child, const struct child_plan *plan, int channel, int log_fd)
{
    struct diag diag = {.sink = child_diag, .ctx = child};
    struct diag_once once;
    const struct worker_job job = {
        .services = plan->services,
        .listener_count = plan->service_count,
        .sockets = &plan->sockets,
        .channel = channel,
        .stats = child->stats,
        .drain_time = plan->drain_time,
    };

    log_set_sink(log_pipe_write, &log_fd);
    child_signals();
    diag_once_begin(&once, &diag);
    for (size_t i = 0; i < plan->service_count; i++)
        if (service_load_tls(plan->services[i], true, &once.diag) != 0)
            _exit(EX_CONFIG);
    diag_once_end(&once);
    privileges_drop(&plan->privileges);
    exit(worker_run(&job));
}

int child_start(struct child *child, const struct child_plan *plan, void (*forget)(void *owner))
{
    int channel[2];
    int log_pipe[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, channel) != 0)
        return -1;
    if (pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        close(channel[0]);
        close(channel[1]);
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(channel[0]);
        close(log_pipe[0]);
        forget(child->owner);
        child_main(child, plan, channel[1], log_pipe[1]);
    }
    int error = errno;
    close(channel[1]);
    close(log_pipe[1]);
    if (pid < 0) {
        close(channel[0]);
        close(log_pipe[0]);
        errno = error;
        return -1;
    }
    child->pid = pid;
    child->channel = channel[0];
    child->log = log_pipe[0];
    child->ready = false;
    child->log_pending_length = 0;
    return 0;
}

void child_close(struct child *child)
{
    close(child->channel);
    close(child->log);
    child->channel = child->log = -1;
    child->pid = 0;
    child->ready = false;
}
