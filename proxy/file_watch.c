#include "proxy/file_watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/text.h"

/* What is compared of a file. Not st_ctime: it also changes when a backup resets st_atime, or a
 * link is made. */
struct file_state {
    int error; /* of stat(2); the rest is 0 then */
    dev_t device;
    ino_t inode;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    off_t size;
    struct timespec modified;
};

struct watched_file {
    char *path;
    struct file_state known; /* how it was */
    struct file_state seen;  /* at the last look */
};

struct file_watch {
    struct watched_file *files;
    size_t count;
};

/* Look at PATH. */
static struct file_state look_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct file_state){.error = errno};
    return (struct file_state){
        .device = status.st_dev,
        .inode = status.st_ino,
        .mode = status.st_mode,
        .uid = status.st_uid,
        .gid = status.st_gid,
        .size = status.st_size,
        .modified = status.st_mtim,
    };
}

static bool is_same(const struct file_state *a, const struct file_state *b)
{
    return a->error == b->error && a->device == b->device && a->inode == b->inode &&
           a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

struct file_watch *file_watch_new(void)
{
    return text_alloc(1, sizeof(struct file_watch));
}

void file_watch_free(struct file_watch *watch)
{
    for (size_t i = 0; watch != NULL && i < watch->count; i++)
        free(watch->files[i].path);
    if (watch != NULL)
        free(watch->files);
    free(watch);
}

void file_watch_add(struct file_watch *watch, const char *path)
{
    watch->files = text_resize(watch->files, watch->count + 1, sizeof(*watch->files));
    watch->files[watch->count++] = (struct watched_file){.path = text_copy(path)};
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct watched_file *)a)->path, ((const struct watched_file *)b)->path);
}

/* Drop what was added before. */
static void drop_repeated(struct file_watch *watch)
{
    size_t kept = 0;

    if (watch->count > 0)
        qsort(watch->files, watch->count, sizeof(*watch->files), compare_paths);
    for (size_t i = 0; i < watch->count; i++) {
        if (kept > 0 && compare_paths(&watch->files[kept - 1], &watch->files[i]) == 0)
            free(watch->files[i].path);
        else
            watch->files[kept++] = watch->files[i];
    }
    watch->count = kept;
}

void file_watch_begin(struct file_watch *watch)
{
    drop_repeated(watch);
    for (size_t i = 0; i < watch->count; i++)
        watch->files[i].known = watch->files[i].seen = look_at(watch->files[i].path);
}

enum file_watch_state file_watch_look(struct file_watch *watch, const char **changed)
{
    bool moving = false;

    *changed = NULL;
    for (size_t i = 0; i < watch->count; i++) {
        struct watched_file *file = &watch->files[i];
        const struct file_state now = look_at(file->path);
        moving = moving || !is_same(&now, &file->seen);
        file->seen = now;
        if (*changed == NULL && !is_same(&now, &file->known))
            *changed = file->path;
    }
    if (*changed == NULL)
        return FILE_WATCH_SAME;
    if (moving)
        return FILE_WATCH_MOVING;
    for (size_t i = 0; i < watch->count; i++)
        watch->files[i].known = watch->files[i].seen;
    return FILE_WATCH_SETTLED;
}
