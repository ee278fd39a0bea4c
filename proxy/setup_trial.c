#include "proxy/setup_trial.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "policy/text.h"

#include "tls/client.h"

#include "proxy/escape.h"
#include "proxy/smtp_reply.h"

#define REPLY_SIZE 8192 /* longer replies are not understood */

/* One session. */
struct conversation {
    const struct setup_trial *trial;
    int fd;
    struct tls_client *tls; /* NULL: none yet */
    char in[REPLY_SIZE];
    size_t length;
    char reply[ESCAPE_TEXT_MAX]; /* the last line of the last reply */
    bool offers_tls;             /* the last reply was to EHLO, and STARTTLS in it */
    char *outcome;
    size_t size;
};

/* It has failed, at STEP. */
static bool fail(struct conversation *talk, const char *step, const char *why)
{
    snprintf(talk->outcome, talk->size, "%s: %s", step, why);
    return false;
}

/* What errno says of a wait that came to nothing. */
static const char *wait_error(ssize_t got)
{
    if (got == 0)
        return "the connection was closed";
    return errno == EAGAIN || errno == EWOULDBLOCK ? "no answer in time" : strerror(errno);
}

/* A connection to the first address that takes it, or -1 with errno. */
static int connect_to(const struct setup_trial *trial)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const struct timeval wait = {.tv_sec = SETUP_TRIAL_WAIT};
    struct addrinfo *list;
    int fd = -1;
    int error = EADDRNOTAVAIL;

    if (getaddrinfo(*trial->host != '\0' ? trial->host : NULL, trial->port, &hints, &list) != 0) {
        errno = error;
        return -1;
    }
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        error = errno;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    errno = error;
    return fd;
}

bool setup_trial_answers(const struct setup_trial *trial)
{
    int fd = connect_to(trial);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Note what is needed of the reply of LENGTH bytes, and take it off. */
static void take_reply(struct conversation *talk, size_t length)
{
    char saved = talk->in[length - 1];
    size_t last = length;

    talk->in[length - 1] = '\0';
    talk->offers_tls = strcasestr(talk->in, "250-STARTTLS\r") != NULL ||
                       strcasestr(talk->in, "250 STARTTLS\r") != NULL;
    talk->in[length - 1] = saved;
    while (last > 0 && (talk->in[last - 1] == '\r' || talk->in[last - 1] == '\n'))
        last--;
    size_t first = last;
    while (first > 0 && talk->in[first - 1] != '\n')
        first--;
    escape_text(talk->in + first, last - first, talk->reply);
    memmove(talk->in, talk->in + length, talk->length - length);
    talk->length -= length;
}

/* Read one reply; it must be of the hundred CLASS. */
static bool read_reply(struct conversation *talk, const char *step, int class)
{
    struct smtp_reply reply;
    enum smtp_reply_status status;

    while ((status = smtp_reply_parse(talk->in, talk->length, &reply)) == SMTP_REPLY_MORE) {
        char *end = talk->in + talk->length;
        size_t room = sizeof(talk->in) - talk->length;
        if (room == 0)
            return fail(talk, step, "the reply is too long");
        ssize_t got =
            talk->tls != NULL ? tls_client_read(talk->tls, end, room) : read(talk->fd, end, room);
        if (got < 0 && errno == EINTR && talk->tls == NULL)
            return fail(talk, step, "interrupted");
        if (got <= 0)
            return fail(talk, step, wait_error(got));
        talk->length += (size_t)got;
    }
    if (status == SMTP_REPLY_BAD)
        return fail(talk, step, reply.error);
    take_reply(talk, reply.length);
    return reply.code / 100 == class || fail(talk, step, talk->reply);
}

/* Send TEXT and read its reply. */
static bool say(struct conversation *talk, const char *step, int class, const char *text)
{
    size_t length = strlen(text);
    ssize_t sent = talk->tls != NULL ? tls_client_write(talk->tls, text, length)
                                     : send(talk->fd, text, length, MSG_NOSIGNAL);

    if (sent != (ssize_t)length)
        return fail(talk, step, wait_error(sent));
    return read_reply(talk, step, class);
}

/* The same with a line that has an argument between BEFORE and AFTER. */
static bool say_line(struct conversation *talk, const char *step, int class, const char *before,
                     const char *argument, const char *after)
{
    struct text line = {0};

    text_format(&line, "%s%s%s\r\n", before, argument, after);
    bool good = say(talk, step, class, line.data);
    text_free(&line);
    return good;
}

/* STARTTLS, and EHLO again. */
static bool start_tls(struct conversation *talk)
{
    char why[256];

    if (!talk->offers_tls)
        return fail(talk, "STARTTLS", "is not offered");
    if (!say(talk, "STARTTLS", 2, "STARTTLS\r\n"))
        return false;
    if (talk->length > 0)
        return fail(talk, "STARTTLS", "there is more behind the reply");
    talk->tls = tls_client_connect(talk->fd, talk->trial->name, why, sizeof(why));
    if (talk->tls == NULL)
        return fail(talk, "TLS handshake", why);
    return say_line(talk, "EHLO", 2, "EHLO ", talk->trial->name, "");
}

/* The message itself. */
static bool send_message(struct conversation *talk)
{
    const struct setup_trial *trial = talk->trial;
    struct text message = {0};
    char date[64];
    time_t now = time(NULL);
    struct tm parts;

    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S %z", localtime_r(&now, &parts));
    text_format(&message,
                "From: gatepost setup <postmaster@%s>\r\nTo: <%s>\r\nDate: %s\r\n"
                "Message-ID: <setup.%lld.%ld@%s>\r\nAuto-Submitted: auto-generated\r\n"
                "Subject: gatepost setup: mail flows\r\n\r\n"
                "This came through gatepost. What protected it on its way there is in its "
                "Received-TLS:\r\nheader field.\r\n.\r\n",
                trial->name, trial->recipient, date, (long long)now, (long)getpid(), trial->name);
    bool good = say(talk, "end of the message", 2, message.data);
    text_free(&message);
    return good;
}

/* From the greeting to the reply to the message. */
static bool converse(struct conversation *talk)
{
    return read_reply(talk, "greeting", 2) &&
           say_line(talk, "EHLO", 2, "EHLO ", talk->trial->name, "") &&
           (!talk->trial->tls || start_tls(talk)) && say(talk, "MAIL", 2, "MAIL FROM:<>\r\n") &&
           say_line(talk, "RCPT", 2, "RCPT TO:<", talk->trial->recipient, ">") &&
           say(talk, "DATA", 3, "DATA\r\n") && send_message(talk);
}

bool setup_trial_send(const struct setup_trial *trial, char *outcome, size_t size)
{
    struct conversation talk = {
        .trial = trial, .fd = connect_to(trial), .outcome = outcome, .size = size};
    char unimportant[1];

    if (talk.fd < 0)
        return fail(&talk, "connect", strerror(errno));
    bool good = converse(&talk);
    if (good) {
        snprintf(outcome, size, "%s: %s",
                 talk.tls != NULL ? tls_client_protection(talk.tls) : "cleartext", talk.reply);
        talk.outcome = unimportant;
        talk.size = sizeof(unimportant);
        (void)say(&talk, "QUIT", 2, "QUIT\r\n");
    }
    tls_client_free(talk.tls);
    close(talk.fd);
    return good;
}
