#include "proxy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* An int in a register: what is above its 32 bits may be anything. */
#define INT_BITS 0xffffffffU
#define SOCKET_FLAGS ((unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC))

/* Allowed whatever the arguments. A name that the architecture does not have is no matter. */
static const char *const common_calls[] = {
    /* what is open */
    "close", "read", "readv", "recvfrom", "recvmsg", "sendmsg", "sendto", "write", "writev",
    /* waiting; libev makes itself a new epoll set when the old one reports what it cannot undo */
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "poll", "ppoll",
    "restart_syscall", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
    /* time, where the vDSO cannot tell it */
    "clock_gettime", "clock_gettime64", "gettimeofday", "time",
    /* memory */
    "brk", "futex", "futex_time64", "madvise", "mremap", "munmap",
    /* random numbers */
    "getrandom",
    /* the end */
    "exit", "exit_group", "getpid", "gettid"};

static const char *const worker_calls[] = {"accept4",    "connect",    "getpeername", "getsockname",
                                           "getsockopt", "setsockopt", "shutdown"};

/* Serving HTTP on sockets that are open. */
static const char *const metrics_calls[] = {"accept4", "setsockopt", "shutdown"};

/* A database with its log, its lock and its shared memory. */
static const char *const ledger_calls[] = {
    "access",    "faccessat", "faccessat2",  "fchmod",     "fdatasync", "fsync",     "fstat64",
    "fstatat64", "ftruncate", "ftruncate64", "getcwd",     "geteuid",   "geteuid32", "lseek",
    "_llseek",   "lstat",     "lstat64",     "newfstatat", "open",      "openat",    "pread64",
    "pwrite64",  "readlink",  "readlinkat",  "rename",     "renameat",  "renameat2", "stat",
    "stat64",    "statx",     "umask",       "unlink",     "unlinkat"};

/* What AddressSanitizer and UndefinedBehaviorSanitizer do beside: shadow memory, reports. A build
 * for tests; the real one does not have them. */
static const char *const sanitizer_calls[] = {
    "clone",       "clone3",      "dup",        "fstat",      "getrlimit",    "ioctl",
    "mmap",        "mprotect",    "newfstatat", "open",       "openat",       "pipe2",
    "prctl",       "prlimit64",   "readlink",   "readlinkat", "rt_sigaction", "sched_getaffinity",
    "sched_yield", "sigaltstack", "lseek",      "access",     "wait4",        "tgkill"};

/* A list of rules under way. */
struct sandbox {
    scmp_filter_ctx filter;
    int error; /* the first, negative; 0: none */
};

/* Allow CALL if COUNT comparisons of its arguments hold. */
static void allow_if(struct sandbox *sandbox, const char *call, unsigned count,
                     const struct scmp_arg_cmp *comparisons)
{
    int number = seccomp_syscall_resolve_name(call);

    if (number == __NR_SCMP_ERROR || sandbox->error != 0)
        return;
    sandbox->error =
        seccomp_rule_add_array(sandbox->filter, SCMP_ACT_ALLOW, number, count, comparisons);
    if (sandbox->error == -EDOM) /* the architecture has it not */
        sandbox->error = 0;
}

/* Allow each of COUNT calls. */
static void allow_all(struct sandbox *sandbox, const char *const *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        allow_if(sandbox, calls[i], 0, NULL);
}

/* Memory may be had, but none that code runs in. */
static void allow_memory(struct sandbox *sandbox)
{
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

    allow_if(sandbox, "mmap", 1, &not_executable);
    allow_if(sandbox, "mmap2", 1, &not_executable);
    allow_if(sandbox, "mprotect", 1, &not_executable);
}

/* Ask about a descriptor, not a file: fstat(3) of glibc is newfstatat with an empty path. */
static void allow_descriptors(struct sandbox *sandbox)
{
    const struct scmp_arg_cmp empty_path = SCMP_A3(SCMP_CMP_MASKED_EQ, INT_BITS, AT_EMPTY_PATH);
    const struct scmp_arg_cmp get_flags = SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, F_GETFL);
    const struct scmp_arg_cmp set_flags = SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, F_SETFL);
    const struct scmp_arg_cmp set_close = SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, F_SETFD);

    allow_if(sandbox, "fstat", 0, NULL);
    allow_if(sandbox, "newfstatat", 1, &empty_path);
    allow_if(sandbox, "fcntl", 1, &get_flags);
    allow_if(sandbox, "fcntl", 1, &set_flags);
    allow_if(sandbox, "fcntl", 1, &set_close);
}

/* A database: its files, and locks on them. */
static void allow_database(struct sandbox *sandbox)
{
    static const int locks[] = {F_GETFD, F_GETLK, F_SETLK, F_SETLKW};

    allow_all(sandbox, ledger_calls, sizeof(ledger_calls) / sizeof(ledger_calls[0]));
    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        const struct scmp_arg_cmp lock =
            SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)locks[i]);
        allow_if(sandbox, "fcntl", 1, &lock);
        allow_if(sandbox, "fcntl64", 1, &lock);
    }
}

/* abort(3) sends a signal, to the process itself. */
static void allow_abort(struct sandbox *sandbox)
{
    const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)getpid());

    allow_if(sandbox, "tgkill", 1, &self);
}

/* Streams over IPv4 and IPv6: the backend. */
static void allow_sockets(struct sandbox *sandbox)
{
    static const int families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct scmp_arg_cmp stream[] = {
            SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)families[i]),
            SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS & ~SOCKET_FLAGS, SOCK_STREAM)};
        allow_if(sandbox, "socket", 2, stream);
    }
}

/* All rules of ROLE. */
static void add_rules(struct sandbox *sandbox, enum sandbox_role role)
{
    allow_all(sandbox, common_calls, sizeof(common_calls) / sizeof(common_calls[0]));
    allow_memory(sandbox);
    allow_descriptors(sandbox);
    allow_abort(sandbox);
    if (role == SANDBOX_WORKER) {
        allow_all(sandbox, worker_calls, sizeof(worker_calls) / sizeof(worker_calls[0]));
        allow_sockets(sandbox);
    }
    if (role == SANDBOX_LEDGER || role == SANDBOX_LEDGER_METRICS)
        allow_database(sandbox);
    if (role == SANDBOX_METRICS || role == SANDBOX_LEDGER_METRICS)
        allow_all(sandbox, metrics_calls, sizeof(metrics_calls) / sizeof(metrics_calls[0]));
    if (SANITIZED)
        allow_all(sandbox, sanitizer_calls, sizeof(sanitizer_calls) / sizeof(sanitizer_calls[0]));
}

void sandbox_enter(enum sandbox_role role)
{
    struct sandbox sandbox = {.filter = seccomp_init(SCMP_ACT_KILL_PROCESS)};

    if (sandbox.filter == NULL)
        log_fatal("cannot make a system call filter");
    /* Another architecture's calls have other numbers. */
    sandbox.error =
        seccomp_attr_set(sandbox.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    /* A tree, not a list: each call of the process goes through it. */
    if (sandbox.error == 0)
        (void)seccomp_attr_set(sandbox.filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    add_rules(&sandbox, role);
    if (sandbox.error == 0)
        sandbox.error = seccomp_load(sandbox.filter);
    seccomp_release(sandbox.filter);
    if (sandbox.error != 0)
        log_fatal("cannot load the system call filter (gatepost_sandbox): %s",
                  strerror(-sandbox.error));
}
