/*
 * activation.h: listening sockets that systemd passed on (systemd.socket(5), sd_listen_fds(3)).
 * They stay with the master for its whole life, so that a reload finds them again; listeners get
 * duplicates. There is one such set for a process, as there is one environment.
 */
#ifndef GATEPOST_PROXY_ACTIVATION_H
#define GATEPOST_PROXY_ACTIVATION_H

#include <stdbool.h>
#include <sys/socket.h>

#include "policy/diag.h"

/* Take over what was passed. What is no listening TCP socket is closed, with a warning. */
void activation_take(struct diag *diag);

/* A duplicate of the socket that is bound to ADDRESS, or -1. */
int activation_by_address(const struct sockaddr *address, socklen_t length);

/* A duplicate of the next socket with this name (FileDescriptorName=); *CURSOR begins as 0 and is
 * advanced. -1: no more. */
int activation_by_name(const char *name, size_t *cursor);

/* Does a passed IPv6 socket take the IPv4 connections to ADDRESS (0.0.0.0, and a port) too? */
bool activation_covers(const struct sockaddr *address);

/* Warn of sockets that no listener has asked for yet: clients would wait there in vain. */
void activation_report_unused(struct diag *diag);

/* In a forked child: close the originals. */
void activation_forget(void);

#endif
