#include "proxy/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proxy/log.h"

/* The workers' root: a directory in which nothing is and nothing can be put. */
static int prepare_root_directory(const char *path, struct diag *diag)
{
    struct stat status;

    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        diag_error(diag, "gatepost_chroot_directory = %s: cannot make it: %s", path,
                   strerror(errno));
        return -1;
    }
    DIR *directory = opendir(path);
    if (directory == NULL || fstat(dirfd(directory), &status) != 0) {
        diag_error(diag, "gatepost_chroot_directory = %s: %s", path, strerror(errno));
        if (directory != NULL)
            closedir(directory);
        return -1;
    }
    bool empty = true;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    closedir(directory);
    if (!empty || status.st_uid != 0 || (status.st_mode & 022) != 0) {
        diag_error(diag,
                   "gatepost_chroot_directory = %s: must be empty, owned by root and writable by "
                   "nobody else",
                   path);
        return -1;
    }
    return 0;
}

int privileges_prepare(const struct config *config, struct privileges *privileges,
                       struct diag *diag)
{
    const char *name = config_str(config, PARAM_gatepost_user);

    *privileges = (struct privileges){.root = geteuid() == 0, .uid = geteuid(), .gid = getegid()};
    if (!privileges->root)
        return 0;
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        diag_error(
            diag,
            "gatepost_user = %s: no such user; make one (adduser --system --group %s) or name "
            "another unprivileged one",
            name, name);
        return -1;
    }
    if (user->pw_uid == 0) {
        diag_error(diag, "gatepost_user = %s: must not be root", name);
        return -1;
    }
    privileges->uid = user->pw_uid;
    privileges->gid = user->pw_gid;
    privileges->root_directory = config_str(config, PARAM_gatepost_chroot_directory);
    return prepare_root_directory(privileges->root_directory, diag);
}

/* Fatal unless OK. */
static void must(bool ok, const char *what)
{
    if (!ok)
        log_fatal("cannot give up privileges: %s: %s", what, strerror(errno));
}

/* Empty the bounding set, but for KEEP. Without CAP_SETPCAP it cannot be changed; no_new_privs
 * makes it unusable then. */
static void drop_bounding_set(const cap_value_t *keep, size_t keep_count)
{
    for (cap_value_t value = 0; value < cap_max_bits(); value++) {
        bool kept = false;
        for (size_t i = 0; i < keep_count; i++)
            kept = kept || keep[i] == value;
        if (!kept && cap_get_bound(value) > 0)
            must(cap_drop_bound(value) == 0, "bounding set");
    }
}

/* Permitted and effective become exactly KEEP; inheritable and ambient become empty. */
static void set_capabilities(const cap_value_t *keep, size_t keep_count)
{
    cap_t wanted = cap_init();

    must(wanted != NULL, "cap_init");
    if (keep_count > 0) {
        must(cap_set_flag(wanted, CAP_PERMITTED, (int)keep_count, keep, CAP_SET) == 0 &&
                 cap_set_flag(wanted, CAP_EFFECTIVE, (int)keep_count, keep, CAP_SET) == 0,
             "cap_set_flag");
    }
    must(cap_reset_ambient() == 0, "ambient set");
    must(cap_set_proc(wanted) == 0, "capabilities");
    cap_free(wanted);
}

/* True if this process has CAPABILITY in effect. */
static bool has_capability(cap_value_t capability)
{
    cap_t own = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;

    must(own != NULL, "cap_get_proc");
    must(cap_get_flag(own, capability, CAP_EFFECTIVE, &value) == 0, "cap_get_flag");
    cap_free(own);
    return value == CAP_SET;
}

/* No other processes are started. */
static void forbid_processes(void)
{
    const struct rlimit none = {0, 0};

    must(setrlimit(RLIMIT_NPROC, &none) == 0, "RLIMIT_NPROC");
}

/* No core files, and no other process may look inside. */
static void forbid_inspection(void)
{
    const struct rlimit none = {0, 0};

    must(setrlimit(RLIMIT_CORE, &none) == 0, "RLIMIT_CORE");
    must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "PR_SET_DUMPABLE");
}

/* mkdir(2) in the name of the user, for root: the directory is the user's from the first moment,
 * and no right to give files away is needed. Where the parent is root's, that takes
 * CAP_DAC_OVERRIDE. */
static int make_as_user(const struct privileges *privileges, const char *path)
{
    const cap_value_t value = CAP_DAC_OVERRIDE;
    cap_t own = NULL;

    must(setegid(privileges->gid) == 0 && seteuid(privileges->uid) == 0, "seteuid");
    if ((own = cap_get_proc()) != NULL && cap_set_flag(own, CAP_EFFECTIVE, 1, &value, CAP_SET) == 0)
        (void)cap_set_proc(own); /* else mkdir fails, and says why */
    int status = mkdir(path, 0750);
    int error = errno;
    cap_free(own);
    must(seteuid(0) == 0 && setegid(0) == 0, "seteuid");
    errno = error;
    return status;
}

bool privileges_make_directory(const struct privileges *privileges, const char *path, char *why,
                               size_t size)
{
    struct stat status;
    int made = privileges->root ? make_as_user(privileges, path) : mkdir(path, 0750);

    if (made != 0 && errno != EEXIST) {
        snprintf(why, size, "cannot make it: %s", strerror(errno));
        return false;
    }
    if (lstat(path, &status) != 0) {
        snprintf(why, size, "%s", strerror(errno));
        return false;
    }
    if (S_ISDIR(status.st_mode) && status.st_uid == privileges->uid && (status.st_mode & 022) == 0)
        return true;
    snprintf(why, size,
             "must be a directory that belongs to gatepost_user, and that nobody else "
             "can write to");
    return false;
}

void privileges_raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) == 0)
            return;
    }
    log_warning("cannot raise the limit on open files: %s", strerror(errno));
}

void privileges_drop(const struct privileges *privileges)
{
    tzset(); /* the time zone is a file */
    if (privileges->root) {
        must(chroot(privileges->root_directory) == 0, "chroot");
        must(chdir("/") == 0, "chdir");
    }
    if (has_capability(CAP_SETPCAP))
        drop_bounding_set(NULL, 0);
    if (privileges->root) {
        must(setgroups(0, NULL) == 0, "setgroups");
        must(setresgid(privileges->gid, privileges->gid, privileges->gid) == 0, "setresgid");
        must(setresuid(privileges->uid, privileges->uid, privileges->uid) == 0, "setresuid");
    }
    set_capabilities(NULL, 0);
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    forbid_processes();
    forbid_inspection();
    if (privileges->root)
        must(setuid(0) != 0 && getuid() == privileges->uid, "setuid(0) still works");
}

void privileges_limit_master(const struct privileges *privileges)
{
    static const cap_value_t keep[] = {CAP_SETUID,          CAP_SETGID,      CAP_SETPCAP,
                                       CAP_SYS_CHROOT,      CAP_KILL,        CAP_NET_BIND_SERVICE,
                                       CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE};
    static const cap_value_t keep_unprivileged[] = {CAP_NET_BIND_SERVICE};
    const cap_value_t *kept = privileges->root ? keep : keep_unprivileged;
    size_t count = privileges->root ? sizeof(keep) / sizeof(keep[0]) : 1;

    if (!privileges->root && !has_capability(CAP_NET_BIND_SERVICE))
        count = 0;
    if (has_capability(CAP_SETPCAP))
        drop_bounding_set(kept, count);
    set_capabilities(kept, count);
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    forbid_inspection();
}
