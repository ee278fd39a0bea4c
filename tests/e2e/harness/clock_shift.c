/*
 * clock_shift.c: to be preloaded: lets a test move a daemon's clocks. The file GATEPOST_CLOCK_SHIFT
 * holds how many seconds they are ahead, as an int64_t; it is mapped before the daemon locks itself
 * in, and read at each call. What runs by the monotonic clock is not disturbed.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

static void __attribute__((constructor)) map_shift(void)
{
    const char *path = getenv("GATEPOST_CLOCK_SHIFT");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        shift = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);

    if (status == 0 && shift != NULL && (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME))
        now->tv_sec += *shift;
    return status;
}
