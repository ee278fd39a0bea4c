/*
 * control.h: the master's control socket (gatepost_control_socket): one command line in, a text
 * out, closed. Only root and the user that gatepost runs as are listened to (SO_PEERCRED, unix(7)).
 */
#ifndef GATEPOST_PROXY_CONTROL_H
#define GATEPOST_PROXY_CONTROL_H

#include <ev.h>
#include <stdbool.h>
#include <stdio.h>

#include "policy/diag.h"

#define CONTROL_LINE_MAX 256

/* Carry out COMMAND; what is written to OUT goes to the asker. Returns false for "I do not know
 * that", which the asker is told. */
typedef bool control_command(void *owner, const char *command, FILE *out);

struct control;

/* Bind PATH (an old socket there that nobody listens to is removed; the directory is made if
 * missing) and serve it on LOOP. Returns NULL after reporting to DIAG. */
struct control *control_open(struct ev_loop *loop, const char *path, control_command *command,
                             void *owner, struct diag *diag);

/* Stop serving and remove the socket file. */
void control_close(struct control *control);

/* In a forked child: close the descriptors, leave the file. */
void control_forget(struct control *control);

/*
 * For the command line: send COMMAND to the daemon at PATH and copy its answer to OUT. Returns 0 if
 * it was carried out, 1 if the daemon refused it or does not run (the reason goes to ERROR).
 */
int control_ask(const char *path, const char *command, FILE *out, FILE *error);

#endif
