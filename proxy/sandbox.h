/*
 * sandbox.h: the last of the rights to go: a process that has all it needs tells the kernel which
 * system calls it will make from now on (seccomp(2)). At any other the kernel ends it with SIGSYS.
 * The lists are those of what the code does with glibc 2.36 to 2.41 and either BoringSSL, no group
 * "that may be useful".
 */
#ifndef GATEPOST_PROXY_SANDBOX_H
#define GATEPOST_PROXY_SANDBOX_H

enum sandbox_role {
    SANDBOX_WORKER,        /* accepts, connects over IPv4 and IPv6, reads and writes what is open */
    SANDBOX_KEYS,          /* reads and writes what is open */
    SANDBOX_LEDGER,        /* the same, and has files as SQLite wants them; no socket of its own */
    SANDBOX_METRICS,       /* reads and writes what is open, and accepts; no file */
    SANDBOX_LEDGER_METRICS /* both */
};

/* Lock the calling process in. Everything must be open by now; it must have one thread. Fatal on
 * failure. */
void sandbox_enter(enum sandbox_role role);

#endif
