/*
 * key_link.h: a worker's way to the key process: a SOCK_SEQPACKET socket, with what libev has to do
 * for it. Requests and answers are tls/key_client.h's.
 */
#ifndef GATEPOST_PROXY_KEY_LINK_H
#define GATEPOST_PROXY_KEY_LINK_H

#include <ev.h>

#include "tls/key_client.h"

struct key_link;

/* Without a loop yet; FD belongs to it. Contexts may be made with its client. NULL: no memory. */
struct key_link *key_link_new(int fd);
struct tls_key_client *key_link_client(struct key_link *link);

/* Begin to serve on LOOP. */
void key_link_start(struct key_link *link, struct ev_loop *loop);

/* There is a new key process, behind FD, which belongs to LINK. */
void key_link_attach(struct key_link *link, int fd);

/* Stop, and free it. No connection may be left that uses it. */
void key_link_free(struct key_link *link);

#endif
