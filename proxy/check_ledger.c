#include "proxy/check_ledger.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proxy/ledger_schema.h"

#define ROOM_MIN ((unsigned long long)64 << 20) /* bytes: a few hundred thousand peers */

/* What everything ends with. */
static const char consequence[] = "sessions would be served but not recorded";

/* Who writes the ledger: gatepost_user, or who runs this. False: there is no such user, which is
 * an error elsewhere. */
static bool find_user(const struct config *config, uid_t *uid)
{
    const struct passwd *user;

    *uid = geteuid();
    if (*uid != 0)
        return true;
    user = getpwnam(config_str(config, PARAM_gatepost_user));
    if (user != NULL)
        *uid = user->pw_uid;
    return user != NULL;
}

/* The state directory, when there is no ledger's directory in it yet. */
static void check_state(const char *state, struct diag *diag)
{
    struct stat status;

    if (stat(state, &status) != 0)
        diag_warning(diag, "gatepost_state_directory = %s: %s; %s", state, strerror(errno),
                     consequence);
    else if (!S_ISDIR(status.st_mode))
        diag_warning(diag, "gatepost_state_directory = %s: not a directory; %s", state,
                     consequence);
    else if (access(state, W_OK) != 0)
        diag_warning(diag, "gatepost_state_directory = %s: cannot be written to: %s; %s", state,
                     strerror(errno), consequence);
}

/* How much room there is for DIRECTORY. */
static void check_room(const char *directory, struct diag *diag)
{
    struct statvfs room;

    if (statvfs(directory, &room) != 0)
        return;
    unsigned long long left = (unsigned long long)room.f_bavail * room.f_frsize;
    if ((room.f_flag & ST_RDONLY) != 0)
        diag_warning(diag, "%s: the file system is mounted read-only; %s", directory, consequence);
    else if (left < ROOM_MIN)
        diag_warning(diag,
                     "%s: only %llu MB are free: when there is no room any more, sessions are "
                     "served but not recorded",
                     directory, left >> 20);
}

/* The database, if there is one. */
static void check_database(const char *path, uid_t uid, struct diag *diag)
{
    char why[LEDGER_WHY_MAX];
    struct stat status;
    sqlite3 *db;

    if (lstat(path, &status) != 0)
        return;
    if (!S_ISREG(status.st_mode) || status.st_uid != uid || (status.st_mode & S_IWUSR) == 0) {
        diag_warning(diag, "%s: must be a file that gatepost_user owns and can write to; %s", path,
                     consequence);
        return;
    }
    enum ledger_opened opened = ledger_schema_open_readonly(path, &db, why);
    sqlite3_close(db);
    if (opened == LEDGER_NEWER)
        diag_warning(diag, "%s: %s: it was made by a later gatepost; %s", path, why, consequence);
    else if (opened == LEDGER_CORRUPT)
        diag_warning(diag, "%s: %s; it would be renamed to %s.corrupt, and a new one begun", path,
                     why, LEDGER_FILE);
    else if (opened == LEDGER_FAILED)
        diag_warning(diag, "%s: %s", path, why);
}

void check_ledger(const struct config *config, struct diag *diag)
{
    const char *state = config_str(config, PARAM_gatepost_state_directory);
    char directory[LEDGER_PATH_MAX], path[LEDGER_PATH_MAX];
    struct stat status;
    uid_t uid;

    if (!config_bool(config, PARAM_gatepost_ledger) || !find_user(config, &uid))
        return;
    ledger_path(config, path);
    snprintf(directory, sizeof(directory), "%s", path);
    *strrchr(directory, '/') = '\0';
    if (lstat(directory, &status) != 0) {
        if (errno == ENOENT)
            check_state(state, diag);
        else
            diag_warning(diag, "%s: %s; %s", directory, strerror(errno), consequence);
        check_room(state, diag);
        return;
    }
    if (!S_ISDIR(status.st_mode) || status.st_uid != uid || (status.st_mode & 022) != 0) {
        diag_warning(diag,
                     "%s: must be a directory that belongs to gatepost_user, and that nobody else "
                     "can write to; %s",
                     directory, consequence);
        return;
    }
    check_room(directory, diag);
    check_database(path, uid, diag);
}
