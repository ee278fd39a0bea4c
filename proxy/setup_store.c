#include "proxy/setup_store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/text.h"

#include "tls/file.h"

/* "DIRECTORY/NAME"; for the caller to free. */
static char *path_in(const struct setup_store *store, const char *name)
{
    struct text path = {0};

    text_format(&path, "%s/%s", store->directory, name);
    return text_take(&path);
}

/* The copy of file INDEX: "before" or "after"; for the caller to free. */
static char *copy_path(const struct setup_store *store, size_t index, const char *when)
{
    char name[32];

    snprintf(name, sizeof(name), "%zu.%s", index, when);
    return path_in(store, name);
}

/* All of BYTES, down to the disk. Returns 0 or an errno. */
static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);

        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* What a file shall be like. */
struct looks {
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

/* Fill the new file FD and give it its looks. Returns 0 or an errno. */
static int fill(int fd, const char *bytes, size_t length, const struct looks *looks)
{
    int error = write_all(fd, bytes, length);

    if (error == 0 && fchown(fd, looks->uid, looks->gid) != 0)
        error = errno;
    if (error == 0 && fchmod(fd, looks->mode) != 0)
        error = errno;
    return error;
}

/* PATH is these bytes, at once. Returns 0, or -1 after reporting. */
static int replace(const char *path, const char *bytes, size_t length, const struct looks *looks,
                   struct diag *diag)
{
    struct text draft = {0};
    int error;

    text_format(&draft, "%s.XXXXXX", path);
    int fd = mkostemp(draft.data, O_CLOEXEC);
    if (fd < 0) {
        error = errno;
    } else {
        error = fill(fd, bytes, length, looks);
        close(fd);
        if (error == 0 && rename(draft.data, path) != 0)
            error = errno;
        if (error != 0)
            unlink(draft.data);
    }
    text_free(&draft);
    if (error != 0)
        diag_error(diag, "write %s: %s", path, strerror(error));
    return error == 0 ? 0 : -1;
}

/* The parent of PATH is there, made if need be. */
static int make_parent(const char *path, struct diag *diag)
{
    char *copy = text_copy(path);
    const char *parent = dirname(copy);
    int status = 0;

    if (mkdir(parent, 0755) != 0 && errno != EEXIST) {
        diag_error(diag, "mkdir %s: %s", parent, strerror(errno));
        status = -1;
    }
    free(copy);
    return status;
}

int setup_write_file(const char *path, const char *bytes, size_t length, unsigned mode,
                     struct diag *diag)
{
    struct looks looks = {(mode_t)mode, geteuid(), getegid()};
    struct stat old;

    if (make_parent(path, diag) != 0)
        return -1;
    if (stat(path, &old) == 0)
        looks = (struct looks){old.st_mode & 07777, old.st_uid, old.st_gid};
    return replace(path, bytes, length, &looks, diag);
}

/* Copy FROM to TO, for root only. */
static int copy_file(const char *from, const char *to, struct diag *diag)
{
    const struct looks looks = {0600, geteuid(), getegid()};
    uint8_t *bytes;
    size_t length;

    if (tls_file_read(from, SETUP_FILE_MAX_SIZE, &bytes, &length, diag) != 0)
        return -1;
    int status = replace(to, (const char *)bytes, length, &looks, diag);
    tls_file_free(bytes, length);
    return status;
}

void setup_store_begin(struct setup_store *store, const char *directory)
{
    struct text path = {0};

    text_format(&path, "%s/setup", directory);
    *store = (struct setup_store){.directory = text_take(&path)};
}

void setup_store_free(struct setup_store *store)
{
    setup_journal_free(&store->journal);
    free(store->directory);
    *store = (struct setup_store){0};
}

bool setup_store_exists(const struct setup_store *store)
{
    return access(store->directory, F_OK) == 0;
}

int setup_store_add(struct setup_store *store, const char *path, struct diag *diag)
{
    struct setup_journal *journal = &store->journal;
    struct stat old;

    if (*path != '/' || strchr(path, '\n') != NULL || journal->count == SETUP_FILES_MAX) {
        diag_error(diag, "%s: such a file cannot be changed", path);
        return -1;
    }
    const bool existed = lstat(path, &old) == 0;
    if (existed && !S_ISREG(old.st_mode)) {
        diag_error(diag, "%s: not a regular file, so it cannot be replaced and put back", path);
        return -1;
    }
    journal->files[journal->count++] =
        (struct setup_file){.path = text_copy(path),
                            .existed = existed,
                            .mode = existed ? old.st_mode & 07777 : 0,
                            .uid = existed ? old.st_uid : 0,
                            .gid = existed ? old.st_gid : 0};
    return 0;
}

/* The journal as it is now. */
static int write_journal(const struct setup_store *store, struct diag *diag)
{
    const struct looks looks = {0600, geteuid(), getegid()};
    char *text = NULL;
    size_t length = 0;
    int status = -1;
    char *path = path_in(store, "journal");
    FILE *out = open_memstream(&text, &length);

    if (out != NULL)
        setup_journal_write(&store->journal, out);
    if (out == NULL || fclose(out) != 0)
        diag_error(diag, "out of memory");
    else
        status = replace(path, text, length, &looks, diag);
    free(text);
    free(path);
    return status;
}

/* Copies of all files that are there. */
static int copy_all(const struct setup_store *store, const char *when, struct diag *diag)
{
    int status = 0;

    for (size_t i = 0; i < store->journal.count && status == 0; i++) {
        const char *path = store->journal.files[i].path;

        if (access(path, F_OK) != 0)
            continue;
        char *copy = copy_path(store, i, when);
        status = copy_file(path, copy, diag);
        free(copy);
    }
    return status;
}

int setup_store_keep(struct setup_store *store, struct diag *diag)
{
    if (mkdir(store->directory, 0700) != 0) {
        diag_error(diag, "mkdir %s: %s", store->directory, strerror(errno));
        return -1;
    }
    if (copy_all(store, "before", diag) == 0 && write_journal(store, diag) == 0)
        return 0;
    setup_store_remove(store);
    return -1;
}

int setup_store_complete(struct setup_store *store, struct diag *diag)
{
    if (copy_all(store, "after", diag) != 0)
        return -1;
    store->journal.complete = true;
    return write_journal(store, diag);
}

int setup_store_load(struct setup_store *store, struct diag *diag)
{
    char *path = path_in(store, "journal");
    uint8_t *bytes;
    size_t length;
    int status = -1;

    if (tls_file_read(path, SETUP_JOURNAL_MAX_SIZE, &bytes, &length, diag) == 0) {
        status = setup_journal_parse(path, (const char *)bytes, length, &store->journal, diag);
        tls_file_free(bytes, length);
    }
    free(path);
    return status;
}

/* Whether two files have the same bytes; one that cannot be read differs. */
static bool same(const char *one, const char *other)
{
    struct diag quiet = {0};
    uint8_t *bytes[2] = {NULL, NULL};
    size_t length[2] = {0, 0};
    bool equal = false;

    if (tls_file_read(one, SETUP_FILE_MAX_SIZE, &bytes[0], &length[0], &quiet) == 0) {
        if (tls_file_read(other, SETUP_FILE_MAX_SIZE, &bytes[1], &length[1], &quiet) == 0) {
            equal = length[0] == length[1] && memcmp(bytes[0], bytes[1], length[0]) == 0;
            tls_file_free(bytes[1], length[1]);
        }
        tls_file_free(bytes[0], length[0]);
    }
    return equal;
}

/* If somebody has changed PATH since, keep what it is now. */
static int save_changes(const char *path, const char *left, FILE *out, struct diag *diag)
{
    struct text copy = {0};
    int status = 0;

    if (access(path, F_OK) != 0 || access(left, F_OK) != 0 || same(path, left))
        return 0;
    text_format(&copy, "%s.before-undo", path);
    status = copy_file(path, copy.data, diag);
    if (status == 0)
        fprintf(out, "%s was changed since; as it was now: %s\n", path, copy.data);
    text_free(&copy);
    return status;
}

/* Put back the file INDEX. */
static int restore_file(const struct setup_store *store, size_t index, FILE *out, struct diag *diag)
{
    const struct setup_file *file = &store->journal.files[index];
    const struct looks looks = {file->mode, file->uid, file->gid};
    char *before = copy_path(store, index, "before");
    char *left = copy_path(store, index, "after");
    uint8_t *bytes;
    size_t length;
    int status = save_changes(file->path, left, out, diag);

    if (status == 0 && !file->existed) {
        if (unlink(file->path) != 0 && errno != ENOENT) {
            diag_error(diag, "remove %s: %s", file->path, strerror(errno));
            status = -1;
        }
    } else if (status == 0) {
        status = tls_file_read(before, SETUP_FILE_MAX_SIZE, &bytes, &length, diag);
        if (status == 0) {
            status = replace(file->path, (const char *)bytes, length, &looks, diag);
            tls_file_free(bytes, length);
        }
    }
    free(before);
    free(left);
    return status;
}

int setup_store_restore(const struct setup_store *store, FILE *out, struct diag *diag)
{
    int status = 0;

    for (size_t i = 0; i < store->journal.count; i++) {
        if (restore_file(store, i, out, diag) != 0)
            status = -1;
    }
    return status;
}

/* Remove a file, if it is there, and free its name. */
static void discard(char *path)
{
    unlink(path);
    free(path);
}

void setup_store_remove(const struct setup_store *store)
{
    for (size_t i = 0; i < store->journal.count; i++) {
        discard(copy_path(store, i, "before"));
        discard(copy_path(store, i, "after"));
    }
    discard(path_in(store, "journal"));
    rmdir(store->directory);
}
