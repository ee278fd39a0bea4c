/*
 * file_watch.h: whether files are still what they were, found out by looking at them now and then.
 *
 * Each look is a stat(2) of every path. That follows symbolic links wherever they stand in a path,
 * so it sees what is put there in whatever way: written over, renamed to, a link or a directory
 * replaced. It works on every file system and needs nothing that can run out. A file that is not
 * there, or cannot be looked at, is in a state like any other.
 *
 * Files that belong together are written one after the other: a change counts when two looks in a
 * row have seen the same.
 */
#ifndef GATEPOST_PROXY_FILE_WATCH_H
#define GATEPOST_PROXY_FILE_WATCH_H

struct file_watch;

enum file_watch_state {
    FILE_WATCH_SAME,   /* all is as it was */
    FILE_WATCH_MOVING, /* something has changed, perhaps not for the last time */
    FILE_WATCH_SETTLED /* something has changed since then, and nothing since the last look */
};

/* An empty one. Free with file_watch_free; NULL does no harm. */
struct file_watch *file_watch_new(void);
void file_watch_free(struct file_watch *watch);

/* Add a path; it may be added several times. Nothing is looked at before file_watch_begin, which
 * remembers how everything is now; it may be called again later. */
void file_watch_add(struct file_watch *watch, const char *path);
void file_watch_begin(struct file_watch *watch);

/*
 * Look. SETTLED is told once for each change: what was seen counts from then on as how it was.
 * *CHANGED: a path that is not as it was, borrowed; NULL if all are.
 */
enum file_watch_state file_watch_look(struct file_watch *watch, const char **changed);

#endif
