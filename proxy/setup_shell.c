#include "proxy/setup_shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOWN 1024 /* bytes of what a failed command wrote */
#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* In the child: become sh, writing to OUTPUT. */
static _Noreturn void become_shell(const char *command, int output)
{
    int nothing = open("/dev/null", O_RDONLY);

    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0 || setenv("PATH", SYSTEM_PATH, 1) != 0)
        _exit(126);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Report that COMMAND failed, with the end of what is in OUTPUT. */
static void report(const char *command, int status, int output, struct diag *diag)
{
    char text[SHOWN + 1];
    off_t size = lseek(output, 0, SEEK_END);
    off_t from = size > SHOWN ? size - SHOWN : 0;
    ssize_t got = pread(output, text, SHOWN, from);

    text[got > 0 ? got : 0] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\n' ? ' ' : *c;
    if (WIFSIGNALED(status))
        diag_error(diag, "%s: killed by signal %d: %s", command, WTERMSIG(status), text);
    else
        diag_error(diag, "%s: exit status %d: %s", command, WEXITSTATUS(status), text);
}

int setup_shell_wait(pid_t child)
{
    int status = 0;
    pid_t ended;

    do
        ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    return ended == child ? status : W_EXITCODE(255, 0);
}

bool setup_shell_run(const char *command, struct diag *diag)
{
    FILE *file = tmpfile();
    pid_t child = file != NULL ? fork() : -1;

    if (child == 0)
        become_shell(command, fileno(file));
    if (child < 0) {
        diag_error(diag, "%s: cannot be run: %s", command, strerror(errno));
        if (file != NULL)
            fclose(file);
        return false;
    }
    int status = setup_shell_wait(child);
    if (status != 0)
        report(command, status, fileno(file), diag);
    fclose(file);
    return status == 0;
}
