/* transport_bio.c: see transport_bio.h. */
#include "tls/transport_bio.h"

#include <errno.h>
#include <stddef.h>

#include <openssl/bio.h>

#include "tls/library.h"

/* After a failed call: is it worth trying again later? If not, keep errno. */
static bool should_retry(struct tls_link *link)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return true;
    }
    link->error = errno;
    return false;
}

static int bio_read(BIO *bio, char *buffer, int length)
{
    struct tls_link *link = BIO_get_data(bio);
    ssize_t count;
    BIO_clear_retry_flags(bio);
    do {
        count = link->transport->recv(link->arg, buffer, (size_t)length);
    } while (count < 0 && errno == EINTR);
    link->ended = link->ended || count == 0;
    if (count > 0) {
        tls_trace_bytes(link->trace, buffer, (size_t)count);
    }
    if (count < 0 && should_retry(link)) {
        BIO_set_retry_read(bio);
    }
    return (int)count;
}

static int bio_write(BIO *bio, const char *buffer, int length)
{
    struct tls_link *link = BIO_get_data(bio);
    ssize_t count;
    BIO_clear_retry_flags(bio);
    do {
        count = link->transport->send(link->arg, buffer, (size_t)length);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && should_retry(link)) {
        BIO_set_retry_write(bio);
    }
    return (int)count;
}

/* Nothing is buffered here, so a flush is done as soon as it is asked for. */
static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* Made once, for the life of the process. */
static const BIO_METHOD *method(void)
{
    static BIO_METHOD *made;
    if (made == NULL) {
        BIO_METHOD *fresh = BIO_meth_new(0, "gatepost transport");
        if (fresh == NULL || BIO_meth_set_read(fresh, bio_read) != 1 ||
            BIO_meth_set_write(fresh, bio_write) != 1 || BIO_meth_set_ctrl(fresh, bio_ctrl) != 1) {
            BIO_meth_free(fresh);
            return NULL;
        }
        made = fresh;
    }
    return made;
}

BIO *tls_transport_bio_new(struct tls_link *link)
{
    const BIO_METHOD *transport = method();
    BIO *bio = transport != NULL ? BIO_new(transport) : NULL;
    if (bio != NULL) {
        BIO_set_data(bio, link);
        BIO_set_init(bio, 1);
    }
    return bio;
}
