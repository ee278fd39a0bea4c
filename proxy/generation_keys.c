#include "proxy/generation_keys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/channel.h"
#include "proxy/log.h"

int generation_keys_way(const struct generation *generation)
{
    const struct channel_message message = {.kind = CHANNEL_KEYS};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        log_error("cannot make a socket for a worker: %s", strerror(errno));
        return -1;
    }
    int status = channel_send(generation->keys.channel, &message, ends[0]);
    if (status != 0) {
        log_error("cannot reach the key process: %s", strerror(errno));
        close(ends[1]);
    }
    close(ends[0]);
    return status == 0 ? ends[1] : -1;
}

void generation_keys_pass(const struct generation *generation, const struct child *child)
{
    const struct channel_message message = {.kind = CHANNEL_KEYS};
    int way = generation_keys_way(generation);

    if (way < 0) {
        kill(generation->keys.pid,
             SIGKILL); /* nobody can use it; a new one is shown to all again */
        return;
    }
    if (channel_send(child->channel, &message, way) != 0)
        kill(child->pid, SIGTERM); /* it cannot be shown: when its sessions have ended, a new one */
    close(way);
}

/* The key process has loaded everything, and CHAINS says what. */
static enum generation_keys_event keep_chains(struct generation *generation, int chains,
                                              uint32_t digest)
{
    bool first = generation->plan.chains < 0;
    bool stale = !first && digest != generation->chains_digest;

    if (!first)
        close(generation->plan.chains);
    generation->plan.chains = chains;
    generation->chains_digest = digest;
    generation->certificates_read = time(NULL);
    generation->keys.ready = true;
    return stale ? GENERATION_KEYS_STALE : GENERATION_KEYS_READY;
}

enum generation_keys_event generation_keys_receive(struct generation *generation)
{
    struct channel_message message;
    int fd;
    int got = channel_receive(generation->keys.channel, &message, &fd);

    if (got > 0 && message.kind == CHANNEL_READY && fd >= 0 && !generation->keys.ready)
        return keep_chains(generation, fd, message.id);
    if (got > 0 && message.kind == CHANNEL_PONG)
        generation->keys.pings = 0;
    if (fd >= 0)
        close(fd);
    return got == 0 ? GENERATION_KEYS_GONE : GENERATION_KEYS_NOTHING;
}
