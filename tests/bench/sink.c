/*
 * sink.c: the benchmark's backend: accepts every message and throws it away, as cheaply as it can.
 *
 * sink PORT: listens on 127.0.0.1, in one thread, until it is killed. Takes pipelined commands,
 * DATA and BDAT, a PROXY header of either version before the greeting, and XCLIENT. The command
 * STAT is answered with the messages and their bytes so far: "250 MESSAGES BYTES".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_LENGTH 2048
#define INPUT_SIZE ((size_t)256 << 10)
#define REPLIES_SIZE 16384
#define EVENTS 256
#define END_OF_DATA "\r\n.\r\n"
#define PROXY2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define PROXY2_FIXED 16

static const char ehlo_reply[] = "250-sink.bench.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
                                 "250-VRFY\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n"
                                 "250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";

struct session {
    int fd;
    bool began; /* something was read: no PROXY header any more */
    bool in_data;
    bool closing;
    unsigned matched;   /* in_data: bytes of END_OF_DATA seen */
    uint64_t chunk;     /* bytes of a BDAT chunk still to come */
    bool chunk_last;    /* it is the last of its message */
    size_t line_length; /* of an incomplete command */
    char line[LINE_MAX_LENGTH];
};

/* Replies to everything that was read at once. */
static struct {
    char text[REPLIES_SIZE];
    size_t length;
} replies;

static uint64_t messages, bytes;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

static void reply(struct session *session, const char *text, size_t length)
{
    if (replies.length + length > sizeof replies.text) {
        session->closing = true; /* nobody sends that many commands at once */
        return;
    }
    memcpy(replies.text + replies.length, text, length);
    replies.length += length;
}

#define REPLY(session, text) reply(session, text, sizeof(text) - 1)

static void end_message(struct session *session)
{
    messages++;
    REPLY(session, "250 2.0.0 Ok: queued as 4Xw7Qk2b8Kz3Tx\r\n");
}

/* "BDAT SIZE [LAST]" */
static void take_bdat(struct session *session, const char *arguments)
{
    char *end;

    session->chunk = strtoull(arguments, &end, 10);
    session->chunk_last = strcasecmp(end, " LAST") == 0;
    if (session->chunk > 0)
        return;
    if (session->chunk_last)
        end_message(session);
    else
        REPLY(session, "250 2.0.0 Ok\r\n");
}

static void take_stat(struct session *session)
{
    char text[64];
    int length = snprintf(text, sizeof text, "250 %llu %llu\r\n", (unsigned long long)messages,
                          (unsigned long long)bytes);

    reply(session, text, (size_t)length);
}

/* A command without its line end. */
static void take_command(struct session *session, const char *line)
{
    if (strncasecmp(line, "MAIL ", 5) == 0) {
        REPLY(session, "250 2.1.0 Ok\r\n");
    } else if (strncasecmp(line, "RCPT ", 5) == 0) {
        REPLY(session, "250 2.1.5 Ok\r\n");
    } else if (strcasecmp(line, "DATA") == 0) {
        REPLY(session, "354 End data with <CR><LF>.<CR><LF>\r\n");
        session->in_data = true;
        session->matched = 2; /* the end may come at once */
    } else if (strncasecmp(line, "BDAT ", 5) == 0) {
        take_bdat(session, line + 5);
    } else if (strncasecmp(line, "EHLO ", 5) == 0) {
        reply(session, ehlo_reply, sizeof ehlo_reply - 1);
    } else if (strncasecmp(line, "XCLIENT ", 8) == 0) {
        REPLY(session, "220 sink.bench.test ESMTP\r\n");
    } else if (strcasecmp(line, "QUIT") == 0) {
        REPLY(session, "221 2.0.0 Bye\r\n");
        session->closing = true;
    } else if (strcasecmp(line, "STAT") == 0) {
        take_stat(session);
    } else if (strncasecmp(line, "PROXY ", 6) != 0) { /* version 1 is not answered */
        REPLY(session, "250 2.0.0 Ok\r\n");
    }
}

/* Bytes of a message: how many belong to it. */
static size_t take_data(struct session *session, const char *text, size_t length)
{
    static const char end[] = END_OF_DATA;
    const size_t whole = sizeof end - 1;
    const char *found;
    size_t i = 0;

    for (; i < length && session->matched > 0 && session->matched < whole; i++) {
        if (text[i] == end[session->matched])
            session->matched++;
        else
            session->matched = text[i] == '\r';
    }
    if (session->matched == whole) {
        session->in_data = false;
        end_message(session);
        return i;
    }
    if (i == length)
        return length;
    found = memmem(text + i, length - i, end, whole);
    if (found != NULL) {
        session->in_data = false;
        end_message(session);
        return (size_t)(found - text) + whole;
    }
    for (unsigned n = whole - 1; n > 0; n--) { /* does it begin at the end of TEXT? */
        if (length - i >= n && memcmp(text + length - n, end, n) == 0) {
            session->matched = n;
            break;
        }
    }
    return length;
}

/* Bytes of a chunk: how many belong to it. */
static size_t take_chunk(struct session *session, size_t length)
{
    if (length < session->chunk) {
        session->chunk -= length;
        return length;
    }
    length = (size_t)session->chunk;
    session->chunk = 0;
    if (session->chunk_last)
        end_message(session);
    else
        REPLY(session, "250 2.0.0 Ok\r\n");
    return length;
}

/* Bytes of commands: how many were taken, up to the end of the first. */
static size_t take_line(struct session *session, const char *text, size_t length)
{
    const char *end = memchr(text, '\n', length);
    size_t part = end != NULL ? (size_t)(end - text) + 1 : length;

    if (session->line_length + part >= sizeof session->line) {
        session->closing = true;
        return length;
    }
    memcpy(session->line + session->line_length, text, part);
    session->line_length += part;
    if (end == NULL)
        return part;
    while (session->line_length > 0 && (session->line[session->line_length - 1] == '\n' ||
                                        session->line[session->line_length - 1] == '\r'))
        session->line_length--;
    session->line[session->line_length] = '\0';
    session->line_length = 0;
    take_command(session, session->line);
    return part;
}

/* A PROXY header of version 2 that came whole, as it does: its length, else 0. */
static size_t proxy2_length(const char *text, size_t length)
{
    if (length < PROXY2_FIXED || memcmp(text, PROXY2_SIGNATURE, sizeof PROXY2_SIGNATURE - 1) != 0)
        return 0;
    length = PROXY2_FIXED + (size_t)((uint8_t)text[14] << 8 | (uint8_t)text[15]);
    return length;
}

/* Everything that was read. */
static void take_input(struct session *session, const char *text, size_t length)
{
    if (!session->began) {
        size_t header = proxy2_length(text, length);

        session->began = true;
        if (header > length) {
            session->closing = true;
            return;
        }
        text += header;
        length -= header;
    }
    while (length > 0 && !session->closing) {
        bool content = session->in_data || session->chunk > 0;
        size_t taken = session->in_data     ? take_data(session, text, length)
                       : session->chunk > 0 ? take_chunk(session, length)
                                            : take_line(session, text, length);

        if (content)
            bytes += taken;
        text += taken;
        length -= taken;
    }
}

static void end_session(struct session *session)
{
    close(session->fd);
    free(session);
}

/* Reads and answers. */
static void serve(struct session *session)
{
    static char input[INPUT_SIZE];
    ssize_t length = recv(session->fd, input, sizeof input, 0);

    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        end_session(session);
        return;
    }
    replies.length = 0;
    take_input(session, input, (size_t)length);
    if (replies.length > 0 &&
        send(session->fd, replies.text, replies.length, MSG_NOSIGNAL) != (ssize_t)replies.length)
        session->closing = true;
    if (session->closing)
        end_session(session);
}

static void accept_session(int epoll, int listener)
{
    static const char greeting[] = "220 sink.bench.test ESMTP\r\n";
    struct session *session = calloc(1, sizeof *session);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
    int on = 1;

    if (session == NULL)
        die("sink: memory");
    session->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (session->fd < 0) {
        free(session);
        if (errno != EAGAIN && errno != ECONNABORTED)
            die("sink: accept4");
        return;
    }
    setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (send(session->fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, session->fd, &event) != 0)
        end_session(session);
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(port))};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 4096) != 0)
        die("sink: listen");
    return listener;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct epoll_event event = {.events = EPOLLIN};
    struct rlimit files;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener;

    if (argc != 2) {
        fprintf(stderr, "usage: sink PORT\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    listener = listen_on(argv[1]);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        die("sink: epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        if (count < 0 && errno != EINTR)
            die("sink: epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_session(epoll, listener);
            else
                serve(events[i].data.ptr);
        }
    }
}
