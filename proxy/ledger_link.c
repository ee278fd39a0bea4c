#include "proxy/ledger_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COLLECTED_MAX 32768 /* bytes; a hello, and some sessions */
#define LATELY 600          /* seconds */
#define SENT_MAX 1024       /* hellos that are remembered; a power of two */

_Static_assert(COLLECTED_MAX <= OBSERVATION_DATAGRAM_MAX && COLLECTED_MAX >= OBSERVATION_MAX,
               "what is collected is a datagram");

/* A hello that was sent. */
struct sent {
    uint8_t digest[OBSERVATION_DIGEST_SIZE];
    uint64_t when;
};

struct ledger_link {
    int fd;
    _Atomic uint64_t *dropped;
    _Atomic uint64_t *all_dropped;
    size_t length;
    unsigned count; /* of observations in it */
    uint8_t collected[COLLECTED_MAX];
    struct sent sent[SENT_MAX];
};

struct ledger_link *ledger_link_new(int fd, _Atomic uint64_t *dropped,
                                    _Atomic uint64_t *all_dropped)
{
    struct ledger_link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        close(fd);
        return NULL;
    }
    link->fd = fd;
    link->dropped = dropped;
    link->all_dropped = all_dropped;
    return link;
}

void ledger_link_free(struct ledger_link *link)
{
    if (link == NULL)
        return;
    ledger_link_flush(link);
    close(link->fd);
    free(link);
}

/* COUNT observations are not sent. */
static void drop(const struct ledger_link *link, unsigned count)
{
    atomic_fetch_add(link->dropped, count);
    atomic_fetch_add(link->all_dropped, count);
}

bool ledger_link_waits(const struct ledger_link *link)
{
    return link != NULL && link->length > 0;
}

void ledger_link_flush(struct ledger_link *link)
{
    if (!ledger_link_waits(link))
        return;
    if (send(link->fd, link->collected, link->length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
            return; /* again with what comes next */
        drop(link, link->count);
    }
    link->length = 0;
    link->count = 0;
}

/* Add OBSERVATION to what was collected. False: there is no room, or it is none. */
static bool collect(struct ledger_link *link, const struct observation *observation)
{
    size_t written = observation_write(observation, link->collected + link->length,
                                       sizeof(link->collected) - link->length);

    link->length += written;
    link->count += written > 0;
    return written > 0;
}

/* OBSERVATION is to be sent. */
static bool put(struct ledger_link *link, const struct observation *observation)
{
    if (collect(link, observation))
        return true;
    ledger_link_flush(link);
    if (collect(link, observation))
        return true;
    drop(link, 1);
    return false;
}

void ledger_link_session(struct ledger_link *link, const struct observation *session)
{
    (void)put(link, session);
}

void ledger_link_hello(struct ledger_link *link, const uint8_t *digest, const uint8_t *bytes,
                       size_t length, uint64_t now)
{
    /* The digest is itself a hash: what a client can choose of it costs no more than a repetition.
     */
    const size_t place = ((size_t)digest[0] << 8 | digest[1]) & (SENT_MAX - 1);
    struct sent *sent = &link->sent[place];
    struct observation hello = {
        .kind = OBSERVATION_HELLO, .time_start = now, .hello = bytes, .hello_length = length};

    if (sent->when + LATELY > now && memcmp(sent->digest, digest, sizeof(sent->digest)) == 0)
        return;
    memcpy(hello.digest, digest, sizeof(hello.digest));
    if (!put(link, &hello))
        return;
    memcpy(sent->digest, digest, sizeof(sent->digest));
    sent->when = now;
}
