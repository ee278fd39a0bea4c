#include "proxy/forbidden_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/log.h"

static long try_open(void)
{
    return open("/", O_RDONLY | O_DIRECTORY);
}

static long try_stat(void)
{
    struct stat info;
    return stat("/", &info);
}

static long try_mkdir(void)
{
    return mkdir("/x", 0700);
}

static long try_unlink(void)
{
    return unlink("/x");
}

static long try_chroot(void)
{
    return chroot("/");
}

static long try_chdir(void)
{
    return chdir("/");
}

static long try_socket_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_socket_datagram(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0);
}

static long try_socket_raw(void)
{
    return socket(AF_INET, SOCK_RAW, 0);
}

static long try_socket_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long try_socket_inet(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_connect(void)
{
    struct sockaddr address = {.sa_family = AF_INET};
    return connect(0, &address, sizeof(address));
}

static long try_accept(void)
{
    return accept4(0, NULL, NULL, 0);
}

static long try_bind(void)
{
    struct sockaddr address = {.sa_family = AF_INET};
    return bind(0, &address, sizeof(address));
}

static long try_listen(void)
{
    return listen(0, 1);
}

static long try_exec(void)
{
    char *arguments[] = {NULL};
    return execve("/x", arguments, arguments);
}

static long try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child;
}

static long try_kill(void)
{
    return kill(getppid(), 0);
}

static long try_kill_other_process(void)
{
    return syscall(SYS_tgkill, 1, 1, 0);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_read_other_memory(void)
{
    return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long try_setuid(void)
{
    return setuid(getuid());
}

static long try_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_limits(void)
{
    struct rlimit limit = {0, 0};
    return setrlimit(RLIMIT_CORE, &limit);
}

static long try_map_code(void)
{
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mapped == MAP_FAILED ? -1 : 0;
}

static long try_protect_code(void)
{
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(mapped, 4096, PROT_READ | PROT_EXEC);
}

static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long try_memfd(void)
{
    return syscall(SYS_memfd_create, "x", 0);
}

static long try_ioctl(void)
{
    return syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x");
}

static long try_dup_to_other(void)
{
    return fcntl(0, F_DUPFD, 100);
}

#ifdef __x86_64__
/* The numbers of the 32-bit ABI are others: 11 is execve there, munmap here. */
static long try_abi_32(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    return result;
}

static long try_abi_x32(void)
{
    return syscall(0x40000000L | SYS_getpid);
}
#endif

static const struct {
    const char *name;
    long (*call)(void);
} forbidden_calls[] = {
    {"open", try_open},
    {"stat", try_stat},
    {"mkdir", try_mkdir},
    {"unlink", try_unlink},
    {"chroot", try_chroot},
    {"chdir", try_chdir},
    {"socket-unix", try_socket_unix},
    {"socket-datagram", try_socket_datagram},
    {"socket-raw", try_socket_raw},
    {"socket-netlink", try_socket_netlink},
    {"socket-inet", try_socket_inet}, /* not forbidden to workers, as the next two */
    {"connect", try_connect},
    {"accept", try_accept},
    {"bind", try_bind},
    {"listen", try_listen},
    {"exec", try_exec},
    {"fork", try_fork},
    {"kill", try_kill},
    {"kill-other-process", try_kill_other_process},
    {"ptrace", try_ptrace},
    {"read-other-memory", try_read_other_memory},
    {"setuid", try_setuid},
    {"dumpable", try_dumpable},
    {"limits", try_limits},
    {"map-code", try_map_code},
    {"protect-code", try_protect_code},
    {"bpf", try_bpf},
    {"io_uring", try_io_uring},
    {"memfd", try_memfd},
    {"ioctl", try_ioctl},
    {"dup", try_dup_to_other},
#ifdef __x86_64__
    {"abi-32", try_abi_32},
    {"abi-x32", try_abi_x32},
#endif
};

static void on_sigusr1(struct ev_loop *loop, ev_signal *watcher, int events)
{
    const char *name = getenv("GATEPOST_TEST_FORBIDDEN");

    (void)loop;
    (void)watcher;
    (void)events;
    for (size_t i = 0; i < sizeof(forbidden_calls) / sizeof(forbidden_calls[0]); i++)
        if (name != NULL && strcmp(name, forbidden_calls[i].name) == 0) {
            errno = 0;
            long result = forbidden_calls[i].call();
            log_error("the forbidden call %s returned %ld: %s", name, result, strerror(errno));
            return;
        }
    log_error("there is no forbidden call %s", name != NULL ? name : "");
}

void forbidden_calls_watch(struct ev_loop *loop)
{
    static ev_signal watcher;

    ev_signal_init(&watcher, on_sigusr1, SIGUSR1);
    ev_signal_start(loop, &watcher);
}
