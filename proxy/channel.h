/*
 * channel.h: what a child process and the master say to each other, over a SOCK_SEQPACKET
 * socketpair of their own: "I serve", "I still do"; "look at the load"; "connect me to the
 * backend's UNIX socket", which a worker in its empty root cannot do; and "here is a way to each
 * other" for workers and the key process. The master checks every field.
 */
#ifndef GATEPOST_PROXY_CHANNEL_H
#define GATEPOST_PROXY_CHANNEL_H

#include <stdint.h>

enum channel_kind {
    CHANNEL_READY = 1, /* worker: accepting clients; key process: all keys are loaded, the chains
                          come along, ID is their digest */
    CHANNEL_CONNECT,   /* worker: connect to backend INDEX of listener VALUE */
    CHANNEL_CONNECTED, /* master: the descriptor comes along, or VALUE is an errno */
    CHANNEL_KEYS,      /* master: the socket that comes along leads to a worker, or to the keys */
    CHANNEL_PING,      /* master: are you there? */
    CHANNEL_PONG,      /* child: yes */
    CHANNEL_STRESS     /* worker: stress mode has begun or ended (limits.h says which) */
};

struct channel_message {
    uint32_t kind;
    uint32_t id; /* CONNECT: chosen by the worker; CONNECTED: the same */
    int32_t value;
    int32_t index;
};

/* Send MESSAGE, with the descriptor FD unless it is -1. Returns 0, or -1 with errno. Never waits.
 */
int channel_send(int channel, const struct channel_message *message, int fd);

/* Receive one message. *FD is the descriptor that came along, or -1. Returns 1; 0: the other end is
 * gone; -1 with errno (EAGAIN: nothing there; EPROTO: not a message of ours, to be dropped). */
int channel_receive(int channel, struct channel_message *message, int *fd);

#endif
