/*
 * privileges.h: giving up rights. The recipe is the same in each process that faces the network:
 * empty root, ids, supplementary groups, capabilities (all five sets), no_new_privs, not dumpable,
 * no new processes (capabilities(7), prctl(2), setrlimit(2)). Whatever of it fails is fatal: a
 * process that could not give up its rights must not serve.
 */
#ifndef GATEPOST_PROXY_PRIVILEGES_H
#define GATEPOST_PROXY_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "policy/config.h"
#include "policy/diag.h"

struct privileges {
    bool root; /* started as root: ids and root directory are changed */
    uid_t uid;
    gid_t gid;
    const char *root_directory; /* borrowed from the configuration */
};

/*
 * Work out who the workers will be: gatepost_user, which must exist and not be root, and
 * gatepost_chroot_directory, which is made if missing and must be empty and not writable by others.
 * Without root: the present user, no root directory. Returns 0, or -1 after reporting to DIAG.
 */
int privileges_prepare(const struct config *config, struct privileges *privileges,
                       struct diag *diag);

/*
 * Make the directory PATH, which then belongs to the user of PRIVILEGES alone, unless it is there
 * and does so already. To be called before privileges_drop. False: WHY (SIZE bytes) says why not.
 */
bool privileges_make_directory(const struct privileges *privileges, const char *path, char *why,
                               size_t size);

/* For the master, before anything is counted by it: all processes may open as many files as the
 * hard limit permits (RLIMIT_NOFILE), which the others inherit. */
void privileges_raise_limits(void);

/* For a process that serves: give up everything. Fatal on failure. */
void privileges_drop(const struct privileges *privileges);

/*
 * For the master, once its sockets are bound: keep only what a reload and the replacement of a
 * worker take: SETUID, SETGID, SETPCAP, SYS_CHROOT (to make a worker), KILL (to stop it),
 * NET_BIND_SERVICE (a listener that a reload adds), DAC_READ_SEARCH (keys and configuration of any
 * owner), DAC_OVERRIDE (a backend's UNIX socket in Postfix's directories). Without root nothing but
 * NET_BIND_SERVICE, if it is there, is kept. Fatal on failure.
 */
void privileges_limit_master(const struct privileges *privileges);

#endif
