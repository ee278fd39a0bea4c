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

/* A command that was asked for and must be answered, now or later. */
struct control_request;

/* Carry out COMMAND and answer REQUEST: write to control_out, then call control_finish once. */
typedef void control_command(void *owner, const char *command, struct control_request *request);

/* Where the answer is written to. */
FILE *control_out(struct control_request *request);

/* The answer is complete; OK: the command was carried out. REQUEST is gone. */
void control_finish(struct control_request *request, bool ok);

struct control;

/* Bind PATH (unix_listen.h; the directory is made if missing) and serve it on LOOP. Returns NULL
 * after reporting to DIAG. */
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

/* The same with the answer in *TEXT, or, if it is not 0, the reason; for the caller to free. */
int control_ask_text(const char *path, const char *command, char **text);

#endif
